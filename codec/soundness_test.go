package codec_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/pipeline"
)

func TestG14LimitsMayBeAsLargeAsAnInt(t *testing.T) {
	for name, c := range map[string]codec.Codec[string]{
		"COBS":       codec.COBS(codec.String, codec.Max(math.MaxInt)),
		"SLIP":       codec.SLIP(codec.String, codec.Max(math.MaxInt)),
		"Compressed": codec.Prefixed(codec.Uint16, codec.Compressed(codec.Gzip, codec.String, codec.Max(math.MaxInt))),
		"Escape":     codec.Delimited(codec.String, ";", codec.Escape('\\'), codec.Max(math.MaxInt)),
		"Delimited":  codec.Delimited(codec.String, "\r\n", codec.Or("\n"), codec.Max(math.MaxInt)),
		"Lines":      codec.Lines.With(codec.Max(math.MaxInt)),
		"Limit":      codec.Limit(math.MaxInt, codec.Prefixed(codec.Uint8, codec.String)),
		"Prefixed":   codec.Prefixed(codec.Uint64, codec.String, codec.Max(math.MaxInt)),
		"Adjust":     codec.Prefixed(codec.Uint64, codec.String, codec.Max(math.MaxInt), codec.Adjust(math.MaxInt)),
		"Wide":       codec.Prefixed(codec.DecimalWidth[int](20), codec.String),
	} {
		p, err := codec.Marshal(c, "hello")
		require.NoError(t, err, name)
		v, err := codec.NewDecoder(iotest.OneByteReader(bytes.NewReader(p)), c).Decode()
		require.NoError(t, err, name)
		require.Equal(t, "hello", v, name)
	}
	p, err := codec.NewReader([]byte("ab\n")).ReadUntil('\n', math.MaxInt)
	require.NoError(t, err)
	require.Equal(t, "ab\n", string(p))
}

// lossy is a codec of numbers that truncates those that do not fit in a byte, as a careless wrapper does.
var lossy = codec.Map(codec.Uint8,
	func(n uint8) (int, error) { return int(n), nil }, func(n int) (uint8, error) { return uint8(n), nil })

func TestG14NumbersOfAnyCodecAreCheckedBothWays(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 300))
	for name, c := range map[string]codec.Codec[string]{
		"Map":        codec.Prefixed(lossy, codec.RawString),
		"Limit":      codec.Prefixed(codec.Limit(1, codec.Uint8), codec.RawString),
		"Switchable": codec.Prefixed(codec.Codec[uint8](codec.NewSwitchable(codec.Uint8)), codec.RawString),
		"Digits":     codec.Prefixed(codec.DecimalWidth[int](2), codec.RawString),
		"Adjust":     codec.Prefixed(codec.Uint16, codec.RawString, codec.Adjust(65400)),
	} {
		_, err := codec.Marshal(c, long)
		require.ErrorIs(t, err, codec.ErrTooLarge, name)
	}
	_, err := codec.Marshal(codec.Repeated(lossy, codec.Uint8), make([]uint8, 256))
	require.ErrorIs(t, err, codec.ErrTooLarge)
	type note struct{ Text string }
	text := func(length codec.Codec[uint64], opts ...codec.LengthOption) codec.Codec[note] {
		return codec.Record(codec.Field("text", func(n *note) *string { return &n.Text }, codec.Prefixed(length, codec.RawString, opts...)))
	}
	for want, c := range map[string]codec.Codec[note]{
		"fffffffffffffffe 6162": text(codec.Uint64, codec.Adjust(-4)),
		"0000000100000002 6162": text(codec.Uint64),
		"8000000000000002 6162": text(codec.Uint64),
	} {
		codectest.Rejects(t, c, want, codec.ErrTooLarge, 0)
	}
	minus := codec.Prefixed(codec.Int16, codec.Bytes, codec.Adjust(-4))
	codectest.Rejects(t, minus, "fffe 6162", codec.ErrMalformed, 0)
	codectest.Refuses(t, minus, []byte("ab"), codec.ErrTooLarge)
	codectest.RoundTrip(t, minus, []byte("abcd"))
	huge := codec.Repeated(codec.Uint64, codec.Uint8)
	codectest.Rejects(t, huge, "0000000100000002 6162", codec.ErrTooLarge, 0)
	length := codec.NewLength(codec.Int8, codec.Adjust(1), codec.Max(1000))
	require.Equal(t, 126, length.Max())
	_, err = length.Append(nil, -1)
	require.ErrorIs(t, err, codec.ErrTooLarge)
	require.EqualError(t, err, "negative length -1")
}

func TestOpenEndedCodecsAreRefusedWhereOthersFollow(t *testing.T) {
	a, _ := chanio.Pipe()
	header := codec.Header(codec.Uint8, func(uint8) codec.Codec[string] { return codec.String }, func(string) uint8 { return 1 })
	panics(t, "on a connection no value would be complete", func() { codec.Frame(a, codec.JSON[int]()) })
	panics(t, "on a connection no value would be complete", func() { codec.FrameBoth(a, codec.Bytes, codec.Lines) })
	panics(t, "takes no bytes", func() { codec.Repeated(codec.Uint32, codec.Empty[[64]byte]()) })
	panics(t, "must be unsigned", func() { codec.Bits(codec.Int8, codec.SpareBits[int](8)) })
	for name, build := range map[string]func(c codec.Codec[string]){
		"Aligned":  func(c codec.Codec[string]) { codec.Aligned(4, c) },
		"Repeated": func(c codec.Codec[string]) { codec.Repeated(codec.Uint8, c) },
		"ToEnd":    func(c codec.Codec[string]) { codec.ToEnd(c) },
		"PairOf":   func(c codec.Codec[string]) { codec.PairOf(c, codec.Uint8) },
		"Until":    func(c codec.Codec[string]) { codec.Until("x", c) },
		"Between":  func(c codec.Codec[string]) { codec.Between(nil, c, codec.Const("x")) },
		"Array":    func(c codec.Codec[string]) { codec.Array(2, c) },
		"Header: tag": func(c codec.Codec[string]) {
			codec.Header(c, func(string) codec.Codec[int8] { return codec.Int8 }, func(int8) string { return "" })
		},
	} {
		for _, open := range []codec.Codec[string]{
			codec.String, codec.Between(codec.Const("<"), codec.String, nil), codec.NewSwitchable(codec.String),
			codec.Recursive(func(codec.Codec[string]) codec.Codec[string] { return codec.String }), codec.CRC32(codec.String),
			codec.Suffixed(codec.String, "x"), codec.Limit(5, codec.String), codec.As[string](codec.String),
		} {
			panics(t, "takes all bytes up to the end", func() { build(open) })
		}
		_ = name
	}
	list := codec.Repeated(codec.Uint8, header)
	codectest.Refuses(t, list, []string{"a", "b"}, codec.ErrMalformed)
	codectest.Rejects(t, list, "01 01 61", codec.ErrMalformed, 2)
	codectest.Refuses(t, codec.Aligned(4, header), "a", codec.ErrMalformed)
	for _, c := range []codec.Codec[string]{codec.CRC32(header), codec.Suffixed(header, "\r\n"), codec.CRC32(codec.Suffixed(header, "x")), codec.Limit(20, codec.CRC32(header))} {
		codectest.RoundTrip(t, codec.Prefixed(codec.Uint16, c), "", "hi")
	}
	s := codec.NewSwitchable(codec.Uint8)
	panics(t, "only one of the old and the new codec", func() { s.Set(codec.Decimal[uint8]()) })
}

func TestStructRefusesTypesAndTagsThatItWouldNotHonour(t *testing.T) {
	panics(t, "v.T: time.Time has no exported fields", func() { type v struct{ T time.Time }; codec.Struct[v]() })
	panics(t, "v.A: netip.Addr has no exported fields", func() { type v struct{ A netip.Addr }; codec.Struct[v]() })
	panics(t, "v.A: bits=16 is not 24 or 32", func() {
		type v struct {
			A uint32 `wire:"bits=16"`
		}
		codec.Struct[v]()
	})
	panics(t, "v.A: the tag has both orders", func() {
		type v struct {
			A uint32 `wire:"le,be"`
		}
		codec.Struct[v]()
	})
	panics(t, `v.A: "le" takes no value`, func() {
		type v struct {
			A uint32 `wire:"le=1"`
		}
		codec.Struct[v]()
	})
	panics(t, `v.A: the tag has "len" twice`, func() {
		type v struct {
			A string `wire:"len=u8,len=u16"`
		}
		codec.Struct[v]()
	})
	panics(t, "v.A: max=300 is more than u8 can express", func() {
		type v struct {
			A string `wire:"len=u8,max=300"`
		}
		codec.Struct[v]()
	})
	panics(t, "v.a: the field is not exported", func() {
		type v struct {
			a string `wire:"len=u8"`
		}
		_ = v{a: ""}.a
		codec.Struct[v]()
	})
	panics(t, "v._: a field named _ needs a tag", func() {
		type v struct {
			_ struct{}
			A uint8
		}
		codec.Struct[v]()
	})
	panics(t, "v.A: [0]uint8 has no fixed encoding", func() { type v struct{ A [0]uint8 }; codec.Struct[v]() })
	type inner struct{ B uint8 }
	type outer struct {
		inner
		C uint8
	}
	codectest.Vector(t, codec.Struct[outer](), "01 02", outer{inner{1}, 2})
}

func TestG15TheEndWithinAFrameIsUnexpected(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.Uint8)
	codectest.Rejects(t, c, "03 01 02", io.ErrUnexpectedEOF, 3)
	codectest.Rejects(t, c, "03 01 0203", codec.ErrTrailingData, 2)
	short := codec.Prefixed(codec.Uint8, codec.PairOf(codec.Uint16, codec.Uint16))
	_, err := codec.Unmarshal(codec.Limit(100, short), []byte{2, 0, 1})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, codec.ErrTooLarge)
	_, err = codec.Unmarshal(codec.Limit(3, codec.Prefixed(codec.Uint8, codec.Bytes)), []byte{4, 0, 1, 0, 1})
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestG15OffsetsAreThoseOfTheWire(t *testing.T) {
	codectest.Rejects(t, codec.COBS(codec.Bool), "02 05 00", codec.ErrMalformed, 1)
	codectest.Rejects(t, codec.COBS(codec.PairOf(codec.Uint8, codec.Bool)), "01 02 05 00", codec.ErrMalformed, 2)
	codectest.Rejects(t, codec.SLIP(codec.PairOf(codec.Uint8, codec.Bool)), "dbdc 05 c0", codec.ErrMalformed, 2)
	codectest.Rejects(t, codec.SLIP(codec.PairOf(codec.Uint8, codec.Bool)), "dbdc c0", io.ErrUnexpectedEOF, 2)
	escaped := codec.Delimited(codec.PairOf(codec.Uint8, codec.Bool), ";", codec.Escape('\\'))
	codectest.Rejects(t, escaped, "5c3b 05 3b", codec.ErrMalformed, 2)
	packed, err := codec.Marshal(codec.Compressed(codec.Deflate, codec.Bytes), append(make([]byte, 100), 5))
	require.NoError(t, err)
	_, err = codec.Unmarshal(codec.Compressed(codec.Deflate, codec.PairOf(codec.Exactly(100, codec.Bytes), codec.Bool)), packed)
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.ErrorContains(t, err, "decompressed.second at byte 0: at byte 100 of the decompressed data: invalid bool 5")
	_, err = codec.Unmarshal(codec.CRC32(codec.Exactly(1, codec.Bytes)), []byte{1, 0, 0, 0, 2})
	require.ErrorContains(t, err, "checksum mismatch: received 0x2, computed 0xa505df1b")
	_, err = codec.Unmarshal(codec.Netstring(codec.RawString), []byte("x:"))
	require.ErrorContains(t, err, `near [78] 3a "x:"`)
}

type failingOnce struct {
	bytes.Buffer
	failed bool
}

func (o *failingOnce) Write(p []byte) (int, error) {
	if !o.failed {
		o.failed = true
		n, _ := o.Buffer.Write(p[:2])
		return n, errors.New("once")
	}
	return o.Buffer.Write(p)
}

func TestAnEncoderThatFailedInTheMiddleStaysFailed(t *testing.T) {
	o := &failingOnce{}
	e := codec.NewEncoder(o, codec.Uint32)
	require.Error(t, e.Encode(1))
	require.Error(t, e.Encode(2))
	require.Equal(t, 2, o.Len())
	refusing := codec.NewEncoder(&o.Buffer, codec.Uint24)
	require.ErrorIs(t, refusing.Encode(1<<24), codec.ErrTooLarge)
	require.NoError(t, refusing.Encode(1))
}

func TestADecoderGivesUpOnAReaderThatReturnsNothing(t *testing.T) {
	_, err := codec.NewDecoder(silent{}, codec.Lines).Decode()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestCharsetsAcceptTheReplacementCharacterItself(t *testing.T) {
	bom := codec.Charset(unicode.UTF8BOM)
	v, err := codec.Unmarshal(bom, []byte("a\xef\xbf\xbd"))
	require.NoError(t, err)
	require.Equal(t, "a\ufffd", v)
	utf16 := codec.Charset(unicode.UTF16(unicode.BigEndian, unicode.UseBOM))
	v, err = codec.Unmarshal(utf16, []byte("\xff\xfea\x00\xfd\xff"))
	require.NoError(t, err)
	require.Equal(t, "a\ufffd", v)
	codectest.Rejects(t, utf16, "feff 0061 d800 0062", codec.ErrMalformed, 4)
	codectest.Rejects(t, bom, "61 ff", codec.ErrMalformed, 1)
}

func TestSmallThingsComeBackAsTheyWere(t *testing.T) {
	lines, err := codec.UnmarshalAll(codec.Lines, []byte("one\r\ntwo\r"))
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two\r"}, lines)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Decimal[uint8]()), "02 2b35", codec.ErrMalformed, 1)
	packets, err := codec.UnmarshalAll(codec.SLIP(codec.Uint16), []byte("\xc0ab\xc0\xc0cd\xc0"))
	require.NoError(t, err)
	require.Equal(t, []uint16{0x6162, 0x6364}, packets)
	codectest.Refuses(t, codec.Empty[uint16](), 7, codec.ErrMalformed)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, codec.Empty[uint16]()), 0)
}

func TestG14NestingHasOneLimitBothWays(t *testing.T) {
	type inner struct{ Next *inner }
	type outer struct {
		Next *outer
		In   *inner
	}
	in := codec.Recursive(func(self codec.Codec[inner]) codec.Codec[inner] {
		return codec.Record(codec.Field("next", func(v *inner) **inner { return &v.Next }, codec.Optional(codec.Bool, self)))
	})
	c := codec.Recursive(func(self codec.Codec[outer]) codec.Codec[outer] {
		return codec.Record(codec.Field("next", func(v *outer) **outer { return &v.Next }, codec.Optional(codec.Bool, self)),
			codec.Field("in", func(v *outer) **inner { return &v.In }, codec.Optional(codec.Bool, in)))
	})
	for _, depth := range []int{1, 39, 63, 64, 65} {
		i := &inner{}
		for range depth - 1 {
			i = &inner{i}
		}
		v := outer{In: i}
		for range depth - 1 {
			next := v
			v = outer{Next: &next}
		}
		p, err := codec.Marshal(c, v)
		if depth > codec.MaxDepth {
			require.ErrorIs(t, err, codec.ErrTooDeep)
			continue
		}
		require.NoError(t, err, depth)
		_, err = codec.Unmarshal(c, p)
		require.NoError(t, err, depth)
	}
}

func TestG12ChunksOfASourceStayAsTheyAre(t *testing.T) {
	big := []byte("01____23")
	chunks := [][]byte{big[0:2], []byte("XY"), big[6:8]}
	v, err := codec.Decode(chanio.FromSlice(chunks), codec.Exactly(6, codec.RawString)).Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "01XY23", v)
	require.Equal(t, "01____23", string(big))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	branches := pipeline.Tee(ctx, chanio.FromSlice([][]byte{[]byte("aaaa\nbb"), []byte("bb\ncccc\n")}), 2)
	lines := codec.Decode(branches[0], codec.Lines)
	for range 3 {
		_, err := lines.Recv(ctx)
		require.NoError(t, err)
	}
	var all []byte
	for chunk := range branches[1].All(ctx) {
		all = append(all, chunk...)
	}
	require.Equal(t, "aaaa\nbbbb\ncccc\n", string(all))
}

func TestG2ACancelledRecvLosesNoByteBehindALargeBody(t *testing.T) {
	body := bytes.Repeat([]byte("b"), 20_000)
	frame := append(append(binary.BigEndian.AppendUint32(nil, 20_000), body...), 0x12, 0x34)
	c := codec.PairOf(codec.Prefixed(codec.Uint32, codec.Bytes), codec.Uint16)
	for _, cut := range []int{4, 14, 9000, len(frame) - 2, len(frame) - 1} {
		ctx, cancel := context.WithCancel(t.Context())
		step := 0
		src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(now context.Context) ([]byte, error) {
			step++
			switch {
			case step == 1:
				return bytes.Clone(frame[:min(14, cut)]), nil
			case step == 2 && cut > 14:
				return bytes.Clone(frame[14:cut]), nil
			case now.Err() == nil && now == ctx:
				cancel()
				return nil, context.Canceled
			case cut < len(frame):
				rest := bytes.Clone(frame[cut:])
				cut = len(frame)
				return rest, nil
			}
			return nil, io.EOF
		}})
		_, err := codec.Recv(ctx, src, c)
		require.ErrorIs(t, err, context.Canceled)
		v, err := codec.Recv(t.Context(), src, c)
		require.NoError(t, err)
		require.Equal(t, body, v.First)
		require.Equal(t, uint16(0x1234), v.Second)
		_, err = codec.Recv(t.Context(), src, c)
		require.Equal(t, io.EOF, err)
		cancel()
	}
}

func TestBorrowedValuesAreRefusedWhereTheyWouldBeHeld(t *testing.T) {
	for _, c := range []codec.Codec[[]byte]{
		codec.Prefixed(codec.Uint8, codec.Borrowed), codec.Exactly(1, codec.Borrowed), codec.Delimited(codec.Borrowed, ","),
	} {
		in := codec.Decode(codectest.Chunks([]byte{1, 7}), c)
		require.Panics(t, func() { in.C(t.Context()) })
	}
	v, err := codec.Decode(codectest.Chunks([]byte{1, 7}), codec.Prefixed(codec.Uint8, codec.Borrowed)).Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, []byte{7}, v)
}

func TestG16AnEncoderThatPanicsLeavesTheSinkUsable(t *testing.T) {
	a, b := chanio.Pipe()
	boom := true
	c := codec.Map(codec.Uint8, unchanged[uint8], func(n uint8) (uint8, error) {
		if boom {
			panic("boom")
		}
		return n, nil
	})
	d := codec.Frame(a, c)
	require.PanicsWithValue(t, "boom", func() { _ = d.Out.Send(t.Context(), 1) })
	boom = false
	require.NoError(t, d.Out.Send(t.Context(), 2))
	n, err := d.Out.SendAll(t.Context(), 3, 4, 5)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, d.Out.Flush(t.Context()))
	in := codec.Decode(b.In, codec.Uint8)
	for want := uint8(2); want <= 5; want++ {
		v, err := in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
}

func TestG14ResyncIsLinearWhateverComes(t *testing.T) {
	looked := 0
	sum := func(p []byte) uint32 { looked += len(p); return 1 }
	c := codec.Between(codec.Const("\xca\xfe"), codec.Checksum(codec.Prefixed(codec.Uint16, codec.Bytes), codec.Uint32, sum), nil)
	p := bytes.Repeat([]byte("\xca\xfe"), 2<<20) // each claims 51,966 bytes
	src := codec.Resync(chanio.FromReader(bytes.NewReader(p)), "\xca\xfe", c, nil)
	_, err := src.Recv(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, looked, 10*len(p))
}
