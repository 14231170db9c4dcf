package codec_test

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
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

func TestAwaitWaitsForAllOfARunOfBytes(t *testing.T) {
	near, far := chanio.Pipe()
	defer near.Abort(nil)
	defer far.Abort(nil)
	want := bytes.Repeat([]byte("0123456789abcdef"), 10<<10)
	wire, err := frames.Append(nil, want)
	require.NoError(t, err)
	go func() {
		for at := 0; at < len(wire); at += 40_000 {
			_ = far.Out.Send(context.Background(), wire[at:min(at+40_000, len(wire))])
		}
	}()
	up := codec.Decode(near.In, frames).Claim("test")
	require.NoError(t, up.Await(t.Context()))
	lent := up.Lend(make([][]byte, 0, 2))
	require.Len(t, lent, 1)
	require.Equal(t, want, lent[0])
	up.Unlend(lent)
	owned, err := up.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, owned)
	require.NotSame(t, &owned[0], &lent[0][0])
}

// TestACancelledAwaitConsumesNothing holds that the next receiver has the frame from its first byte.
func TestACancelledAwaitConsumesNothing(t *testing.T) {
	for name, c := range map[string]codec.Codec[string]{
		"text":   codec.Prefixed(codec.Uint32, codec.String),
		"inside": codec.Prefixed(codec.Uint32, codec.Prefixed(codec.Uint16, codec.String)),
		"lines":  codec.Lines,
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat("x", 50_000)
			wire, err := c.Append(nil, want)
			require.NoError(t, err)
			for _, cut := range []int{0, 3, 4, 5, 40_000, len(wire) - 1} {
				in := make(chan []byte, 2)
				up := codec.Decode(chanio.From(in), c).Claim("test")
				in <- bytes.Clone(wire[:cut])
				ctx, cancel := context.WithCancel(t.Context())
				awaited := make(chan error, 1)
				go func() { awaited <- up.Await(ctx) }()
				cancel()
				if err := <-awaited; err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
				require.Empty(t, up.Lend(make([]string, 0, 1)))
				in <- bytes.Clone(wire[cut:])
				got, err := up.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
}

// TestAwaitLeavesTheRestToNext lists what Await does not wait for.
func TestAwaitLeavesTheRestToNext(t *testing.T) {
	bad := codec.Prefixed(codec.Uint16, codec.Prefixed(codec.Uint8, codec.String))
	for name, c := range map[string]struct {
		codec codec.Codec[string]
		wire  string
		err   error
	}{
		"larger than the limit":     {codec.Prefixed(codec.Uint32, codec.String, codec.Max(10)), "\x00\x00\x00\x0b", codec.ErrTooLarge},
		"a fault before its end":    {bad, "\x00\x09\x02\xff\xff", codec.ErrMalformed},
		"a number of unknown width": {codec.Prefixed(codec.Uvarint, codec.String, codec.Max(10)), "\x0b", codec.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			in := make(chan []byte, 1)
			up := codec.Decode(chanio.From(in), c.codec).Claim("test")
			in <- []byte(c.wire)
			require.NoError(t, up.Await(t.Context()))
			require.Empty(t, up.Lend(make([]string, 0, 1)))
			_, err := up.Next(t.Context())
			require.ErrorIs(t, err, c.err)
		})
	}
	t.Run("larger than what is lent", func(t *testing.T) {
		in := make(chan []byte, 2)
		up := codec.Decode(chanio.From(in), frames).Claim("test")
		in <- []byte{0, 8, 0, 0}
		require.NoError(t, up.Await(t.Context()))
		in <- make([]byte, 512<<10)
		v, err := up.Next(t.Context())
		require.NoError(t, err)
		require.Len(t, v, 512<<10)
	})
}

// TestConnectMovesWhatIsReceived sends random frames in random pieces. The receiver takes them in turns by Recv and by
// Connect, whose ctx ends and whose sinks fail at random, and has every byte once, in order. After the last frame comes
// a random end, about which Connect says what Recv says.
func TestConnectMovesWhatIsReceived(t *testing.T) {
	seeds, first := rounds(60), uint64(0)
	if os.Getenv("WEIR_LONG") == "1" {
		seeds, first = 400, rand.Uint64()
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

// moving is one run of TestConnectMovesWhatIsReceived.
type moving struct {
	*testing.T
	*rand.Rand
	codec codec.Codec[[]byte]
	src   *chanio.Source[[]byte]
	got   []byte

	borrows bool        // src does
	owned   [][2][]byte // what Recv has returned, and what it was then
}

var errFull = errors.New("full")

func (m *moving) run() {
	borrowed := codec.Prefixed(codec.Uint32, codec.Borrowed)
	m.codec = []codec.Codec[[]byte]{
		frames, frames, borrowed, codec.Prefixed(codec.Uvarint, codec.Bytes),
		codec.Prefixed(codec.Uint32, frames), codec.As[[]byte](frames),
	}[m.IntN(6)]
	m.borrows = m.codec == borrowed
	var want []byte
	for len(want) < 1<<20 {
		v := make([]byte, m.IntN(1<<m.IntN(20)+1)+m.IntN(2)*m.IntN(200<<10))
		for i := 0; i < len(v); i += 7 {
			v[i] = byte(m.Uint32())
		}
		want, _ = m.codec.Append(want, v)
	}
	wire := append(bytes.Clone(want), []string{"", "\x00", "\x00\x00\x03\x00abc", "\x7f\xff\xff\xff\x7fabc"}[m.IntN(4)]...)
	whole := codec.Decode(chanio.FromSlice([][]byte{wire}), m.codec)
	want = want[:0]
	for v := range whole.All(context.Background()) {
		want, _ = m.codec.Append(want, v)
	}
	m.src = codec.Decode(m.pieces(wire), m.codec)
	err := m.move()
	if whole.Err() != nil {
		require.EqualError(m, err, whole.Err().Error())
	} else {
		require.NoError(m, err)
	}
	require.True(m, bytes.Equal(want, m.got), "%d of %d bytes", len(m.got), len(want))
	for _, v := range m.owned {
		require.True(m, bytes.Equal(v[0], v[1]), "a value has changed that the receiver owns")
	}
}

// pieces returns wire in random pieces: from a connection, or as they are.
func (m *moving) pieces(wire []byte) *chanio.Source[[]byte] {
	var all [][]byte
	for most := 1 << (8 + m.IntN(12)); len(wire) > 0; {
		n := min(1+m.IntN(most), len(wire))
		all, wire = append(all, wire[:n:n]), wire[n:]
	}
	var near, far *chanio.Conn
	switch m.IntN(3) {
	case 0:
		return chanio.FromSlice(all)
	case 1:
		near, far = chanio.Pipe()
	case 2:
		near, far = tcpPair(m)
	}
	m.Cleanup(func() { _ = near.Close() })
	go func() {
		for _, p := range all {
			_ = far.Out.Send(context.Background(), p)
		}
		_ = far.Close()
	}()
	return near.In
}

// move receives everything and returns the end.
func (m *moving) move() error {
	for {
		if m.IntN(2) == 0 {
			for range m.IntN(4) {
				v, err := m.src.Recv(m.Context())
				if err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				m.got, _ = m.codec.Append(m.got, v)
				if !m.borrows {
					m.owned = append(m.owned, [2][]byte{v, bytes.Clone(v)})
				}
			}
		}
		if err := m.connect(); !errors.Is(err, errFull) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// connect sends some values to a sink that accepts a few and then refuses one, or whose ctx ends.
func (m *moving) connect() error {
	ctx, cancel := context.WithCancel(m.Context())
	defer cancel()
	left, how := m.IntN(6), m.IntN(4)
	if how == 0 {
		go cancel()
	}
	return pipeline.Connect(ctx, m.src, codec.Encode(chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: func(context.Context, []byte) error { m.Error("not through Bytes"); return nil },
		Bytes: &takeSink{func(value []byte) error {
			if left--; left < 0 && how > 0 {
				cancel()
				switch how {
				case 1:
					return errFull
				case 2:
					return context.Canceled
				}
			}
			m.got = append(m.got, value...)
			return nil
		}},
	}), m.codec))
}

// takeSink is a ByteSink that passes on whole values, and calls f in the middle of one that it waits for.
type takeSink struct{ f func(value []byte) error }

func (*takeSink) Begin() []byte { return nil }
func (s *takeSink) End(_ context.Context, scratch, body []byte) error {
	return s.f(append(scratch, body...))
}
func (*takeSink) TryEnd(_, _ []byte) (bool, error) { return false, nil }
