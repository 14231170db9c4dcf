package codec_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
)

// repeater stands for a compression: its packed form is one byte, and its plain form is size of them.
type repeater struct{ size int }

func (c repeater) Compress(dst, plain []byte) ([]byte, error) { return append(dst, plain[0]), nil }

func (c repeater) Decompress(dst, packed []byte, most int) ([]byte, error) {
	plain := bytes.Repeat(packed, min(c.size, most+1))
	if len(plain) > most {
		return dst, codec.ErrTooLarge
	}
	return append(dst, plain...), nil
}

func TestMaxAboveTheDefaultHoldsForOpenEndedValues(t *testing.T) {
	const size = codec.DefaultMax + 1
	length := codec.Map(codec.Borrowed,
		func(p []byte) (int, error) { return len(p), nil },
		func(n int) ([]byte, error) { return make([]byte, n), nil })
	n, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.Compressed(repeater{size}, length, codec.Max(size))), []byte("\x01x"))
	require.NoError(t, err)
	require.Equal(t, size, n)
	n, err = codec.Unmarshal(length, make([]byte, size))
	require.NoError(t, err)
	require.Equal(t, size, n)
}

func TestUnboundedMaxDoesNotOverflowInACompression(t *testing.T) {
	c := codec.Compressed(repeater{3}, codec.String, codec.Max(codec.Unbounded))
	v, err := codec.Unmarshal(c, []byte("x"))
	require.NoError(t, err)
	require.Equal(t, "xxx", v)
}

// A value of JSON that is not one of the type has a cause that is documented, and its own.
func TestJSONErrorsAreMalformed(t *testing.T) {
	type point struct{ X int }
	for _, text := range []string{`{"X":"a"}`, `{"X":1.5}`, `{"Y":1}`, `[]`, `{`, ``, `{} {}`, `nul`} {
		_, err := codec.Unmarshal(codec.JSON[point](codec.KnownFieldsOnly()), []byte(text))
		require.ErrorIs(t, err, codec.ErrMalformed, text)
	}
	_, err := codec.Unmarshal(codec.JSON[point](), []byte(`{"X":"a"}`))
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	require.True(t, ok, err)
	_, err = codec.Unmarshal(codec.JSON[point](), []byte(`x`))
	_, ok = errors.AsType[*json.SyntaxError](err)
	require.True(t, ok, err)
	_, err = codec.Unmarshal(codec.JSON[picky](), []byte(`{}`))
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.ErrorIs(t, err, errPicky)
	require.EqualError(t, err, "codec: at byte 0: picky, near [7b] 7d \"{}\"")
	_, err = codec.Marshal(codec.JSON[float64](), math.NaN())
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.EqualError(t, err, "codec: encode: json: unsupported value: NaN")
}

var errPicky = errors.New("picky")

type picky struct{}

func (*picky) UnmarshalJSON([]byte) error { return errPicky }

func TestCompressionKeepsNoBuffer(t *testing.T) {
	for name, c := range map[string]codec.Compression{"gzip": codec.Gzip, "zlib": codec.Zlib, "deflate": codec.Deflate} {
		dst := weak.Pointer[byte]{}
		func() {
			room := make([]byte, 1, 64<<10)
			dst = weak.Make(&room[0])
			_, err := c.Compress(room, []byte("hello"))
			require.NoError(t, err)
		}()
		runtime.GC() // a pool keeps what it has for two of these
		require.Nil(t, dst.Value(), name)
	}
}

// node is a value that contains others.
type node struct {
	Name string
	All  []node
}

// Each list claims as many values as the frame has bytes, and its first value does so again.
func TestG14NestedCountsAllocateOnce(t *testing.T) {
	c := codec.Prefixed(codec.Uint32, codec.Recursive(func(self codec.Codec[node]) codec.Codec[node] {
		return codec.Record(
			codec.Field("name", func(n *node) *string { return &n.Name }, codec.Prefixed(codec.Uint8, codec.String)),
			codec.Field("all", func(n *node) *[]node { return &n.All }, codec.Repeated(codec.Uint16, self)))
	}))
	const size = 60_000
	p := binary.BigEndian.AppendUint32(nil, size)
	for range codec.MaxDepth - 1 {
		p = binary.BigEndian.AppendUint16(append(p, 0), size-1000)
	}
	p = append(p, make([]byte, 4+size-len(p))...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := codec.Unmarshal(c, p)
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10<<20))
}

// narrow is a codec of numbers that says it takes two bytes and takes one.
type narrow struct{}

func (narrow) Append(dst []byte, v uint16) ([]byte, error) { return append(dst, byte(v)), nil }
func (narrow) Size() codec.Size                            { return codec.Size{Min: 2, Max: 2} }

func (narrow) Decode(r *codec.Reader) (uint16, error) {
	v, err := r.Uint8()
	return uint16(v), err
}

func TestALengthOfAnotherWidthIsNotSent(t *testing.T) {
	_, err := codec.NewLength(codec.Codec[uint16](narrow{})).Append(nil, 5)
	require.ErrorIs(t, err, codec.ErrMalformed)
}

func TestQUICVarintFailsInAnEmptyFrame(t *testing.T) {
	_, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.QUICVarint), []byte{0})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestFindFailsAtTheEndOfTheFrame(t *testing.T) {
	r := codec.NewReader([]byte("abc;"))
	outer, err := r.Limit(3)
	require.NoError(t, err)
	_, err = r.Find(";", 10)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, r.Skip(3))
	require.NoError(t, r.Unlimit(outer))
	n, err := r.Find(";", 10)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = codec.NewReader([]byte("abc")).Find(";", 10)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestStructRefusesTheRestTwiceInAnArray(t *testing.T) {
	type names struct {
		All [2]string `wire:"rest"`
	}
	require.PanicsWithValue(t, "codec: Struct: codec_test.names.All: only one field can take the rest of the frame",
		func() { codec.Struct[names]() })
}
