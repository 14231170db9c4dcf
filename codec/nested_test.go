package codec_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/weir-go/weir/codec"
)

// listOf returns a codec of one text that is sent as a list of its words.
func listOf(c codec.Codec[[]string]) codec.Codec[string] {
	return codec.Map(c,
		func(all []string) (string, error) { return strings.Join(all, " "), nil },
		func(s string) ([]string, error) {
			if s == "" {
				return nil, nil
			}
			return strings.Split(s, " "), nil
		})
}

// valueOf returns a codec of texts in which an empty one is sent as nil.
func valueOf(c codec.Codec[*string]) codec.Codec[string] {
	return codec.Map(c,
		func(p *string) (string, error) {
			if p == nil {
				return "", nil
			}
			return *p, nil
		},
		func(s string) (*string, error) {
			if s == "" {
				return nil, nil
			}
			return &s, nil
		})
}

// firstOf returns a codec of texts in which the length of a text stands before or behind it.
func firstOf[B any](c codec.Codec[codec.Pair[string, B]], of func(string) B) codec.Codec[string] {
	return codec.Map(c,
		func(p codec.Pair[string, B]) (string, error) { return p.First, nil },
		func(s string) (codec.Pair[string, B], error) {
			return codec.Pair[string, B]{First: s, Second: of(s)}, nil
		})
}

func secondOf[A any](c codec.Codec[codec.Pair[A, string]], of func(string) A) codec.Codec[string] {
	return codec.Map(c,
		func(p codec.Pair[A, string]) (string, error) { return p.Second, nil },
		func(s string) (codec.Pair[A, string], error) {
			return codec.Pair[A, string]{First: of(s), Second: s}, nil
		})
}

type note struct {
	Text  string
	Extra *string
	Rest  []codec.UnknownTag[uint64]
}

func noteOf(c codec.Codec[note]) codec.Codec[string] {
	return codec.Map(c,
		func(n note) (string, error) {
			if n.Extra != nil {
				return n.Text + *n.Extra, nil
			}
			return n.Text, nil
		},
		func(s string) (note, error) {
			all := []rune(s)
			if len(all) < 3 {
				return note{Text: s}, nil
			}
			tail := string(all[2:])
			return note{Text: string(all[:2]), Extra: &tail}, nil
		})
}

func small(s string) uint8 { return uint8(len(s)) }

// wrapped returns c in a random codec, which may refuse it.
func wrapped(r *rand.Rand, c codec.Codec[string]) codec.Codec[string] {
	text := func(n *note) *string { return &n.Text }
	extra := func(n *note) **string { return &n.Extra }
	least := codec.SizeOf(c).Min
	kind := r.IntN(34)
	if slices.Contains([]int{12, 23, 24, 25}, kind) && codec.SizeOf(c).Open { // its size is not known before a value is
		c = codec.Prefixed(codec.Uint8, c)
	}
	switch kind {
	case 0:
		return listOf(codec.Separated(c, " "))
	case 1:
		return listOf(codec.Separated(c, ", ", codec.Max(4)))
	case 2:
		return listOf(codec.ToEnd(c, codec.Max(3)))
	case 3:
		return listOf(codec.Until(";;", c))
	case 4:
		return listOf(codec.Repeated(codec.Uvarint, c, codec.Max(5)))
	case 5:
		return codec.Map(codec.Array(1, c), func(all []string) (string, error) { return all[0], nil },
			func(s string) ([]string, error) { return []string{s}, nil })
	case 6:
		return valueOf(codec.Nullable(codec.Int16LE, c))
	case 7:
		return valueOf(codec.Nullable(codec.Uvarint, c, codec.Adjust(1)))
	case 8:
		return valueOf(codec.Optional(codec.Bool, c))
	case 9:
		return valueOf(codec.OptionalTail(c))
	case 10:
		return firstOf(codec.PairOf(c, codec.Uint8), small)
	case 11:
		return secondOf(codec.PairOf(codec.Uint16LE, c), func(s string) uint16 { return uint16(len(s)) })
	case 12:
		return secondOf(codec.PairBy(codec.Uint8, func(n uint8) codec.Codec[string] {
			if n > 100 {
				return nil
			}
			return c
		}), small)
	case 13:
		return codec.Delimited(c, ";", codec.OrEnd())
	case 14:
		return codec.Prefixed(codec.Uint16, codec.Delimited(c, "\r\n", codec.UnlessBefore(" \t"), codec.Or("\n")))
	case 15:
		return codec.Delimited(codec.Suffixed(c, ";"), ";", codec.KeepDelimiter(), codec.Max(60+least))
	case 16:
		return codec.DelimitedBy(c, func(s string) string { return []string{"\n", " \n"}[len(s)%2] }, "\n", " \n")
	case 17:
		return codec.Limit(12+least, c)
	case 18:
		return codec.Checksum(c, codec.Uint16LE, func(p []byte) uint16 { return uint16(crc32.ChecksumIEEE(p)) })
	case 19:
		return codec.Checksum(c, codec.Uvarint, func(p []byte) uint64 { return uint64(crc32.ChecksumIEEE(p)) })
	case 20:
		return noteOf(codec.TLV(codec.Uvarint, codec.NewLength(codec.Uint8), codec.RequiredTag(uint64(1), "text", text, c),
			codec.OptionalTag(uint64(300), "extra", extra, c), codec.UnknownTags(func(n *note) *[]codec.UnknownTag[uint64] { return &n.Rest })))
	case 21:
		return noteOf(codec.TLV(codec.Uvarint, nil, codec.RequiredTag(uint64(1), "text", text, c), codec.OptionalTag(uint64(300), "extra", extra, c)))
	case 22:
		return noteOf(codec.Record(codec.Field("text", text, c), codec.Field("extra", extra, codec.OptionalTail(c))))
	case 23:
		return noteOf(codec.Record(codec.Field("text", text, c), codec.FieldBy("extra", extra, func(n note) codec.Codec[*string] {
			if len(n.Text) < 2 {
				return codec.Empty[*string]()
			}
			return codec.Optional(codec.Bool, c)
		})))
	case 24:
		return codec.Recursive(func(self codec.Codec[string]) codec.Codec[string] {
			return codec.Header(codec.Uint8, func(n uint8) codec.Codec[string] {
				if n == 0 {
					return c
				}
				return self
			}, func(string) uint8 { return 0 })
		})
	case 25:
		return codec.FirstByte(func(b byte) codec.Codec[string] {
			if b > 0x7f {
				return nil
			}
			return c
		}, func(string) codec.Codec[string] { return c })
	case 26:
		return codec.Aligned(4, c)
	case 27:
		return codec.Padded(24+least, 0, c)
	case 28:
		return codec.Between(codec.Skip(1), c, codec.Const(">>"))
	case 29:
		return codec.Compressed(codec.Zlib, c, codec.Max(200+least))
	case 30:
		return codec.SLIP(c, codec.Max(100+least))
	case 31:
		return codec.Limit(30+least, codec.Suffixed(c, "#"))
	case 32:
		return codec.NewSwitchable(c)
	}
	return prefixedBy(r, c)
}

// built returns what build builds, or c if that is refused.
func built(c codec.Codec[string], build func() codec.Codec[string]) (got codec.Codec[string]) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(string); !ok {
				panic(p)
			}
			got = c
		}
	}()
	return build()
}

// TestAllEntryPointsAgreeOnNestedCodecs nests codecs without regard to what they are for.
func TestAllEntryPointsAgreeOnNestedCodecs(t *testing.T) {
	for seed := range rounds(400) {
		r := rand.New(rand.NewPCG(seed, 31))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := []codec.Codec[string]{
				codec.RawString, codec.String, codec.ASCII, codec.Lines, codec.JSON[string](codec.NoHTMLEscape()), codec.Charset(charmap.ISO8859_1),
				codec.Charset(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)), codec.JSONLines[string](),
			}[r.IntN(8)]
			for range 1 + r.IntN(6) {
				c = built(c, func() codec.Codec[string] { return wrapped(r, c) })
			}
			check(t, r, c, func() string { return strings.ToValidUTF8(someString(r), "?") }) // JSON would replace it
		})
		if t.Failed() {
			return
		}
	}
}
