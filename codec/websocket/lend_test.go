package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

func TestALentMessageThatIsGivenBackComesAgainAndIsOwned(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		large, next := strings.Repeat("é", 40_000), strings.Repeat("0123456789", 9_000)
		go peer.send(text(large), frame(true, websocket.OpPing, "p"), frame(true, websocket.OpBinary, next), text("end"))
		up := conn.In.Claim("test")
		require.NoError(t, up.Await(peer.ctx))
		lent := up.Lend(make([]websocket.Message, 0, 1))
		require.Len(t, lent, 1)
		require.Equal(t, websocket.Text(large), lent[0])
		up.Unlend(lent)
		again, err := up.Next(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, websocket.Text(large), again)

		for range 3 { // the Ping may come first
			require.NoError(t, up.Await(peer.ctx))
		}
		m, err := up.Next(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, websocket.Binary([]byte(next)), m)
		m, err = up.Next(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, websocket.Text("end"), m)
		require.Equal(t, large, string(again.Data), "its memory is not used again")
	})
}

// TestACancelledAwaitOfAMessageConsumesNothing cuts a message anywhere.
func TestACancelledAwaitOfAMessageConsumesNothing(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, nil)
		up := conn.In.Claim("test")
		for _, cut := range []int{1, 3, 11, 20, 40_000, 79_000} {
			want := strings.Repeat("é", 40_000)
			wire := peer.bytes(text(want))
			ctx, cancel := context.WithCancel(peer.ctx)
			awaited := make(chan error, 1)
			go func() { awaited <- up.Await(ctx) }()
			peer.write(wire[:cut])
			cancel()
			require.ErrorIs(t, <-awaited, context.Canceled)
			require.Empty(t, up.Lend(make([]websocket.Message, 0, 1)))
			go peer.write(wire[cut:])
			m, err := up.Next(peer.ctx)
			require.NoError(t, err)
			require.Equal(t, websocket.Text(want), m)
		}
	})
}

// TestConnectMovesTheMessagesThatAreReceived sends random messages, in fragments, with Pings between them, compressed or
// not, in random pieces. The receiver takes them in turns by Recv and by Connect, whose ctx ends and whose sinks fail.
func TestConnectMovesTheMessagesThatAreReceived(t *testing.T) {
	seeds, first := uint64(12), uint64(0)
	if testing.Short() {
		seeds = 4
	}
	if os.Getenv("WEIR_LONG") != "" {
		seeds, first = 200, rand.Uint64()
	}
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for seed := first; seed < first+seeds && !t.Failed(); seed++ {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					(&moving{T: t, Rand: rand.New(rand.NewPCG(seed, uint64(procs)))}).run()
				})
			}
		})
	}
}

// moving is one run of TestConnectMovesTheMessagesThatAreReceived.
type moving struct {
	*testing.T
	*rand.Rand
	in   *chanio.Source[websocket.Message]
	got  []websocket.Message
	were [][]byte // the data of got when they came
}

var errFull = errors.New("full")

func (m *moving) run() {
	var want []websocket.Message
	for total := 0; total < 1<<20; {
		n := m.IntN(1<<m.IntN(20)+1) + m.IntN(2)*m.IntN(100<<10)
		data := []byte(strings.Repeat(fmt.Sprint(m.Uint32(), "é"), n/3+1))[:n]
		if total += n; m.IntN(2) == 0 {
			want = append(want, websocket.Text(strings.ToValidUTF8(string(data), "x")))
		} else {
			want = append(want, websocket.Binary(data))
		}
	}
	if m.IntN(3) == 0 {
		cfg := &websocket.Config{Deflate: &websocket.Deflate{Takeover: m.IntN(2) == 0}}
		client, server := newPair(m.T, cfg, cfg)
		m.in = server.In
		go func() {
			for _, v := range want {
				_ = client.Out.Send(context.Background(), v)
			}
			_ = client.Out.Close()
		}()
	} else {
		conn, peer := newRaw(m.T, m.IntN(2) == 0, nil)
		m.in = conn.In
		wire := m.frames(peer, want)
		most := 1 << (8 + m.IntN(12))
		cuts := rand.New(rand.NewPCG(m.Uint64(), 0))
		go func() {
			for len(wire) > 0 {
				n := min(1+cuts.IntN(most), len(wire))
				_ = peer.conn.Out.Send(context.Background(), wire[:n])
				wire = wire[n:]
			}
		}()
		go func() {
			for range peer.conn.In.All(context.Background()) {
			}
		}()
	}
	require.NoError(m, m.move())
	require.Len(m, m.got, len(want))
	for i, v := range want {
		require.Equal(m, v.Kind, m.got[i].Kind)
		require.True(m, bytes.Equal(v.Data, m.were[i]), "message %d of %d bytes", i, len(v.Data))
		require.True(m, bytes.Equal(v.Data, m.got[i].Data), "message %d has changed, which the receiver owns", i)
	}
}

// frames returns the wire form of messages and a Close.
func (m *moving) frames(peer *raw, all []websocket.Message) (wire []byte) {
	for _, v := range all {
		op, rest := websocket.Opcode(v.Kind), v.Data
		for m.IntN(4) == 0 && len(rest) > 0 {
			n := m.IntN(len(rest) + 1)
			wire = append(wire, peer.bytes(frame(false, op, string(rest[:n])))...)
			op, rest = websocket.OpContinuation, rest[n:]
			if m.IntN(2) == 0 {
				wire = append(wire, peer.bytes(frame(true, websocket.OpPing, "p"))...)
			}
		}
		wire = append(wire, peer.bytes(frame(true, op, string(rest)))...)
	}
	return append(wire, peer.bytes(closeFrame(1000, ""))...)
}

func (m *moving) took(v websocket.Message, owned bool) {
	were := bytes.Clone(v.Data)
	if !owned {
		v.Data = were
	}
	m.got, m.were = append(m.got, v), append(m.were, were)
}

// move receives everything and returns the end.
func (m *moving) move() error {
	for {
		for range m.IntN(4) {
			v, err := m.in.Recv(within(m.T))
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			m.took(v, true)
		}
		if err := m.connect(); !errors.Is(err, errFull) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// connect sends some messages to a sink that accepts a few and then refuses one, or whose ctx ends.
func (m *moving) connect() error {
	ctx, cancel := context.WithCancel(within(m.T))
	defer cancel()
	left, how := m.IntN(6), m.IntN(4)
	if how == 0 {
		go cancel()
	}
	return pipeline.Connect(ctx, m.in, chanio.NewSink(chanio.SinkHooks[websocket.Message]{
		Consumes: true,
		Send: func(_ context.Context, v websocket.Message) error {
			if left--; left < 0 && how > 0 {
				cancel()
				switch how {
				case 1:
					return errFull
				case 2:
					return context.Canceled
				}
			}
			m.took(v, false)
			return nil
		},
	}))
}
