package websocket_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestRandomUseLosesNothing has one side send messages in random ways while the other receives them in random ways, with
// pauses in which it reads ahead, calls that are cancelled, and pings: all messages arrive once, in order, and whole, and
// then the end that the sender has chosen.
func TestRandomUseLosesNothing(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			newRandomTalk(t, seed).run()
		})
	}
}

// randomTalk is the messages of one direction.
type randomTalk struct {
	t        *testing.T
	from, to *websocket.Conn
	messages []websocket.Message
	code     websocket.Code
	seed     uint64
}

func newRandomTalk(t *testing.T, seed uint64) *randomTalk {
	r := rand.New(rand.NewPCG(seed, 0))
	a, b := chanio.Pipe()
	client := websocket.Config{Client: true, MaxMessage: 256 << 10}
	server := websocket.Config{MaxMessage: 256 << 10}
	if kind := r.IntN(3); kind > 0 {
		for _, cfg := range []*websocket.Config{&client, &server} {
			cfg.Deflate = &websocket.Deflate{From: 100, Takeover: true}
			cfg.Extension = &websocket.Extension{ServerNoTakeover: kind == 1, ClientNoTakeover: kind == 1, ServerBits: 9 + r.IntN(7)}
		}
	}
	talk := &randomTalk{t: t, seed: seed, from: websocket.NewConn(a, &client), to: websocket.NewConn(b, &server)}
	if r.IntN(2) == 0 {
		talk.from, talk.to = talk.to, talk.from
	}
	talk.code = []websocket.Code{websocket.NormalClosure, 4000}[r.IntN(2)]
	for range 40 {
		size := []int{0, 1, 50, 200, 3000, 20_000, 90_000, 200_000}[r.IntN(8)]
		p := []byte(sentences(size))
		for i := range min(size, 8) {
			p[i] = byte('a' + r.IntN(26))
		}
		m := websocket.Binary(p)
		if r.IntN(2) == 0 {
			m.Kind = websocket.TextMessage
		}
		talk.messages = append(talk.messages, m)
	}
	t.Cleanup(func() {
		talk.from.Abort(nil)
		talk.to.Abort(nil)
	})
	return talk
}

func (talk *randomTalk) run() {
	r := rand.New(rand.NewPCG(talk.seed, 1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		talk.send(rand.New(rand.NewPCG(talk.seed, 2)))
	}()
	talk.receive(r)
	<-done
	<-talk.from.Done()
	<-talk.to.Done()
}

func (talk *randomTalk) send(r *rand.Rand) {
	t, out, ctx := talk.t, talk.from.Out, context.Background()
	for left := talk.messages; len(left) > 0; {
		m, n := left[0], 1
		switch r.IntN(7) {
		case 0:
			n = 1 + r.IntN(min(5, len(left)))
			accepted, err := out.SendAll(ctx, left[:n]...)
			require.NoError(t, err)
			require.Equal(t, n, accepted)
		case 1:
			for ok := false; !ok; {
				var err error
				ok, err = out.TrySend(m)
				require.NoError(t, err)
				if !ok {
					time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
				}
			}
		case 2:
			parts, err := talk.from.SendParts(ctx, m.Kind)
			require.NoError(t, err)
			for p := m.Data; len(p) > 0; {
				k := 1 + r.IntN(len(p))
				require.NoError(t, parts.Send(ctx, p[:k]))
				p = p[k:]
			}
			require.NoError(t, parts.Close())
		case 3:
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(300))*time.Millisecond)
			if err := out.Send(short, m); err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				n = 0
			}
			cancel()
		case 4:
			prepared, err := websocket.Prepare(m)
			require.NoError(t, err)
			require.NoError(t, out.Send(ctx, prepared))
		case 5:
			_, err := talk.from.Ping(ctx)
			require.NoError(t, err)
			n = 0
		default:
			require.NoError(t, out.Send(ctx, m))
		}
		left = left[n:]
		if r.IntN(10) == 0 {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		}
	}
	require.NoError(t, talk.from.CloseWith(talk.code, ""))
}

func (talk *randomTalk) receive(r *rand.Rand) {
	t, ctx := talk.t, context.Background()
	var err error
	for n := 0; err == nil; n++ {
		var m websocket.Message
		if r.IntN(6) == 0 {
			time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
		}
		switch r.IntN(5) {
		case 0:
			var parts *chanio.Source[[]byte]
			if m.Kind, parts, err = talk.to.RecvParts(ctx, 0); err != nil {
				break
			}
			for p := range parts.All(ctx) {
				m.Data = append(m.Data, p...)
			}
			require.NoError(t, parts.Err())
		case 1:
			short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(50))*time.Millisecond)
			m, err = talk.to.In.Recv(short)
			cancel()
		case 2:
			var ok bool
			if m, ok, err = talk.to.In.TryRecv(); !ok && err == nil {
				m, err = talk.to.In.Recv(ctx)
			}
		case 3:
			var parts *chanio.Source[[]byte]
			if m.Kind, parts, err = talk.to.RecvParts(ctx, 0); err != nil {
				break
			}
			p, _ := parts.Recv(ctx)
			require.NoError(t, parts.Close()) // skips the rest
			require.True(t, bytes.HasPrefix(talk.messages[n].Data, p))
			continue
		default:
			m, err = talk.to.In.Recv(ctx)
		}
		if chanio.Resumable(ctx, err) || err == context.DeadlineExceeded {
			n, err = n-1, nil
			continue
		}
		if err != nil {
			require.Equal(t, len(talk.messages), n)
			break
		}
		require.Equal(t, talk.messages[n].Kind, m.Kind, n)
		require.True(t, bytes.Equal(talk.messages[n].Data, m.Data), "message %d of %d bytes and not %d", n, len(m.Data), len(talk.messages[n].Data))
	}
	code, _, ok := talk.to.CloseStatus()
	require.True(t, ok)
	require.Equal(t, talk.code, code)
	if talk.code == websocket.NormalClosure {
		require.Equal(t, io.EOF, err)
	} else {
		var end *websocket.CloseError
		require.ErrorAs(t, err, &end)
	}
	_ = talk.to.Close()
}
