package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/codec/wiregen/internal/sample/awkward"
)

func FuzzTrade(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint16, TradeCodec{}), Trade{Note: []byte{1}})
}

func FuzzLists(f *testing.F) {
	v := Lists{Points: []Point{{1, 2}}, Words: Words{"a"}, Grid: [][]uint32{{1}}, Extra: Blob{}}
	v.Inner.Points, v.Inner.Flags = []Point{}, []bool{true}
	codectest.Fuzz(f, codec.Prefixed(codec.Uint16, ListsCodec{}), v)
}

func TestWhatIsWrittenDoesWhatStructDoes(t *testing.T) {
	t.Run("Numbers", func(t *testing.T) { agree(t, NumbersCodec{}) })
	t.Run("Trade", func(t *testing.T) { agree(t, TradeCodec{}) })
	t.Run("Mixed", func(t *testing.T) { agree(t, MixedCodec{}) })
	t.Run("Lists", func(t *testing.T) { agree(t, ListsCodec{}) })
	t.Run("packet", func(t *testing.T) { agree(t, PacketWire{}) })
	t.Run("Record", func(t *testing.T) { agree(t, awkward.RecordCodec{}, codec.LittleEndian()) })
	t.Run("Box", func(t *testing.T) { agree(t, awkward.BoxCodec[string, int]{}, codec.LittleEndian()) })
	t.Run("Alias", func(t *testing.T) { agree[awkward.Alias[int]](t, awkward.AliasCodec[int]{}, codec.LittleEndian()) })
	t.Run("Instance", func(t *testing.T) { agree(t, awkward.InstanceCodec{}, codec.LittleEndian()) })
	t.Run("Paths", func(t *testing.T) { agree(t, awkward.PathsCodec{}, codec.LittleEndian()) })
	t.Run("Single", func(t *testing.T) { agree(t, awkward.SingleCodec{}, codec.LittleEndian()) })
}

func TestATextWithTwoFaultsHasTheErrorOfStruct(t *testing.T) {
	v := awkward.Paths{Short: "abc\xff"}
	_, want := codec.Marshal(codec.Struct[awkward.Paths](codec.LittleEndian()), v)
	_, err := codec.Marshal(awkward.PathsCodec{}, v)
	sameError(t, want, err)
}

func TestANumberThatDoesNotFitHasTheErrorOfStruct(t *testing.T) {
	for _, v := range []Mixed{{Size: 1 << 24}, {Delta: 1 << 23}, {Delta: -1<<23 - 1}, {Three: 1<<32 - 1}} {
		_, want := codec.Marshal(codec.Struct[Mixed](), v)
		_, err := codec.Marshal(MixedCodec{}, v)
		require.EqualError(t, err, want.Error())
	}
}

// agree compares a codec with that of Struct: sizes, random values, their bytes ended at every index, with a byte changed,
// and in frames that are too short or too long; whole and byte by byte.
func agree[T any](t *testing.T, got codec.Codec[T], opts ...codec.StructOption) {
	want := codec.Struct[T](opts...)
	size := codec.SizeOf(want)
	if size.Max > 1<<31-1 {
		size.Max = codec.Unbounded
	}
	require.Equal(t, size, codec.SizeOf(got))
	rnd := rand.New(rand.NewPCG(1, 2))
	encoded := 0
	for range 15 {
		var v T
		fill(rnd, reflect.ValueOf(&v).Elem())
		p, err := codec.Marshal(want, v)
		q, gotErr := codec.Marshal(got, v)
		sameError(t, err, gotErr)
		require.Equal(t, p, q)
		if split, ok := got.(codec.BodyCodec[T]); ok {
			head, body, headErr := split.AppendHead(nil, v)
			sameError(t, err, headErr)
			require.True(t, err != nil || string(p) == string(head)+string(body))
		}
		if err != nil {
			continue
		}
		encoded++
		for cut := range cuts(len(p)) {
			decodeBoth(t, want, got, p[:cut])
			framed := append([]byte{byte(cut >> 8), byte(cut)}, p...)
			decodeBoth(t, codec.Prefixed(codec.Uint16, want), codec.Prefixed(codec.Uint16, got), framed)
		}
		for range 10 {
			wrong := append([]byte(nil), p...)
			wrong[rnd.IntN(len(wrong))] ^= 1 << rnd.IntN(8)
			decodeBoth(t, want, got, wrong)
			decodeBoth(t, want, got, append(wrong, 1))
			decodeBoth(t, want, got, wrong[:rnd.IntN(len(wrong))])
		}
	}
	require.Greater(t, encoded, 5)
}

// cuts yields the lengths up to n, of which long frames have many.
func cuts(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for at := 0; at <= n && yield(at); at += 1 + at/30 {
		}
		yield(n)
	}
}

func decodeBoth[T any](t *testing.T, want, got codec.Codec[T], p []byte) {
	v, err := codec.Unmarshal(want, p)
	w, gotErr := codec.Unmarshal(got, p)
	sameError(t, err, gotErr)
	sameValue(t, want, v, w)
	if len(p) > 120 {
		return
	}
	a, b := codec.Decode(bytewise(p), want), codec.Decode(bytewise(p), got)
	for {
		v, err := a.Recv(context.Background())
		w, gotErr := b.Recv(context.Background())
		sameError(t, err, gotErr)
		sameValue(t, want, v, w)
		if err != nil {
			return
		}
	}
}

// sameValue compares what two codecs decoded, NaNs by their bits.
func sameValue[T any](t *testing.T, c codec.Codec[T], v, w T) {
	require.Equal(t, fmt.Sprintf("%#v", v), fmt.Sprintf("%#v", w))
	p, err := codec.Marshal(c, v)
	q, again := codec.Marshal(c, w)
	require.Equal(t, err, again)
	require.Equal(t, p, q)
}

// sameError compares kinds, paths and offsets.
func sameError(t *testing.T, want, got error) {
	require.Equal(t, want == nil, got == nil, "%v and %v", want, got)
	for _, kind := range []error{
		io.EOF, io.ErrUnexpectedEOF, codec.ErrTooLarge, codec.ErrTrailingData, codec.ErrMismatch, codec.ErrMalformed,
	} {
		require.Equal(t, errors.Is(want, kind), errors.Is(got, kind), "%v and %v", want, got)
	}
	var a, b *codec.Error
	if errors.As(want, &a) && errors.As(got, &b) {
		require.Equal(t, a.Path, b.Path, "%v and %v", want, got)
		require.Equal(t, a.Offset, b.Offset, "%v and %v", want, got)
	}
}

func bytewise(p []byte) *chanio.Source[[]byte] {
	var chunks [][]byte
	for i := range p {
		chunks = append(chunks, p[i:i+1])
	}
	return codectest.Chunks(chunks...)
}

// fill sets all that can be set to something random, that seldom has no encoding.
func fill(rnd *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); (f.IsExported() || f.Anonymous) && f.Tag.Get("wire") != "-" {
				fill(rnd, v.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rnd.IntN(4), 5))
		for i := range v.Len() {
			fill(rnd, v.Index(i))
		}
	case reflect.String:
		v.SetString([]string{"", "a", "h\u00e9", "\ufffd", "four", "\xff", strings.Repeat("long", 70)}[min(rnd.IntN(40), 39)%7*rnd.IntN(2)])
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, -1.5, math.Inf(1), math.NaN(), rnd.NormFloat64()}[rnd.IntN(5)])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(random(rnd) - 1<<22)
	default:
		v.SetUint(uint64(random(rnd)))
	}
}

// random returns a number that mostly fits 23 bits.
func random(rnd *rand.Rand) int64 {
	if rnd.IntN(50) == 0 {
		return rnd.Int64N(1 << 26)
	}
	return rnd.Int64N(1 << 23)
}
