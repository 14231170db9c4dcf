package codec_test

import (
	"io"
	"math"
	"strings"
	"testing"

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
