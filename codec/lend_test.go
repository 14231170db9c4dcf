package codec_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// chunked returns a Source of one chunk that has the frames of texts.
func chunked(t *testing.T, texts ...string) *chanio.Source[[]byte] {
	var all []byte
	for _, text := range texts {
		var err error
		all, err = frames.Append(all, []byte(text))
		require.NoError(t, err)
	}
	return codec.Decode(chanio.FromSlice([][]byte{all}), frames)
}

var frames = codec.Prefixed(codec.Uint32, codec.Bytes)

func TestLentValuesThatAreGivenBackComeAgain(t *testing.T) {
	src := chunked(t, "a", "bb", "ccc", "dddd", "e")
	first, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", string(first))

	up := src.Claim("test")
	require.True(t, up.Lends())
	lent := up.Lend(make([][]byte, 0, 3))
	require.Len(t, lent, 3)
	require.Equal(t, "dddd", string(lent[2]))
	up.Unlend(lent[2:])
	up.Unlend(lent[1:2])
	again := up.Lend(make([][]byte, 0, 1))
	require.Equal(t, "ccc", string(again[0]))
	up.Unlend(again)
	up.Unread([]byte("put back"))
	require.Empty(t, up.Lend(make([][]byte, 0, 1)), "what was put back comes first")
	for _, want := range []string{"put back", "ccc", "dddd", "e"} {
		v, err := up.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, string(v))
	}
}

// TestConnectGivesBackWhatTheSinkDidNotAccept tries every number of values that a sink of encoded values accepts before
// it fails. The receiver owns the values that come again.
func TestConnectGivesBackWhatTheSinkDidNotAccept(t *testing.T) {
	texts := []string{"a", "bb", "ccc", "dddd", "eeeee", "ffffff", "g", "h"}
	full := errors.New("full")
	for most := range texts {
		var got []string
		sink := codec.Encode(chanio.NewSink(chanio.SinkHooks[[]byte]{
			Send: func(context.Context, []byte) error { t.Error("not through Bytes"); return nil },
			Bytes: &endSink{end: func(value []byte) error {
				if len(got) == most {
					return full
				}
				got = append(got, string(value))
				return nil
			}},
		}), alone)
		src := chunked(t, texts...)
		require.ErrorIs(t, pipeline.Connect(t.Context(), src, sink), full)
		require.Equal(t, texts[:most], append([]string{}, got...))
		var left [][]byte
		for v := range src.All(t.Context()) {
			left = append(left, v)
		}
		require.NoError(t, src.Err())
		require.Len(t, left, len(texts)-most)
		for i, v := range left {
			require.Equal(t, texts[most+i], string(v))
		}
	}
}

func TestAFunctionOfTheUserGetsNoLentValue(t *testing.T) {
	wire := []byte("one\ntwo\nthree\nfour\n")
	var kept []string
	choose := func(v string) string { kept = append(kept, v); return "\n" }
	sink := codec.Encode(chanio.ToWriter(io.Discard), codec.DelimitedBy(codec.String, choose, "\n"))
	require.NoError(t, pipeline.Connect(t.Context(), codec.Decode(chanio.FromSlice([][]byte{wire}), codec.Lines), sink))
	clear(wire)
	require.Equal(t, []string{"one", "two", "three", "four"}, kept)
}

// alone is a codec of values that are too large to be joined with others.
var alone codec.Codec[[]byte] = aloneCodec{}

type aloneCodec struct{}

func (aloneCodec) Append(dst, v []byte) ([]byte, error) {
	return append(append(dst, v...), make([]byte, 16<<10)...), nil
}

func (aloneCodec) Decode(r *codec.Reader) ([]byte, error) { return nil, r.Skip(1) }

// endSink is a ByteSink for values of alone.
type endSink struct{ end func(value []byte) error }

func (*endSink) Begin() []byte { return nil }
func (s *endSink) End(_ context.Context, scratch, body []byte) error {
	all := append(scratch, body...)
	return s.end(all[:len(all)-16<<10])
}
func (*endSink) TryEnd(_, _ []byte) (bool, error) { return false, nil }

func TestASmallValueIsSentBesideOneWhoseCodecCallsTheSinkAgain(t *testing.T) {
	client, server := chanio.Pipe()
	var out *chanio.Sink[string]
	again := codec.Map(frames, func(p []byte) (string, error) { return string(p), nil }, func(v string) ([]byte, error) {
		switch v {
		case "outer":
			return []byte(v), out.Send(t.Context(), "inner")
		case "panic":
			panic(v)
		}
		return []byte(v), nil
	})
	out = codec.Encode(client.Out, again)
	require.NoError(t, out.Send(t.Context(), "first"))
	require.NoError(t, out.Send(t.Context(), "outer"))
	require.PanicsWithValue(t, "panic", func() { _ = out.Send(t.Context(), "panic") })
	require.NoError(t, out.Send(t.Context(), "last"))
	require.NoError(t, client.Close())
	var got []string
	for v := range codec.Decode(server.In, frames).All(t.Context()) {
		got = append(got, string(v))
	}
	require.NoError(t, server.Close())
	require.Equal(t, []string{"first", "inner", "outer", "last"}, got)
}

func TestValuesOfChangingSizesAreSentWhole(t *testing.T) {
	client, server := chanio.Pipe()
	out := codec.Encode(client.Out, frames)
	table := codec.Encode(client.Out, codec.Prefixed(codec.Uint32, codec.Map(codec.Bytes,
		func(p []byte) ([]byte, error) { return p, nil }, func(v []byte) ([]byte, error) { return v, nil })))
	sizes := []int{0, 1, 1 << 10, 1020, 1021, 3 << 10, 10, 40 << 10, 50 << 10, 5, 2 << 10, 1}
	go func() {
		for i, n := range sizes {
			v := make([]byte, n)
			for j := range v {
				v[j] = byte(i + j)
			}
			_ = out.Send(context.Background(), v)
			_ = table.Send(context.Background(), v)
		}
		_ = client.Close()
	}()
	in := codec.Decode(server.In, frames)
	for i, n := range sizes {
		for range 2 {
			v, err := in.Recv(t.Context())
			require.NoError(t, err)
			require.Len(t, v, n)
			for j := range v {
				require.Equal(t, byte(i+j), v[j])
			}
		}
	}
	require.NoError(t, server.Close())
}

// keepsText is a codec that keeps the strings it encodes, which it may do because strings do not change.
type keepsText struct {
	codec.Codec[string]
	kept *[]string
}

func (c keepsText) Append(dst []byte, v string) ([]byte, error) {
	*c.kept = append(*c.kept, v)
	return c.Codec.Append(dst, v)
}

func TestACodecMayKeepTheStringsThatConnectEncodes(t *testing.T) {
	texts := codec.Prefixed(codec.Uint32, codec.RawString)
	in, far := chanio.Pipe()
	out, end := chanio.Pipe()
	var kept []string
	connected := make(chan error, 1)
	go func() {
		connected <- pipeline.Connect(t.Context(), codec.Decode(in.In, texts), codec.Encode(out.Out, keepsText{texts, &kept}))
	}()
	sink := codec.Encode(far.Out, texts)
	var want []string
	for i := range 500 {
		want = append(want, strings.Repeat(string(rune('a'+i%26)), 1+i%300))
	}
	n, err := sink.SendAll(t.Context(), want...)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	go func() { _ = sink.Close() }()
	got := 0
	for v := range codec.Decode(end.In, texts).All(t.Context()) {
		require.Equal(t, want[got], v)
		got++
	}
	require.NoError(t, <-connected)
	require.Equal(t, want, kept)
	require.NoError(t, end.Close())
	require.NoError(t, far.Close())
	require.NoError(t, in.Close())
}

// TestATrySendWithoutRoomLeavesNoGarbage holds that scratch goes back, so that a program may try often.
func TestATrySendWithoutRoomLeavesNoGarbage(t *testing.T) {
	near, far := chanio.Pipe()
	defer near.Abort(nil)
	defer far.Abort(nil)
	out := codec.Encode(near.Out, codec.Codec[string](codec.Lines))
	for ok := true; ok; {
		var err error
		ok, err = out.TrySend(strings.Repeat("x", 100))
		require.NoError(t, err)
	}
	const tries = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range tries {
		ok, err := out.TrySend("x")
		require.NoError(t, err)
		require.False(t, ok)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(tries*16<<10), "scratch has 32 KiB")
}
