package codec_test

import (
	"context"
	"errors"
	"hash/adler32"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/charmap"
)

var errPart = errors.New("the part failed")

// failing is a codec that works as c does and then fails.
type failing[T any] struct{ c codec.Codec[T] }

func (f failing[T]) Append(dst []byte, v T) ([]byte, error) {
	dst, err := f.c.Append(dst, v)
	return dst, errors.Join(errPart, err)
}

func (f failing[T]) Decode(r *codec.Reader) (v T, err error) {
	v, err = f.c.Decode(r)
	return v, errors.Join(errPart, err)
}

func (f failing[T]) Size() codec.Size { return codec.SizeOf(f.c) }

// part returns c, or a codec that fails if bad is true.
func part[T any](bad bool, c codec.Codec[T]) codec.Codec[T] {
	if bad {
		return failing[T]{c}
	}
	return c
}

// partFails checks that v can be encoded and decoded with a good part, and that every way to encode and to decode
// returns the error of a bad one.
func partFails[T any](t *testing.T, name string, v T, build func(bad bool) codec.Codec[T]) {
	t.Run(name, func(t *testing.T) {
		p, err := codec.Marshal(build(false), v)
		require.NoError(t, err)
		_, err = codec.Unmarshal(build(false), p)
		require.NoError(t, err)

		c := build(true)
		_, err = codec.Marshal(c, v)
		require.ErrorIs(t, err, errPart)
		if b, ok := c.(codec.BodyCodec[T]); ok {
			_, _, err = b.AppendHead(nil, v)
			require.ErrorIs(t, err, errPart)
		}
		_, err = codec.Unmarshal(c, p)
		require.ErrorIs(t, err, errPart)
		_, err = codec.Recv(t.Context(), chanio.FromSlice([][]byte{p}), c)
		require.ErrorIs(t, err, errPart)
	})
}

type oneText struct {
	S    string
	P    *string
	All  []string
	Rest uint8
}

func TestACombinatorReturnsTheErrorOfEachOfItsParts(t *testing.T) {
	num := func(bad bool) codec.Codec[uint8] { return part(bad, codec.Uint8) }
	text := func(bad bool) codec.Codec[string] { return part(bad, codec.String) }
	word := func(bad bool) codec.Codec[string] { return codec.Prefixed(codec.Uint8, text(bad)) }
	nothing := func(bad bool) codec.Codec[struct{}] { return part(bad, codec.Const("x")) }

	partFails(t, "Prefixed: length", "ab", func(bad bool) codec.Codec[string] { return codec.Prefixed(num(bad), codec.String) })
	partFails(t, "Prefixed: body", "ab", word)
	partFails(t, "Nullable", ptr("ab"), func(bad bool) codec.Codec[*string] { return codec.Nullable(codec.Int8, text(bad)) })
	partFails(t, "Exactly", "ab", func(bad bool) codec.Codec[string] { return codec.Exactly(2, text(bad)) })
	partFails(t, "Padded", "ab", func(bad bool) codec.Codec[string] { return codec.Padded(3, 0, text(bad)) })
	partFails(t, "Aligned", "ab", func(bad bool) codec.Codec[string] { return codec.Aligned(4, word(bad)) })
	partFails(t, "Limit", "ab", func(bad bool) codec.Codec[string] { return codec.Limit(4, word(bad)) })
	partFails(t, "Limit of the rest", "ab", func(bad bool) codec.Codec[string] { return codec.Limit(4, text(bad)) })
	partFails(t, "Delimited", "ab", func(bad bool) codec.Codec[string] { return codec.Delimited(text(bad), ",") })
	partFails(t, "Delimited: KeepDelimiter", "ab,", func(bad bool) codec.Codec[string] {
		return codec.Delimited(text(bad), ",", codec.KeepDelimiter())
	})
	partFails(t, "Delimited: Escape", "a,b", func(bad bool) codec.Codec[string] {
		return codec.Delimited(text(bad), ",", codec.Escape('\\'))
	})
	partFails(t, "DelimitedBy", "ab", func(bad bool) codec.Codec[string] {
		return codec.DelimitedBy(text(bad), func(string) string { return ";" }, ",", ";")
	})
	partFails(t, "COBS", "ab", func(bad bool) codec.Codec[string] { return codec.COBS(text(bad)) })
	partFails(t, "SLIP", "ab", func(bad bool) codec.Codec[string] { return codec.SLIP(text(bad)) })
	partFails(t, "Compressed", "ab", func(bad bool) codec.Codec[string] { return codec.Compressed(codec.Gzip, text(bad)) })
	partFails(t, "Checksum: value", "ab", func(bad bool) codec.Codec[string] { return codec.CRC32(word(bad)) })
	partFails(t, "Checksum: the rest", "ab", func(bad bool) codec.Codec[string] { return codec.CRC32(text(bad)) })
	partFails(t, "Checksum: sum", "ab", func(bad bool) codec.Codec[string] {
		return codec.Checksum(word(false), part(bad, codec.Uint32), adler32.Checksum)
	})
	partFails(t, "Checksum: sum of the rest", "ab", func(bad bool) codec.Codec[string] {
		return codec.Checksum(text(false), part(bad, codec.Uint32), adler32.Checksum)
	})
	partFails(t, "Suffixed", "ab", func(bad bool) codec.Codec[string] { return codec.Suffixed(text(bad), "!") })
	partFails(t, "Between: before", 7, func(bad bool) codec.Codec[uint8] { return codec.Between(nothing(bad), codec.Uint8, nil) })
	partFails(t, "Between: value", 7, func(bad bool) codec.Codec[uint8] { return codec.Between(nothing(false), num(bad), nil) })
	partFails(t, "Between: after", 7, func(bad bool) codec.Codec[uint8] { return codec.Between(nil, codec.Uint8, nothing(bad)) })
	partFails(t, "Netstring", "ab", func(bad bool) codec.Codec[string] { return codec.Netstring(text(bad)) })

	partFails(t, "Repeated: count", []uint8{1}, func(bad bool) codec.Codec[[]uint8] { return codec.Repeated(num(bad), codec.Uint8) })
	partFails(t, "Repeated: value", []uint8{1}, func(bad bool) codec.Codec[[]uint8] { return codec.Repeated(codec.Uint8, num(bad)) })
	partFails(t, "Array", []uint8{1}, func(bad bool) codec.Codec[[]uint8] { return codec.Array(1, num(bad)) })
	partFails(t, "ToEnd", []uint8{1}, func(bad bool) codec.Codec[[]uint8] { return codec.ToEnd(num(bad)) })
	partFails(t, "Until", []uint8{1}, func(bad bool) codec.Codec[[]uint8] { return codec.Until("x", num(bad)) })
	partFails(t, "Separated", []string{"a", "b"}, func(bad bool) codec.Codec[[]string] { return codec.Separated(text(bad), ",") })

	partFails(t, "Optional: flag", ptr("a"), func(bad bool) codec.Codec[*string] { return codec.Optional(part(bad, codec.Bool), word(false)) })
	partFails(t, "Optional: value", ptr("a"), func(bad bool) codec.Codec[*string] { return codec.Optional(codec.Bool, word(bad)) })
	partFails(t, "OptionalTail", ptr("a"), func(bad bool) codec.Codec[*string] { return codec.OptionalTail(text(bad)) })
	pair := codec.Pair[uint8, string]{First: 1, Second: "a"}
	partFails(t, "PairOf: first", pair, func(bad bool) codec.Codec[codec.Pair[uint8, string]] { return codec.PairOf(num(bad), text(false)) })
	partFails(t, "PairOf: second", pair, func(bad bool) codec.Codec[codec.Pair[uint8, string]] { return codec.PairOf(num(false), text(bad)) })
	partFails(t, "PairBy: second", pair, func(bad bool) codec.Codec[codec.Pair[uint8, string]] {
		return codec.PairBy(num(false), func(uint8) codec.Codec[string] { return text(bad) })
	})
	headed := func(tag, body bool) codec.Codec[string] {
		return codec.Header(num(tag), func(uint8) codec.Codec[string] { return text(body) }, func(string) uint8 { return 1 })
	}
	partFails(t, "Header: tag", "a", func(bad bool) codec.Codec[string] { return headed(bad, false) })
	partFails(t, "Header: body", "a", func(bad bool) codec.Codec[string] { return headed(false, bad) })
	partFails(t, "FirstByte", "a", func(bad bool) codec.Codec[string] {
		return codec.FirstByte(func(byte) codec.Codec[string] { return text(bad) }, func(string) codec.Codec[string] { return text(bad) })
	})
	partFails(t, "OneOf: tag", any("a"), func(bad bool) codec.Codec[any] { return codec.OneOf(num(bad), codec.Case[any](uint8(1), text(false))) })
	partFails(t, "OneOf: Case", any("a"), func(bad bool) codec.Codec[any] { return codec.OneOf(num(false), codec.Case[any](uint8(1), text(bad))) })
	partFails(t, "OneOf: Default", any("a"), func(bad bool) codec.Codec[any] {
		return codec.OneOf(num(false), codec.Default[any](text(bad), func(_ uint8, s string) string { return s }, func(s string) (uint8, string) { return 3, s }))
	})
	partFails(t, "Map", "a", func(bad bool) codec.Codec[string] {
		same := func(s string) (string, error) { return s, nil }
		return codec.Map(text(bad), same, same)
	})
	partFails(t, "As", "a", func(bad bool) codec.Codec[string] { return codec.As[string](text(bad)) })
	partFails(t, "Recursive", "a", func(bad bool) codec.Codec[string] {
		return codec.Recursive(func(codec.Codec[string]) codec.Codec[string] { return text(bad) })
	})
	partFails(t, "Switchable", "a", func(bad bool) codec.Codec[string] { return codec.NewSwitchable(text(bad)) })
	partFails(t, "UnixTime", time.Unix(1, 0).UTC(), func(bad bool) codec.Codec[time.Time] { return codec.UnixTime(num(bad), time.Second) })
	partFails(t, "Bits", 7, func(bad bool) codec.Codec[uint8] {
		return codec.Bits(num(bad), codec.BitField("all", 8, func(v *uint8) *uint8 { return v }))
	})
}

func TestFieldsReturnTheErrorsOfTheirCodecs(t *testing.T) {
	word := func(bad bool) codec.Codec[string] { return part(bad, codec.Prefixed(codec.Uint8, codec.String)) }
	s := func(v *oneText) *string { return &v.S }
	rest := codec.Field("rest", func(v *oneText) *uint8 { return &v.Rest }, codec.Uint8)
	v := oneText{S: "a", Rest: 7}
	partFails(t, "Field", v, func(bad bool) codec.Codec[oneText] { return codec.Record(codec.Field("s", s, word(bad)), rest) })
	partFails(t, "Field at the end", oneText{S: "a"}, func(bad bool) codec.Codec[oneText] {
		return codec.Record(codec.Field("s", s, part(bad, codec.String)))
	})
	partFails(t, "Literal", v, func(bad bool) codec.Codec[oneText] {
		return codec.Record(codec.Field("s", s, word(false)), codec.Literal[oneText](part(bad, codec.Const("!"))), rest)
	})
	partFails(t, "FieldIf", v, func(bad bool) codec.Codec[oneText] {
		return codec.Record(codec.FieldIf("s", s, word(bad), func(oneText) bool { return true }), rest)
	})
	partFails(t, "FieldBy", v, func(bad bool) codec.Codec[oneText] {
		return codec.Record(codec.FieldBy("s", s, func(oneText) codec.Codec[string] { return word(bad) }), rest)
	})

	p, all := func(v *oneText) **string { return &v.P }, func(v *oneText) *[]string { return &v.All }
	for name, length := range map[string]*codec.Length{"with a length": codec.NewLength(codec.Uint8), "without a length": nil} {
		full := oneText{S: "a", P: ptr("b"), All: []string{"c"}}
		for at, field := range []string{"RequiredTag", "OptionalTag", "RepeatedTag", "the tag"} {
			partFails(t, field+" "+name, full, func(bad bool) codec.Codec[oneText] {
				return codec.TLV(part(bad && at == 3, codec.Uint8), length,
					codec.RequiredTag(uint8(1), "s", s, word(bad && at == 0)),
					codec.OptionalTag(uint8(2), "p", p, word(bad && at == 1)),
					codec.RepeatedTag(uint8(3), "all", all, word(bad && at == 2)))
			})
		}
	}
	partFails(t, "the length of a TLV", oneText{S: "a"}, func(bad bool) codec.Codec[oneText] {
		return codec.TLV(codec.Uint8, codec.NewLength(part(bad, codec.Uint8)), codec.RequiredTag(uint8(1), "s", s, word(false)))
	})
}

// notWhereOthersFollow checks that c, which is open-ended without declaring it, does not decode before other parts.
func notWhereOthersFollow[T any](t *testing.T, name string, c codec.Codec[T]) {
	behind := codec.Header(codec.Uint8, func(uint8) codec.Codec[T] { return c }, func(T) uint8 { return 1 })
	_, err := codec.Unmarshal(codec.PairOf(behind, codec.Uint8), []byte("\x01\x05"))
	require.ErrorIs(t, err, codec.ErrMalformed, name)
	require.ErrorContains(t, err, "open-ended", name)
}

func TestNothingOpenEndedIsDecodedWhereOthersFollow(t *testing.T) {
	notWhereOthersFollow(t, "Bytes", codec.Bytes)
	notWhereOthersFollow(t, "Borrowed", codec.Borrowed)
	notWhereOthersFollow(t, "String", codec.String)
	notWhereOthersFollow(t, "RawString", codec.RawString)
	notWhereOthersFollow(t, "ASCII", codec.ASCII)
	notWhereOthersFollow(t, "Charset", codec.Charset(charmap.ISO8859_1))
	notWhereOthersFollow(t, "JSON", codec.JSON[any]())
	notWhereOthersFollow(t, "Decimal", codec.Decimal[int]())
	notWhereOthersFollow(t, "FloatText", codec.FloatText)
	notWhereOthersFollow(t, "Compressed", codec.Compressed(codec.Deflate, codec.String))
	notWhereOthersFollow(t, "ToEnd", codec.ToEnd(codec.Uint8))
	notWhereOthersFollow(t, "Separated", codec.Separated(codec.String, ","))
	notWhereOthersFollow(t, "OptionalTail", codec.OptionalTail(codec.Uint8))
	notWhereOthersFollow(t, "Checksum", codec.CRC32(codec.Bytes))
	notWhereOthersFollow(t, "TLV", codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
		codec.OptionalTag(uint8(1), "p", func(v *oneText) **string { return &v.P }, codec.String)))
}

func TestWhatIsTooLongOrMissingIsRefused(t *testing.T) {
	codectest.Refuses(t, codec.COBS(codec.RawString, codec.Max(3)), "abc", codec.ErrTooLarge)
	codectest.Refuses(t, codec.SLIP(codec.RawString, codec.Max(3)), "abcd", codec.ErrTooLarge)
	codectest.Rejects(t, codec.COBS(codec.Uint8), "03 0102 00", codec.ErrTrailingData, 2)
	escaped := codec.Delimited(codec.RawString, ",", codec.Escape('\\'), codec.Max(2))
	codectest.Decodes(t, escaped, []byte(`\,\,,`), ",,")
	codectest.Rejects(t, escaped, hexOf("abc,"), codec.ErrTooLarge, 0)
	codectest.Rejects(t, escaped, hexOf(`\a\bc,`), codec.ErrTooLarge, 0)
	codectest.Rejects(t, codec.Delimited(codec.RawString, ",", codec.Escape('\\'), codec.OrEnd()), hexOf(`a\`), codec.ErrMalformed, 2)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Aligned(4, codec.Uint8)), "01 05", io.ErrUnexpectedEOF, 2)
	codectest.Refuses(t, codec.OptionalTail(codec.RawString), ptr(""), codec.ErrNoProgress)
	_, err := codec.NewReader([]byte("ab\xff")).UTF8(3)
	require.ErrorIs(t, err, codec.ErrMalformed)
	var e *codec.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, int64(2), e.Offset)

	type list struct {
		A []uint16 `wire:"count=u8,max=7"`
	}
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Struct[list]()), "01 05", codec.ErrTooLarge, 2)
	type single struct {
		A []uint16 `wire:"count=u8,max=1"`
	}
	codectest.Vector(t, codec.Struct[single](), "01 0007", single{[]uint16{7}})

	require.Equal(t, codec.Size{Min: 4, Max: 7}, codec.SizeOf(codec.Delimited(codec.Exactly(3, codec.RawString), ",", codec.Escape('\\'))))
	require.Equal(t, codec.Size{Min: 4, Max: 4}, codec.SizeOf(codec.Delimited(codec.Exactly(3, codec.RawString), ",")))
	codectest.Vector(t, codec.WideBits(codec.SpareBits[struct{}](64)), "00 00 00 00 00 00 00 00", struct{}{})
}

func TestTextsBehindLengthsOf24BitsInARecord(t *testing.T) {
	type texts struct {
		A, B string
		C    uint8
	}
	c := codec.Record(
		codec.Field("a", func(v *texts) *string { return &v.A }, codec.Prefixed(codec.Uint24, codec.String)),
		codec.Field("b", func(v *texts) *string { return &v.B }, codec.Prefixed(codec.Uint24LE, codec.String)),
		codec.Field("c", func(v *texts) *uint8 { return &v.C }, codec.Uint8))
	codectest.Vector(t, c, "000001 61 020000 6263 07", texts{"a", "bc", 7})
}

func TestRecvWhoseCtxEndsBeforeItsTurnSaysSo(t *testing.T) {
	src := chanio.FromSlice([][]byte{{7}})
	up, err := src.Acquire(t.Context(), "another")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = codec.Recv(ctx, src, codec.Uint8)
	require.ErrorIs(t, err, context.Canceled)
	up.Release()
	v, err := codec.Recv(t.Context(), src, codec.Uint8)
	require.NoError(t, err)
	require.Equal(t, uint8(7), v)
}

func TestALargeBodyIsReadAnewByACodecThatWantsLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chunks := make(chan []byte, 1)
		c := codec.NewSwitchable(codec.Exactly(20_000, codec.RawString))
		in := codec.Decode(chanio.From(chunks), c)
		chunks <- []byte(strings.Repeat("a", 5_000))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := in.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		c.Set(codec.Exactly(4_000, codec.RawString))
		v, err := in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("a", 4_000), v)
		chunks <- []byte(strings.Repeat("b", 19_000))
		c.Set(codec.Exactly(17_000, codec.RawString))
		v, err = in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("a", 1_000)+strings.Repeat("b", 16_000), v)
		c.Set(codec.Exactly(3_000, codec.RawString))
		v, err = in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("b", 3_000), v)
		close(chunks)
		_, err = in.Recv(t.Context())
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestAStreamThatEndsInALargeBodyAfterACancelledRecvIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chunks := make(chan []byte, 1)
		in := codec.Decode(chanio.From(chunks), codec.Exactly(20_000, codec.Bytes))
		chunks <- make([]byte, 5_000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := in.Recv(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(chunks)
		_, err = in.Recv(t.Context())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}
