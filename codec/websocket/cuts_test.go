package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// randomFrames returns the bytes of random frames, some of them invalid.
func randomFrames(random *rand.Rand, masked bool) (all []byte) {
	in := false // a message in fragments
	for range 1 + random.IntN(6) {
		op := byte(1 + random.IntN(2))
		if in {
			op = 0
		}
		fin := random.IntN(3) > 0
		size := []int{0, 1, 5, 60, 64, 65, 101, 126}[random.IntN(8)]
		switch random.IntN(8) {
		case 0, 1:
			op, fin, size = []byte{9, 10}[random.IntN(2)], true, random.IntN(6)
		case 2:
			if random.IntN(3) == 0 {
				op, fin, size = 8, true, 0
			}
		}
		first := op
		if fin {
			first |= 0x80
		}
		if op < 8 {
			in = !fin
		}
		wrong := random.IntN(40)
		switch wrong {
		case 0:
			first ^= 0x80
		case 1, 2, 3:
			first |= 0x40 >> (wrong - 1)
		case 4:
			first = first&0xf0 | byte(random.IntN(16))
		case 5:
			first = first&0xf0 | byte(random.IntN(3))
		}
		mask := masked != (wrong == 6)
		second := byte(0)
		if mask {
			second = 0x80
		}
		if size < 126 && wrong != 7 {
			all = append(all, first, second|byte(size))
		} else {
			all = append(all, first, second|126, byte(size>>8), byte(size))
		}
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = "abcdefgh"[random.IntN(8)]
		}
		if size > 1 && random.IntN(6) == 0 {
			copy(payload[random.IntN(size-1):], "κ")
		}
		if size > 0 && random.IntN(20) == 0 {
			payload[random.IntN(size)] = 0xff
		}
		if mask {
			key := [4]byte{byte(random.IntN(256)), byte(random.IntN(256)), 3, 4}
			all = append(all, key[:]...)
			for i := range payload {
				payload[i] ^= key[i%4]
			}
		}
		all = append(all, payload...)
	}
	return all
}

// madeOf returns the messages, the end and the answers of a Conn that receives bytes in pieces of at most the given size.
func madeOf(t *testing.T, client bool, p []byte, most int, channel bool) (all []string) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chanio.Pipe()
		conn := websocket.NewConn(a, &websocket.Config{Client: client, MaxFrame: 64, MaxMessage: 100, MaxFragments: 3, PingAfter: -1})
		over := make(chan struct{})
		go func() {
			defer close(over)
			recv := conn.In.Recv
			if channel {
				ch := conn.In.C(t.Context())
				recv = func(context.Context) (m websocket.Message, err error) {
					m, ok := <-ch
					if err = conn.In.Err(); !ok && err == nil {
						err = io.EOF
					} else if ok {
						err = nil
					}
					return m, err
				}
			}
			for {
				m, err := recv(t.Context())
				if err != nil {
					var end *websocket.CloseError
					errors.As(err, &end)
					all = append(all, fmt.Sprint(err == io.EOF))
					if end != nil {
						all = append(all, fmt.Sprint(end.Code, end.Local))
					}
					return
				}
				all = append(all, fmt.Sprintf("%v %q %v", m.Kind, m.Data, m.Data == nil))
			}
		}()
		for len(p) > 0 {
			n := min(most, len(p))
			if b.Out.Send(t.Context(), p[:n]) != nil {
				break
			}
			p = p[n:]
			synctest.Wait()
		}
		_ = b.Out.Close()
		<-over
		conn.Abort(nil)
		b.Abort(nil)
		<-a.Done()
	})
	return all
}

// TestBytesMeanTheSameHoweverTheyArrive compares the code paths that read a message.
func TestBytesMeanTheSameHoweverTheyArrive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		client := random.IntN(2) == 0
		p := randomFrames(random, !client)
		want := madeOf(t, client, p, 1, false)
		for _, most := range []int{len(p), 1 + random.IntN(80), 70} {
			for _, channel := range []bool{false, true} {
				require.Equal(t, want, madeOf(t, client, p, most, channel), "%d %x", most, p)
			}
		}
	}
}

// TestTryRecvLooksAgainAtOtherBytesOfTheSameNumber sends a message of as many bytes as the part of a ping that an earlier
// TryRecv saw.
func TestTryRecvLooksAgainAtOtherBytesOfTheSameNumber(t *testing.T) {
	conn, peer := newRaw(t, true, &websocket.Config{PingAfter: -1})
	recv := func(want string, frames ...byte) {
		peer.write(frames)
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, want, m.String())
	}
	recv("a", 0x81, 1, 'a', 0x89, 3, 'x')
	_, ok, err := conn.In.TryRecv()
	require.NoError(t, err)
	require.False(t, ok)
	recv("b", 'y', 'z', 0x81, 1, 'b')
	recv("c", 0x81, 1, 'c', 0x81, 1, 'd')
	m, ok, err := conn.In.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "d", m.String())
}
