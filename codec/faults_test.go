package codec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

var short = codec.Prefixed(codec.Uint8, codec.String)

func TestTryRecvFindsAFrameOfAsManyBytesAsTheHalfItFoundBefore(t *testing.T) {
	in := codec.Decode(chunksOf([]byte("\x05ab"), []byte("cde\x02xy")), short)
	for _, want := range []string{"abcde", "xy"} {
		v, ok, err := in.TryRecv()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, v)
	}
}

func TestTryRecvJoinsTheChunksOfAFrame(t *testing.T) {
	long := codec.Prefixed(codec.Uint16, codec.String)
	text := strings.Repeat("0123456789", 1000)
	wire, err := codec.Marshal(long, text)
	require.NoError(t, err)
	taken := 0
	endless := chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: func(context.Context) ([]byte, error) { panic("TryRecv waits") },
		TryNext: func() ([]byte, bool, error) { // the frame again and again, byte by byte
			taken++
			return wire[(taken-1)%len(wire):][:1], true, nil
		},
	})
	in := codec.Decode(endless, long)
	for n := range 3 {
		v, ok, err := in.TryRecv()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, text, v)
		require.Less(t, taken, (n+2)*len(wire), "it takes more than it needs")
	}
}

func TestTryRecvFindsTheEndBehindHalfAFrame(t *testing.T) {
	in := codec.Decode(chunksOf([]byte("\x05a"), []byte("b")), short)
	_, ok, err := in.TryRecv()
	require.False(t, ok)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	chunks := make(chan []byte, 2)
	in = codec.Decode(chanio.From(chunks), short)
	chunks <- []byte("\x05a")
	for range 2 {
		_, ok, err = in.TryRecv()
		require.False(t, ok)
		require.NoError(t, err)
	}
	chunks <- []byte("bcd")
	_, ok, err = in.TryRecv()
	require.False(t, ok)
	require.NoError(t, err)
	close(chunks)
	_, ok, err = in.TryRecv()
	require.False(t, ok)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestTryRecvDoesNotWaitAfterAnEmptyChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where waiting for a chunk that nobody sends is a deadlock, which fails
		chunks := make(chan []byte, 1)
		in := codec.Decode(chanio.From(chunks), short)
		chunks <- nil
		_, ok, err := in.TryRecv()
		require.NoError(t, err)
		require.False(t, ok)
	})
}

func TestALimitInsideAChecksumCountsNoneOfTheSum(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.CRC32(codec.Limit(4, codec.String)))
	for _, s := range []string{"", "a", "abc", "abcd"} {
		p, err := codec.Marshal(c, s)
		require.NoError(t, err)
		v, err := codec.Unmarshal(c, p)
		require.NoError(t, err, s)
		require.Equal(t, s, v)
	}
	s := codec.Prefixed(codec.Uint8, codec.Suffixed(codec.Limit(4, codec.String), "--"))
	for _, v := range []string{"", "a", "abc", "abcd"} {
		p, err := codec.Marshal(s, v)
		require.NoError(t, err)
		got, err := codec.Unmarshal(s, p)
		require.NoError(t, err, v)
		require.Equal(t, v, got)
	}
	_, err := codec.Unmarshal(s, []byte("\x07abcde--"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestBufferedAfterABodyCutShort(t *testing.T) {
	d := codec.NewDecoder(strings.NewReader("\x00\x01\x00\x00"+strings.Repeat("x", 100)), codec.Prefixed(codec.Uint32, codec.Bytes))
	_, err := d.Decode()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, d.Buffered(), 104)
}

// shouting overrides the Decode of its embedded codec.
type shouting struct{ codec.LinesCodec }

func (c shouting) Decode(r *codec.Reader) (string, error) {
	s, err := c.LinesCodec.Decode(r)
	return strings.ToUpper(s), err
}

func TestACodecThatEmbedsLinesIsDecodedByItsOwnMethod(t *testing.T) {
	v, err := codec.Unmarshal(codec.Codec[string](shouting{codec.Lines}), []byte("hi\n"))
	require.NoError(t, err)
	require.Equal(t, "HI", v)
}

func TestResyncIsLinearForLinesAndEscapes(t *testing.T) {
	for name, c := range map[string]codec.Codec[string]{
		"lines":   codec.Between(codec.Const("m"), codec.Codec[string](codec.Lines.With(codec.Max(4096))), nil),
		"escapes": codec.Between(codec.Const("m"), codec.Delimited(codec.String, "\n", codec.Escape('\\'), codec.Max(4096)), nil),
	} {
		skips := 0
		in := codec.Resync(chunksOf(bytes.Repeat([]byte("m"), 128<<10)), "m", c, func(int64, error) { skips++ })
		_, _ = in.Recv(t.Context())
		require.Less(t, skips, 2000, name) // not one for each byte
	}
}

func TestResyncGoesOnWithinAFrameThatWasLookedAtAsFarAsAllowed(t *testing.T) {
	const looked = 1 << 20
	c := codec.Between(codec.Const("m"), codec.Prefixed(codec.Uint32, codec.String), codec.Const("!"))
	good, err := codec.Marshal(c, "good")
	require.NoError(t, err)
	bad, err := codec.Marshal(c, string(good)+strings.Repeat("x", looked-6-len(good)))
	require.NoError(t, err)
	require.Len(t, bad, looked)
	bad[len(bad)-1] = '?'
	v, err := codec.Resync(chunksOf(bad), "m", c, nil).Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "good", v)
}

func TestWhatTakesTheRestIsRefusedWhereOthersFollow(t *testing.T) {
	type point struct{ X *uint8 }
	bodies := map[string]codec.Codec[any]{}
	add := func(name string, c codec.Codec[any]) { bodies[name] = c }
	add("ToEnd", codec.Map(codec.ToEnd(codec.Uint8), func(v []uint8) (any, error) { return v, nil }, func(v any) ([]uint8, error) { return v.([]uint8), nil }))
	add("Separated", codec.Map(codec.Separated(codec.String, ","), func(v []string) (any, error) { return v, nil }, func(v any) ([]string, error) { return v.([]string), nil }))
	add("OptionalTail", codec.Map(codec.OptionalTail(codec.Uint8), func(v *uint8) (any, error) { return v, nil }, func(v any) (*uint8, error) { return v.(*uint8), nil }))
	add("TLV", codec.Map(codec.TLV(codec.Uint8, nil, codec.OptionalTag(uint8(1), "x", func(p *point) **uint8 { return &p.X }, codec.Uint8)), func(v point) (any, error) { return v, nil }, func(v any) (point, error) { return v.(point), nil }))
	for name, body := range bodies {
		c := codec.Repeated(codec.Uint8, codec.Header(codec.Uint8, func(uint8) codec.Codec[any] { return body }, func(any) uint8 { return 1 }))
		for _, p := range []string{"\x01\x01\x01\x02", "\x01\x01"} {
			_, err := codec.Unmarshal(c, []byte(p))
			require.ErrorIs(t, err, codec.ErrMalformed, name)
		}
	}
}

func TestRecvThatPanicsLosesNoByte(t *testing.T) {
	fail := true
	c := codec.Map(codec.PairOf(codec.Prefixed(codec.Uint32, codec.Bytes), codec.Map(codec.Uint8, func(n uint8) (uint8, error) {
		if fail {
			panic("no")
		}
		return n, nil
	}, func(n uint8) (uint8, error) { return n, nil })), func(p codec.Pair[[]byte, uint8]) (string, error) { return string(p.First), nil },
		func(s string) (codec.Pair[[]byte, uint8], error) {
			return codec.Pair[[]byte, uint8]{First: []byte(s), Second: 7}, nil
		})
	want := strings.Repeat("0123456789", 5000)
	p, err := codec.Marshal(c, want)
	require.NoError(t, err)
	src := chunksOf(p[:1000], p[1000:30000], p[30000:])
	require.Panics(t, func() { _, _ = codec.Recv(t.Context(), src, c) })
	fail = false
	got, err := codec.Recv(t.Context(), src, c)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestTLVBoundsTheValuesOfATag(t *testing.T) {
	type options struct{ All []uint8 }
	c := codec.TLV(codec.Uint8, nil, codec.RepeatedTag(uint8(1), "all", func(o *options) *[]uint8 { return &o.All }, codec.Uint8))
	_, err := codec.Unmarshal(c, bytes.Repeat([]byte{1}, 2*(codec.DefaultMaxCount+1)))
	require.ErrorIs(t, err, codec.ErrTooLarge)
	_, err = codec.Marshal(c, options{make([]uint8, codec.DefaultMaxCount+1)})
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestDecimalWidthRefusesWhatItCouldNotReceive(t *testing.T) {
	require.Panics(t, func() { codec.DecimalWidth[int](401) })
	c := codec.DecimalWidth[int](400)
	p, err := codec.Marshal(c, 7)
	require.NoError(t, err)
	v, err := codec.Unmarshal(c, p)
	require.NoError(t, err)
	require.Equal(t, 7, v)
}

func chunksOf(chunks ...[]byte) *chanio.Source[[]byte] { return chanio.FromSlice(chunks) }

func TestTryRecvTakesWhatASliceHolds(t *testing.T) {
	in := codec.Decode(chunksOf(nil, []byte("\x02a"), []byte("b\x01c")), short)
	v, ok, err := in.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "ab", v)
	v, ok, err = codec.Decode(chunksOf([]byte("\x02ab")), short).TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "ab", v)
}

// A Record that runs functions of the user takes values one by one, so that it is known which have been sent.
func TestSendAllSendsTheValuesBeforeAPanic(t *testing.T) {
	type message struct{ text string }
	field := func(m *message) *string { return &m.text }
	careful := func(text string) (string, error) {
		if text == "bad" {
			panic("bad")
		}
		return text, nil
	}
	mapped := codec.Map(short, careful, careful)
	for name, f := range map[string]codec.FieldOf[message]{
		"FieldIf": codec.FieldIf("text", field, short, func(m message) bool { _, _ = careful(m.text); return true }),
		"FieldBy": codec.FieldBy("text", field, func(m message) codec.Codec[string] { _, _ = careful(m.text); return short }),
		"Map":     codec.Field("text", field, mapped),
		"Record":  codec.Field("text", field, codec.Record(codec.Field("", func(s *string) *string { return s }, mapped))),
	} {
		t.Run(name, func(t *testing.T) {
			chunks := make(chan []byte, 8)
			out := codec.Encode(chanio.To(chunks), codec.Record(f))
			require.PanicsWithValue(t, "bad", func() { _, _ = out.SendAll(t.Context(), message{"a"}, message{"b"}, message{"bad"}, message{"c"}) })
			require.NoError(t, out.Send(t.Context(), message{"d"}))
			require.NoError(t, out.Close())
			var all []byte
			for p := range chunks {
				all = append(all, p...)
			}
			require.Equal(t, "\x01a\x01b\x01d", string(all))
		})
	}
}

func TestWhatEndsInAFrameIsAnUnexpectedEnd(t *testing.T) {
	_, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.Varint), []byte{1, 0x80})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.CRC32(codec.Bytes)), []byte{2, 0, 0})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAReaderGoesOnFailing(t *testing.T) {
	r := codec.NewReader([]byte{1})
	_, err := r.Next(5)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = r.Bytes(5)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestUnixTimeHoldsWhatTimeDoes(t *testing.T) {
	seconds := codec.UnixTime(codec.Int64, time.Second)
	for _, n := range []int64{-1 << 62, 1 << 62} {
		p, err := codec.Marshal(seconds, time.Unix(n, 0))
		require.NoError(t, err)
		v, err := codec.Unmarshal(seconds, p)
		require.NoError(t, err)
		require.Equal(t, n, v.Unix())
		require.NotEqual(t, time.Local, v.Location())
	}
	for _, p := range []string{"\x40\x00\x00\x00\x00\x00\x00\x01", "\xbf\xff\xff\xff\xff\xff\xff\xff"} {
		_, err := codec.Unmarshal(seconds, []byte(p))
		require.ErrorIs(t, err, codec.ErrTooLarge)
	}
	_, err := codec.Unmarshal(codec.UnixTime(codec.Uint64, time.Second), bytes.Repeat([]byte{0xff}, 8))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestDelimitedByRefusesOtherDelimiters(t *testing.T) {
	c := codec.DelimitedBy(codec.String, func(s string) string { return s[:1] }, ";", ",")
	for _, s := range []string{";", ","} {
		_, err := codec.Marshal(c, s)
		require.ErrorIs(t, err, codec.ErrMalformed) // it contains one
	}
	_, err := codec.Marshal(c, "?")
	require.ErrorIs(t, err, codec.ErrMismatch)
}

// copied is a number whose Append returns another slice.
type copied struct{ codec.Codec[uint16] }

func (c copied) Append(dst []byte, n uint16) ([]byte, error) {
	return c.Codec.Append(bytes.Clone(dst), n)
}

func (copied) Size() codec.Size { return codec.Size{Min: 2, Max: 2} }

func TestALengthWhoseAppendReturnsAnotherSlice(t *testing.T) {
	p, err := codec.Marshal(codec.Prefixed(codec.Codec[uint16](copied{codec.Uint16}), codec.String), "abc")
	require.NoError(t, err)
	require.Equal(t, "\x00\x03abc", string(p))
}

func TestStructsMayEndInText(t *testing.T) {
	type message struct {
		ID   uint8
		Text string `wire:"rest"`
	}
	c := codec.Struct[message]()
	p, err := codec.Marshal(c, message{1, "hé"})
	require.NoError(t, err)
	require.Equal(t, "\x01h\xc3\xa9", string(p))
	_, err = codec.Unmarshal(c, []byte("\x01\xff"))
	require.ErrorIs(t, err, codec.ErrMalformed)
}

// ends counts the chunks that it receives.
type ends struct {
	memory
	bodies []int
}

func (e *ends) End(_ context.Context, _, body []byte) error {
	e.bodies = append(e.bodies, len(body))
	return nil
}

func TestSendAllHandsOverSmallBodiesAtOnceAndLargeOnesInPlace(t *testing.T) {
	e := &ends{}
	out := codec.Encode(chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: func(context.Context, []byte) error { return nil }, Bytes: e,
	}), codec.Prefixed(codec.Uint32, codec.Bytes))
	small, edge, large := make([]byte, 10), make([]byte, 1<<10), make([]byte, 1<<10+1)
	n, err := out.SendAll(t.Context(), small, edge, small, large, small)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Equal(t, []int{len(large), 0}, e.bodies)
}

func TestRecvReturnsWhyTheSourceCannotBeReceivedFrom(t *testing.T) {
	src := chunksOf([]byte("\x01a"))
	require.NoError(t, src.Close())
	_, err := codec.Recv(t.Context(), src, short)
	require.Error(t, err)
}

func TestAStructRefusesAMaximumOfNothingAndSlicesCutShort(t *testing.T) {
	type none struct {
		All []uint16 `wire:"count=u8,max=0"`
	}
	require.Panics(t, func() { codec.Struct[none]() })
	type one struct {
		All []uint16 `wire:"count=u8,max=1"`
	}
	c := codec.Struct[one]()
	_, err := codec.Unmarshal(c, []byte("\x01\x00\x07"))
	require.NoError(t, err)
	_, err = codec.Unmarshal(c, []byte("\x02\x00\x07\x00\x07"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
	type many struct {
		All []uint16 `wire:"count=u8"`
	}
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.Struct[many]()), []byte("\x03\x05\x00\x01"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

// A checksum does not take the bytes that the following parts of a frame need.
func TestAFrameTooShortForAChecksumInsideOthersIsCutShort(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.Suffixed(codec.CRC32(codec.RawString), "!"))
	for n := range 5 {
		p := append([]byte{byte(n)}, bytes.Repeat([]byte("!"), n)...)
		_, err := codec.Unmarshal(c, p)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		_, err = codec.NewDecoder(iotest.OneByteReader(bytes.NewReader(p)), c).Decode()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
	open := codec.Suffixed(codec.CRC32(codec.RawString), "!")
	_, err := codec.Unmarshal(open, []byte("!!!"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// TryRecv may have met the end behind a frame that was cut short. A call whose ctx has ended reports that, and the next
// one the frame.
func TestACancelledRecvDoesNotHideTheFrameThatWasCutShort(t *testing.T) {
	in := codec.Decode(chunksOf([]byte("\x09abcdefgh"), []byte("i\x05a")), short)
	ctx, cancel := context.WithCancel(t.Context())
	v, ok, err := in.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "abcdefghi", v)
	cancel()
	for range 2 {
		_, err = in.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = in.Recv(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type endless struct{}

func (*endless) UnmarshalJSON([]byte) error { return fmt.Errorf("endless: %w", io.EOF) }

// An error within a frame does not look like the end of the stream, whatever a function of the user returns.
func TestAFaultInAFrameIsNotTheEndOfTheStream(t *testing.T) {
	none := func([]byte) ([]byte, error) { return nil, io.EOF }
	mapped := codec.Map(codec.Prefixed(codec.Uint8, codec.Bytes), none, none)
	_, err := codec.Decode(chunksOf([]byte("\x01a")), mapped).Recv(t.Context())
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = codec.Marshal(mapped, []byte("a"))
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = codec.Decode(chunksOf([]byte("1\n")), codec.JSONLines[endless]()).Recv(t.Context())
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "endless: EOF")
	wrong := &fs.PathError{Op: "read", Err: errors.Join(fs.ErrInvalid, io.EOF)}
	fails := codec.Map(codec.Uint8, func(uint8) (uint8, error) { return 0, wrong }, func(n uint8) (uint8, error) { return n, nil })
	_, err = codec.Unmarshal(fails, []byte{1})
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, fs.ErrInvalid)
	path, ok := errors.AsType[*fs.PathError](err)
	require.True(t, ok)
	require.Same(t, wrong, path)
	own := func(n uint8) (uint8, error) { return n, &codec.Error{Err: io.EOF} }
	_, err = codec.Marshal(codec.Map(codec.Uint8, own, own), 1)
	require.NotErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// fragile is three bytes as a text. It panics after the first of "bad".
type fragile struct{}

func (fragile) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (fragile) Decode(r *codec.Reader) (string, error) {
	first, err := r.Text(1)
	if err != nil {
		return "", err
	}
	if first == "b" {
		panic("bad")
	}
	rest, err := r.Text(2)
	return first + rest, err
}

func TestADecoderGivesNoPartOfAFrameAfterAPanic(t *testing.T) {
	quick := codec.Map(codec.Uint24,
		func(n uint32) (string, error) {
			return codec.Unmarshal(fragile{}, []byte{byte(n >> 16), byte(n >> 8), byte(n)})
		},
		func(string) (uint32, error) { return 0, nil })
	for i, c := range []codec.Codec[string]{fragile{}, quick} {
		d := codec.NewDecoder(bytes.NewReader([]byte("onebadtwo")), c)
		v, err := d.Decode()
		require.NoError(t, err)
		require.Equal(t, "one", v)
		require.PanicsWithValue(t, "bad", func() { _, _ = d.Decode() })
		require.Equal(t, "badtwo", string(d.Buffered()))
		if i == 1 { // it decodes the frame again
			require.PanicsWithValue(t, "bad", func() { _, _ = d.Decode() })
			continue
		}
		_, err = d.Decode()
		require.ErrorContains(t, err, "has panicked")
	}
}
