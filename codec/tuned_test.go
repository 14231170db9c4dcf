package codec_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// fill is a struct with functions by hand for its common values.
type fill struct {
	Price  uint32
	Symbol string `wire:"len=u8,raw"`
	Note   []byte `wire:"len=u16,max=1000"`
	calls  int
}

var aFill = fill{Price: 7, Symbol: "ab", Note: []byte("note")}

func (v *fill) appendWire(dst []byte) ([]byte, bool) {
	if len(v.Symbol) > 255 || len(v.Note) > 1000 {
		return dst, false
	}
	dst = binary.BigEndian.AppendUint32(dst, v.Price)
	dst = append(dst, byte(len(v.Symbol)))
	dst = append(dst, v.Symbol...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(v.Note)))
	return append(dst, v.Note...), true
}

func (v *fill) decodeWire(p []byte, m *codec.Memory) (int, bool) {
	if len(p) < 5 || len(p) < 7+int(p[4]) {
		return 0, false
	}
	at := 5 + int(p[4])
	n := int(binary.BigEndian.Uint16(p[at:]))
	if n > 1000 || len(p) < at+2+n {
		return 0, false
	}
	v.Price = binary.BigEndian.Uint32(p)
	v.Symbol = m.String(p[5:at])
	v.Note = m.Bytes(p[at+2 : at+2+n])
	v.calls++
	return at + 2 + n, true
}

var fillCodec = codec.Tuned(codec.Struct[fill](), (*fill).appendWire, (*fill).decodeWire)

func TestTunedIsItsCodec(t *testing.T) {
	p, err := codec.Marshal(codec.Struct[fill](), aFill)
	require.NoError(t, err)
	tuned, err := codec.Marshal(fillCodec, aFill)
	require.NoError(t, err)
	require.Equal(t, p, tuned)
	tuned, err = codec.AppendFrom(fillCodec, []byte("> "), &aFill)
	require.NoError(t, err)
	require.Equal(t, "> "+string(p), string(tuned))
	require.Equal(t, codec.SizeOf(codec.Struct[fill]()), codec.SizeOf(fillCodec))

	v, err := codec.Unmarshal(fillCodec, p)
	require.NoError(t, err)
	require.Equal(t, 1, v.calls, "decoded by the function")
	v.calls = 0
	require.Equal(t, aFill, v)
	for cut := range p {
		_, err = codec.Unmarshal(fillCodec, p[:cut])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// TestTunedLeavesWhatIsWrongToItsCodec sees that errors are those of the codec, of a stream and of a slice.
func TestTunedLeavesWhatIsWrongToItsCodec(t *testing.T) {
	long := fill{Note: make([]byte, 1001)}
	_, err := fillCodec.Append(nil, long)
	require.ErrorContains(t, err, "Note encode: a length of 1001")
	_, err = codec.AppendFrom(fillCodec, nil, &long)
	require.ErrorIs(t, err, codec.ErrTooLarge)

	_, err = codec.Unmarshal(fillCodec, []byte{0, 0, 0, 1, 0, 0xff, 0xff})
	require.ErrorContains(t, err, "Note.length at byte 5")
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestTunedIsUsedOnAStream(t *testing.T) {
	ctx := context.Background()
	a, b := chanio.Pipe()
	in, out := codec.Decode(b.In, codec.Prefixed(codec.Uint16, fillCodec)), codec.Encode(a.Out, codec.Prefixed(codec.Uint16, fillCodec))
	for range 3 {
		require.NoError(t, out.Send(ctx, aFill))
	}
	require.NoError(t, out.Close())
	calls := 0
	for range 3 {
		v, err := in.Recv(ctx)
		require.NoError(t, err)
		calls += v.calls
		v.calls = 0
		require.Equal(t, aFill, v)
	}
	require.Equal(t, 3, calls, "decoded by the function")
	_, err := in.Recv(ctx)
	require.ErrorIs(t, err, io.EOF)
	b.Out.Abort(nil)
}

func TestTunedAllocatesForTextsOnly(t *testing.T) {
	var dst []byte
	p, err := codec.Marshal(fillCodec, aFill)
	require.NoError(t, err)
	require.Less(t, testing.AllocsPerRun(1000, func() {
		dst, err = codec.AppendFrom(fillCodec, dst[:0], &aFill)
		_, err = codec.Unmarshal(fillCodec, p)
	}), 0.1)
	require.NoError(t, err)
}

// TestG4TunedRefusesFunctionsThatDisagree plants what stale or wrong functions do.
func TestG4TunedRefusesFunctionsThatDisagree(t *testing.T) {
	right := (*fill).decodeWire
	for name, decode := range map[string]func(*fill, []byte, *codec.Memory) (int, bool){
		"another place": func(v *fill, p []byte, m *codec.Memory) (int, bool) {
			n, ok := right(v, p, m)
			v.Price = binary.LittleEndian.Uint32(append(p[:4:4], 0, 0, 0, 0))
			return n, ok
		},
		"a field less": func(v *fill, p []byte, m *codec.Memory) (int, bool) {
			n, ok := right(v, p, m)
			v.Note = nil
			return n, ok
		},
		"bytes more": func(v *fill, p []byte, m *codec.Memory) (int, bool) {
			n, ok := right(v, p, m)
			return n + 1, ok
		},
		"what is wrong": func(v *fill, p []byte, m *codec.Memory) (int, bool) {
			if n, ok := right(v, p, m); ok {
				return n, ok
			}
			return len(p), true
		},
	} {
		require.Panics(t, func() { codec.Tuned(codec.Struct[fill](), (*fill).appendWire, decode) }, name)
	}
	wrong := func(v *fill, dst []byte) ([]byte, bool) { return append(dst, 1), true }
	require.PanicsWithValue(t, "codec: Tuned: the functions for codec_test.fill do not agree with the codec: "+
		"encoded as 01, by the codec as 00000000000000; if they were generated, run go generate again",
		func() { codec.Tuned(codec.Struct[fill](), wrong, right) })
	require.Panics(t, func() { codec.Tuned(codec.Struct[fill](), nil, right) })
}

func FuzzTuned(f *testing.F) {
	same := func(v fill) (fill, error) { return v, nil }
	uncounted := func(v fill) (fill, error) { v.calls = 0; return v, nil }
	codectest.Fuzz(f, codec.Map(fillCodec, uncounted, same), fill{Note: []byte{}}, aFill)
}

func ExampleTuned() {
	c := codec.Tuned(codec.Struct[fill](), (*fill).appendWire, (*fill).decodeWire)
	p, err := codec.AppendFrom(c, nil, &aFill)
	fmt.Printf("% x %v\n", p, err)
	// Output: 00 00 00 07 02 61 62 00 04 6e 6f 74 65 <nil>
}
