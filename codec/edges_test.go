package codec_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// The tests below hold bounds that could be off by one and errors of a part that its wrapper could drop. Other tests
// did not notice such faults.

func TestEveryTypedReadFailsWhereBytesAreMissing(t *testing.T) {
	for name, read := range map[string]func(r *codec.Reader) error{
		"1 Uint8":    func(r *codec.Reader) error { _, err := r.Uint8(); return err },
		"1 Bool":     func(r *codec.Reader) error { _, err := r.Bool(); return err },
		"2 Uint16":   func(r *codec.Reader) error { _, err := r.Uint16(); return err },
		"2 Uint16LE": func(r *codec.Reader) error { _, err := r.Uint16LE(); return err },
		"3 Uint24":   func(r *codec.Reader) error { _, err := r.Uint24(); return err },
		"3 Uint24LE": func(r *codec.Reader) error { _, err := r.Uint24LE(); return err },
		"4 Uint32":   func(r *codec.Reader) error { _, err := r.Uint32(); return err },
		"4 Uint32LE": func(r *codec.Reader) error { _, err := r.Uint32LE(); return err },
		"8 Uint64":   func(r *codec.Reader) error { _, err := r.Uint64(); return err },
		"8 Uint64LE": func(r *codec.Reader) error { _, err := r.Uint64LE(); return err },
		"5 Text":     func(r *codec.Reader) error { _, err := r.Text(5); return err },
		"5 UTF8":     func(r *codec.Reader) error { _, err := r.UTF8(5); return err },
	} {
		width := int(name[0] - '0')
		require.NoError(t, read(codec.NewReader(make([]byte, width))), name)
		require.ErrorIs(t, read(codec.NewReader(make([]byte, width-1))), io.ErrUnexpectedEOF, name)
	}
}

func TestWrappersRefuseWhatTheirPartsRefuse(t *testing.T) {
	const broken = "\xff"
	codectest.Refuses(t, codec.COBS(codec.String), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.SLIP(codec.String), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Between(codec.Const("<"), codec.Exactly(1, codec.String), codec.Const(">")), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Suffixed(codec.String, "x"), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Aligned(4, codec.Exactly(1, codec.String)), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Padded(4, 0, codec.String), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.CRC32(codec.Exactly(1, codec.String)), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Optional(codec.Bool, codec.String), ptr(broken), codec.ErrMalformed)
	codectest.Refuses(t, codec.Limit(4, codec.String), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.As[string](codec.String), broken, codec.ErrMalformed)
	codectest.Refuses(t, codec.Separated(codec.String, ","), []string{broken}, codec.ErrMalformed)
	codectest.Refuses(t, codec.Until(";", codec.Exactly(1, codec.String)), []string{broken}, codec.ErrMalformed)
	codectest.Refuses(t, codec.PairOf(codec.Exactly(1, codec.String), codec.Uint8), codec.Pair[string, uint8]{First: broken}, codec.ErrMalformed)
	_, err := codec.Marshal(codec.JSON[float64](), math.NaN())
	require.Error(t, err)
	_, err = codec.Marshal(codec.JSON[float64](codec.NoHTMLEscape()), math.NaN())
	require.Error(t, err)
	wide := codec.WideBits(codec.BitField("a", 4, func(v *uint8) *uint8 { return v }), codec.SpareBits[uint8](4))
	codectest.Refuses(t, wide, 16, codec.ErrTooLarge)
	codectest.Vector(t, wide, "f0", 15)
}

func ptr[T any](v T) *T { return &v }

func TestPacketsThatCannotBeEncodedAreNotSent(t *testing.T) {
	a, b := packetPipe()
	out := codec.Packets(a, codec.Uint24, nil).Out
	require.ErrorIs(t, out.Send(t.Context(), codec.Addressed[uint32]{Addr: port9, Value: 1 << 24}), codec.ErrTooLarge)
	_, err := out.TrySend(codec.Addressed[uint32]{Addr: port9, Value: 1 << 24})
	require.ErrorIs(t, err, codec.ErrTooLarge)
	_, ok, err := b.In.TryRecv()
	require.NoError(t, err)
	require.False(t, ok)
}

func TestBoundsAreExact(t *testing.T) {
	lines := codec.Lines.With(codec.Max(3))
	codectest.Decodes(t, codec.Codec[string](lines), []byte("abc\r\n"), "abc")
	codectest.Rejects(t, codec.Codec[string](lines), hexOf("abcd\n"), codec.ErrTooLarge, 0)

	number := codec.Delimited(codec.Decimal[int](), ":")
	codectest.Decodes(t, number, []byte(strings.Repeat("0", 399)+"7:"), 7)
	codectest.Rejects(t, number, hexOf(strings.Repeat("0", 400)+"7:"), codec.ErrTooLarge, 0)

	require.Equal(t, codec.Size{Min: 4, Max: 256}, codec.SizeOf(codec.Aligned(4, codec.Prefixed(codec.Uint8, codec.Bytes))))
	require.Equal(t, codec.Unbounded, codec.SizeOf(codec.Aligned(4, codec.Until("x", codec.Uint8))).Max)

	type many struct{ V [65]uint8 }
	var fields []codec.TagOf[uint8, many]
	for i := range 64 {
		fields = append(fields, codec.RequiredTag(uint8(i), "v", func(m *many) *uint8 { return &m.V[i] }, codec.Uint8))
	}
	require.NotPanics(t, func() { codec.TLV(codec.Uint8, nil, fields...) })
	panics(t, `the tag has "foo"`, func() {
		codec.Struct[struct {
			_ struct{} `wire:"skip=2,foo"`
			A uint8
		}]()
	})
}

// A list of values of which a header chooses the codec is rejected before other parts, by all list codecs that take the
// rest.
func TestOpenListsBehindAHeaderAreRefusedWhereOthersFollow(t *testing.T) {
	for name, list := range map[string]codec.Codec[[]uint8]{
		"Separated": codec.Separated(codec.Decimal[uint8](), ","),
		"ToEnd":     codec.ToEnd(codec.Uint8),
	} {
		behind := codec.Header(codec.Uint8, func(uint8) codec.Codec[[]uint8] { return list }, func([]uint8) uint8 { return 1 })
		both := codec.PairOf(behind, codec.Uint8)
		_, err := codec.Marshal(both, codec.Pair[[]uint8, uint8]{First: []uint8{1}})
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
}

// lopsided enters a level and never leaves it. The level ends with the value.
type lopsided struct{}

func (lopsided) Append(dst []byte, v uint8) ([]byte, error) { return append(dst, v), nil }
func (lopsided) Decode(r *codec.Reader) (uint8, error) {
	if err := r.Enter(); err != nil {
		return 0, err
	}
	return r.Uint8()
}

func TestALevelEndsWithItsValueAtTheLatest(t *testing.T) {
	p := make([]byte, 3*codec.MaxDepth)
	all, err := codec.UnmarshalAll(codec.Codec[uint8](lopsided{}), p)
	require.NoError(t, err)
	require.Len(t, all, len(p))
	d := codec.NewDecoder(strings.NewReader(string(p)), codec.Codec[uint8](lopsided{}))
	for range p {
		_, err := d.Decode()
		require.NoError(t, err)
	}
	n := 0
	for range codec.Decode(chanio.FromSlice([][]byte{p}), codec.Codec[uint8](lopsided{})).All(t.Context()) {
		n++
	}
	require.Equal(t, len(p), n)
}

func TestResyncTellsWhatItDroppedAtTheEnd(t *testing.T) {
	var dropped int64
	c := codec.Between(codec.Const("M"), codec.Uint8, nil)
	src := codec.Resync(chanio.FromSlice([][]byte{[]byte("M\x01xyz")}), "M", c, func(n int64, err error) {
		require.ErrorIs(t, err, codec.ErrMismatch)
		dropped += n
	})
	v, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint8(1), v)
	_, err = src.Recv(t.Context())
	require.Error(t, err)
	require.Equal(t, int64(3), dropped)
}

// The start of a magic at the end of the stream is a truncated frame, also after bytes that were dropped.
func TestResyncEndsWithinAMagicAfterGarbage(t *testing.T) {
	c := codec.Between(codec.Const("abc"), codec.Uint8, nil)
	for _, end := range []string{"", "a", "ab"} {
		for name, src := range map[string]*chanio.Source[[]byte]{
			"whole": chunksOf([]byte("xyz" + end)), "bytes": chanio.FromReader(iotest.OneByteReader(strings.NewReader("xyz" + end))),
		} {
			dropped := int64(0)
			in := codec.Resync(src, "abc", c, func(n int64, err error) {
				require.ErrorIs(t, err, codec.ErrMismatch)
				dropped += n
			})
			_, err := in.Recv(t.Context())
			require.Equal(t, int64(3), dropped, name)
			if end == "" {
				require.Equal(t, io.EOF, err, name)
				continue
			}
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
			var e *codec.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, int64(3+len(end)), e.Offset, name)
		}
	}
}

// Bytes that were dropped before ctx ended count for those examined: garbage in many calls does not make Resync drop a
// frame within a corrupt one.
func TestResyncFindsFramesWithinAfterManyCancelledCalls(t *testing.T) {
	good := []byte("m\x00\x00\x01g\x00")
	c := codec.Between(codec.Const("m"), codec.Prefixed(codec.Uint24, codec.String), codec.Const("\x00"))
	bad := append([]byte("m\x00\xff\xff"), bytes.Repeat([]byte("x"), 1<<16)...)
	var chunks [][]byte
	for range 40 {
		chunks = append(chunks, bad, nil)
	}
	last := bytes.Clone(bad)
	copy(last[100:], good)
	chunks = append(chunks, last, good)
	cancel := func() {}
	in := codec.Resync(chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(ctx context.Context) ([]byte, error) {
		chunk := chunks[0]
		chunks = chunks[1:]
		if chunk == nil {
			cancel()
			return nil, ctx.Err()
		}
		return chunk, nil
	}}), "m", c, nil)
	for len(chunks) > 2 {
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		_, err := in.Recv(ctx)
		cancel()
		require.ErrorIs(t, err, context.Canceled)
	}
	for range 2 {
		v, err := in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "g", v)
	}
}

func TestALengthOfAnyWidthMayBeExactlyItsLimit(t *testing.T) {
	c := codec.Prefixed(codec.Uvarint, codec.String, codec.Max(3))
	codectest.RoundTrip(t, c, "abc")
	codectest.Refuses(t, c, "abcd", codec.ErrTooLarge)
}

// A frame that is too short for its parts, or has a part that is invalid, is refused with the place of that part.
func TestPartsOfAFrameReportWhatIsMissing(t *testing.T) {
	codectest.Rejects(t, codec.Nullable(codec.Int16, codec.String), "0001 ff", codec.ErrMalformed, 2)
	codectest.Rejects(t, codec.COBS(codec.Bytes, codec.Max(3)), "01 11 11 11 11 00", codec.ErrTooLarge, 0)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Const("ab")), "00", io.ErrUnexpectedEOF, 1)
	list := codec.Prefixed(codec.Uint8, codec.Until("\r\n", codec.Uint8))
	codectest.Rejects(t, list, "02 61 0d", io.ErrUnexpectedEOF, 2)
	_, err := codec.Unmarshal(list, []byte("\x02a\r"))
	require.NotContains(t, err.Error(), "[1]", "the CR may be half of the end, and no value")
}

// longBody reads a long body without a frame around it.
type longBody struct{ t *testing.T }

func (longBody) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (c longBody) Decode(r *codec.Reader) ([]byte, error) {
	p, err := r.Bytes(1 << 20)
	require.Equal(c.t, err != nil, p == nil)
	return p, r.WrapField("body", err)
}

func TestALongBodyOfWhichNothingComesIsAnErrorForTheDecoder(t *testing.T) {
	head := codec.PairOf(codec.Uint8, codec.Codec[[]byte](longBody{t}))
	_, err := codec.Decode(chanio.FromReader(strings.NewReader("x")), head).Recv(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "second.body at byte 1")
}

// What a decoder only peeks at counts as examined.
func TestG14ResyncIsLinearForWhatIsPeekedAt(t *testing.T) {
	tries := 0
	peeks := codec.FirstByte(func(byte) codec.Codec[string] { return peeking{&tries} }, func(string) codec.Codec[string] { return codec.RawString })
	in := codec.Resync(chanio.FromReader(bytes.NewReader(bytes.Repeat([]byte("m"), 128<<10))), "m", peeks, nil)
	_, err := in.Recv(t.Context())
	require.Error(t, err)
	require.Less(t, tries, 2000)
}

type peeking struct{ tries *int }

func (peeking) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (c peeking) Decode(r *codec.Reader) (string, error) {
	*c.tries++
	if _, err := r.Peek(8 << 10); err != nil {
		return "", err
	}
	return "", codec.ErrMalformed
}

// A cancelled Recv keeps what has come of a long body, and the next one continues in the same memory.
func TestG2ALongBodyIsContinuedInItsMemory(t *testing.T) {
	const size, early = 30 << 20, 24 << 20
	wire := binary.BigEndian.AppendUint32(nil, size)
	pr, pw := io.Pipe()
	defer pr.Close()
	in := codec.Decode(chanio.FromReader(pr), codec.Prefixed(codec.Uint32, codec.Bytes, codec.Max(size)))
	ctx, cancel := context.WithCancel(t.Context())
	first, rest := make([]byte, early), make([]byte, size-early)
	rest[0] = 1
	go func() {
		_, _ = pw.Write(wire)
		_, _ = pw.Write(first)
		cancel()
		_, _ = pw.Write(rest[:1]) // FromReader sees the end of ctx between two reads
		_, _ = pw.Write(rest[1:])
	}()
	_, err := in.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v, err := in.Recv(t.Context())
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Len(t, v, size)
	require.EqualValues(t, 1, v[early])
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), "the body is not copied")
}

func TestALengthThatNoMessageCanHaveIsTooLarge(t *testing.T) {
	p := binary.BigEndian.AppendUint64(nil, math.MaxInt-2)
	c := codec.Prefixed(codec.Uint64, codec.Bytes, codec.Max(math.MaxInt))
	_, err := codec.Unmarshal(c, append(p, 1, 2, 3))
	require.ErrorIs(t, err, codec.ErrTooLarge)
	require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = codec.NewDecoder(iotest.OneByteReader(bytes.NewReader(append(p, 1, 2, 3))), c).Decode()
	require.ErrorIs(t, err, codec.ErrTooLarge)
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, c), append([]byte{11}, append(p, 1, 2, 3)...))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the frame around it has fewer bytes")
}

func TestEnterAllowsExactlyMaxDepth(t *testing.T) {
	r := codec.NewReader(nil)
	for range codec.MaxDepth {
		require.NoError(t, r.Enter())
	}
	require.ErrorIs(t, r.Enter(), codec.ErrTooDeep)
	r.Leave()
	require.NoError(t, r.Enter())
}

func TestAQUICVarintCutShortByItsFrame(t *testing.T) {
	_, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.QUICVarint), []byte{1, 0x40})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAFirstByteIsNeededInAFrame(t *testing.T) {
	all := func(byte) codec.Codec[[]byte] { return codec.Bytes }
	one := codec.FirstByte(all, func([]byte) codec.Codec[[]byte] { return codec.Bytes })
	_, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.Between(nil, codec.Limit(9, one), nil)), []byte{0})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	pair := codec.PairOf(codec.Prefixed(codec.Uint8, codec.String), one)
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, pair), []byte{2, 1, 'a'})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestASinkWhoseCodecHasPanickedStillRefusesValues(t *testing.T) {
	var out bytes.Buffer
	c := codec.Map(codec.Uint8, func(v uint8) (uint8, error) { return v, nil }, func(v uint8) (uint8, error) {
		if v == 0 {
			panic("zero")
		}
		return v, nil
	})
	sink := codec.Encode(chanio.ToWriter(&out), codec.Exactly(1, codec.PairOf(c, codec.OptionalTail(codec.Uint8))))
	value := codec.Pair[uint8, *uint8]{First: 7}
	require.Panics(t, func() { _ = sink.Send(t.Context(), codec.Pair[uint8, *uint8]{}) })
	for range 2 {
		require.ErrorIs(t, sink.Send(t.Context(), codec.Pair[uint8, *uint8]{First: 1, Second: &value.First}), codec.ErrTooLarge)
		require.NoError(t, sink.Send(t.Context(), value))
	}
	require.NoError(t, sink.Close())
	require.Equal(t, []byte{7, 7}, out.Bytes())
}

// errOrder is the error of a codec written by hand.
var errOrder = errors.New("order")

// wrapping wraps the errors of another codec.
type wrapping struct{ codec.Codec[string] }

func (c wrapping) Append(dst []byte, v string) ([]byte, error) {
	dst, err := c.Codec.Append(dst, v)
	if err != nil {
		err = fmt.Errorf("%w: %w", errOrder, err)
	}
	return dst, err
}

func (c wrapping) Decode(r *codec.Reader) (string, error) {
	v, err := c.Codec.Decode(r)
	if err != nil {
		err = fmt.Errorf("%w: %w", errOrder, err)
	}
	return v, err
}

// TestAnErrorKeepsWhatACodecHasWrappedAroundIt has a codec return its own error around that of another.
func TestAnErrorKeepsWhatACodecHasWrappedAroundIt(t *testing.T) {
	free, three := codec.Prefixed(codec.Uint8, codec.String), codec.Prefixed(codec.Uint8, codec.String, codec.Max(3))
	for name, in := range map[string]func(codec.Codec[string]) codec.Codec[string]{
		"alone": func(c codec.Codec[string]) codec.Codec[string] { return c },
		"between": func(c codec.Codec[string]) codec.Codec[string] {
			return codec.Between(codec.Const("<"), c, codec.Const(">"))
		},
		"escaped": func(c codec.Codec[string]) codec.Codec[string] { return codec.COBS(c) },
		"packed": func(c codec.Codec[string]) codec.Codec[string] {
			return codec.Prefixed(codec.Uint8, codec.Compressed(codec.Deflate, c))
		},
		"field": func(c codec.Codec[string]) codec.Codec[string] {
			return codec.Record(codec.Field("name", func(p *string) *string { return p }, c))
		},
	} {
		p, err := codec.Marshal(in(free), "abcd")
		require.NoError(t, err)
		c := in(wrapping{three})
		_, encode := codec.Marshal(c, "abcd")
		_, whole := codec.Unmarshal(c, p)
		_, stream := codec.Decode(codectest.Chunks(p), c).Recv(t.Context())
		for _, err := range []error{encode, whole, stream} {
			var e *codec.Error
			require.ErrorAs(t, err, &e, name)
			require.Same(t, e, err, name)
			require.ErrorIs(t, err, errOrder, name)
			require.ErrorIs(t, err, codec.ErrTooLarge, name)
		}
	}
}
