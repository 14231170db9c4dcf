package codectest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
)

// Fuzz is the body of a fuzz target. Its corpus starts with the frames of the values. For any bytes it checks that
//
//   - decoding does not panic, and its errors are *codec.Error;
//   - byte by byte, a stream yields the same values and the same end as a slice;
//   - a decoded value can be encoded, and the result decodes to the same value.
func Fuzz[T any](f *testing.F, c codec.Codec[T], values ...T) {
	f.Helper()
	for _, v := range values {
		p, err := codec.Marshal(c, v)
		require.NoError(f, err)
		f.Add(p)
		f.Add(p[:len(p)/2])
		f.Add(append(append([]byte(nil), p...), p...))
	}
	f.Fuzz(func(t *testing.T, p []byte) { Try(t, c, p) })
}

// Try performs the checks of [Fuzz] on one input.
func Try[T any](t testing.TB, c codec.Codec[T], p []byte) {
	t.Helper()
	before := bytes.Clone(p)
	all, err := codec.UnmarshalAll(c, p)
	require.True(t, bytes.Equal(before, p), "decoding changed its input")
	var wrong *codec.Error
	if err != nil {
		require.ErrorAs(t, err, &wrong)
		require.GreaterOrEqual(t, wrong.Offset, int64(0))
		require.NotEmpty(t, err.Error())
	}
	inStream(t, c, p, all, err)
	for _, v := range all {
		again(t, c, v)
	}
}

// inStream checks that a stream yields the same values and end.
func inStream[T any](t testing.TB, c codec.Codec[T], p []byte, all []T, end error) {
	t.Helper()
	src := codec.Decode(Chunks(bytewise(p)...), c)
	for _, want := range all {
		got, err := src.Recv(context.Background())
		require.NoError(t, err)
		require.True(t, same(want, got), "slice %v, stream %v", want, got)
	}
	_, err := src.Recv(context.Background())
	if end == nil {
		require.Equal(t, io.EOF, err)
		return
	}
	require.Error(t, err)
	require.Equal(t, errors.Is(end, io.ErrUnexpectedEOF), errors.Is(err, io.ErrUnexpectedEOF), "slice: %v, stream: %v", end, err)
}

// again checks that a decoded value survives another round trip.
func again[T any](t testing.TB, c codec.Codec[T], v T) {
	t.Helper()
	p, err := codec.Marshal(c, v)
	require.NoError(t, err, "encode what was decoded: %v", v)
	got, err := codec.Unmarshal(c, p)
	require.NoError(t, err, "decode what was encoded: %x", p)
	require.True(t, same(v, got), "%v became %v", v, got)
	q, err := codec.Marshal(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(p, q) || sameText(c, p, q), "%x, then %x", p, q)
}

// sameText compares encodings. It allows formats in which one value has several encodings, such as JSON maps.
func sameText[T any](c codec.Codec[T], p, q []byte) bool {
	a, err := codec.Unmarshal(c, p)
	b, err2 := codec.Unmarshal(c, q)
	return err == nil && err2 == nil && same(a, b)
}

// same is reflect.DeepEqual, except that NaNs with the same bits are equal.
func same[T any](a, b T) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	return reflect.DeepEqual(bits(a), bits(b))
}

func bits(v any) string { return reflectBits(reflect.ValueOf(v)) }
