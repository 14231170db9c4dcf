package codec_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// vector is one known fact about Gloss 0.3.6: how it encodes a value or decodes bytes.
type vector struct {
	Name, Format, Kind string
	BytesHex           string `json:"bytes_hex"`
	Value, Decoded     json.RawMessage
	ChunksHex          []string `json:"chunks_hex"`
}

// differs lists the vectors that do not hold here, with the reason. The test checks that each differs.
var differs = map[string]string{
	"prim int24 66051":                    "an unqualified 24-bit integer is big-endian, as all others are, and not in the order of the host",
	"byte from string":                    "a number is not made of a text: the types of Go forbid it",
	"uint32 2^32 wraps":                   "a number that does not fit is no uint32",
	"int32 from float":                    "a float is no int32",
	"finite-frame of repeated none empty": "an empty frame is an empty slice, not nil",
	"finite-frame zero length":            "an empty frame is an empty string, not nil",
	"finite-frame fixed 5 short":          "a value that is shorter than its frame is refused when encoded, not when decoded",
	"string overlapping delimiters":       "a delimiter that is sent and begins another is refused when the codec is built",
	"string ascii unmappable":             "a character that the charset lacks is refused, not replaced",
	"string suffix content not checked":   "a suffix is compared",
	"bit-seq overflow bleeds":             "a value that does not fit its bits is refused",
	"bit-seq first field overflow":        "a value that does not fit its bits is refused",
	"bit-seq negative first":              "a value that does not fit its bits is refused",
	"bit-seq 32":                          "a field of 32 bits is unsigned like all others",
	"stream one byte at a time":           "a frame cut short by the end of the stream is an error",
	"stream int16":                        "a frame cut short by the end of the stream is an error",
	"stream int24":                        "a frame cut short by the end of the stream is an error",
	"stream bitseq":                       "a frame cut short by the end of the stream is an error",
	"sizeof nil-frame":                    "a frame of no bytes has a size: 0",
	"sizeof [:byte nil-frame]":            "a frame of no bytes has a size: 0",
	"ordered-map not a map":               "the types of Go forbid it",
	"map missing key":                     "a field of a struct is never missing",
	"repeated not sequential":             "the types of Go forbid it",
	"string value not a string":           "the types of Go forbid it",
	"byte out of range":                   "the types of Go forbid it",
	"int32 out of range":                  "the types of Go forbid it",
	"string keep delimiters enc":          "", // holds, with Keep
}

// untyped returns a codec of any JSON value, so that one table can hold all codecs. A value that cannot be converted to
// T is rejected, as by the compiler.
func untyped[T any](c codec.Codec[T]) codec.Codec[any] {
	return codec.Map(c,
		func(v T) (any, error) { return v, nil },
		func(v any) (t T, err error) {
			if t, ok := v.(T); ok {
				return t, nil
			}
			text, err := json.Marshal(v)
			if err != nil || v == nil {
				return t, codec.ErrMismatch
			}
			return t, json.Unmarshal(text, &t)
		})
}

// float reads a number, including the infinities and NaN as the file spells them.
func float[T float32 | float64](c codec.Codec[T]) codec.Codec[any] {
	special := map[string]float64{"NaN": math.Float64frombits(0x7ff8 << 48), "+Inf": math.Inf(1), "-Inf": math.Inf(-1)}
	return codec.Map(c,
		func(v T) (any, error) {
			for name, f := range special {
				if float64(v) == f || math.IsNaN(float64(v)) && name == "NaN" {
					return name, nil
				}
			}
			return v, nil
		},
		func(v any) (T, error) {
			if name, ok := v.(string); ok {
				return T(special[name]), nil
			}
			f, err := v.(json.Number).Float64()
			return T(f), err
		})
}

// block decodes a block of bytes as the file spells it.
func block(c codec.Codec[[]byte]) codec.Codec[any] {
	return codec.Map(c,
		func(p []byte) (any, error) { return map[string]any{"hex": hex.EncodeToString(p)}, nil },
		func(v any) ([]byte, error) { return hex.DecodeString(v.(map[string]any)["hex"].(string)) })
}

// list is a vector of Gloss, many is its repeated.
type list []codec.Codec[any]

func (l list) Append(dst []byte, v any) (_ []byte, err error) {
	all, ok := v.([]any)
	if !ok || len(all) != len(l) {
		return dst, codec.ErrMismatch
	}
	for i, c := range l {
		if dst, err = c.Append(dst, all[i]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (l list) Decode(r *codec.Reader) (any, error) {
	all := []any{}
	for _, c := range l {
		v, err := c.Decode(r)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (l list) Size() (s codec.Size) {
	for _, c := range l {
		next := codec.SizeOf(c)
		s.Min, s.Max = s.Min+next.Min, s.Max+next.Max
	}
	return s
}

// fields is a map of Gloss: names and codecs in turn.
func fields(all ...any) codec.Codec[any] {
	var l list
	var names []string
	for i := 0; i < len(all); i += 2 {
		names = append(names, all[i].(string))
		l = append(l, all[i+1].(codec.Codec[any]))
	}
	return codec.Map(codec.Codec[any](l),
		func(v any) (any, error) {
			m := map[string]any{}
			for i, name := range names {
				m[name] = v.([]any)[i]
			}
			return m, nil
		},
		func(v any) (any, error) {
			m, ok := v.(map[string]any)
			if !ok {
				return nil, codec.ErrMismatch
			}
			var values []any
			for _, name := range names {
				values = append(values, m[name])
			}
			return values, nil
		})
}

// fixed is a constant of Gloss: a value without bytes.
func fixed(value any) codec.Codec[any] {
	return codec.Map(codec.Empty[struct{}](),
		func(struct{}) (any, error) { return value, nil },
		func(any) (struct{}, error) { return struct{}{}, nil })
}

// many hides the element type of a slice.
func many(c codec.Codec[[]any]) codec.Codec[any] {
	return codec.Map(c,
		func(v []any) (any, error) { return v, nil },
		func(v any) ([]any, error) {
			all, ok := v.([]any)
			if !ok {
				return nil, codec.ErrMismatch
			}
			return all, nil
		})
}

// bitList is a bit-seq. Fields of one bit are bools.
func bitList(widths ...int) codec.Codec[any] {
	total := 0
	for _, w := range widths {
		total += w
	}
	return codec.Map(codec.Exactly(total/8, codec.Bytes),
		func(p []byte) (any, error) {
			at, out := 0, []any{}
			for _, w := range widths {
				n := uint64(0)
				for range w {
					n = n<<1 | uint64(p[at/8]>>(7-at%8)&1)
					at++
				}
				if w == 1 {
					out = append(out, n == 1)
				} else {
					out = append(out, n)
				}
			}
			return out, nil
		},
		func(v any) ([]byte, error) {
			p, at := make([]byte, total/8), 0
			for i, w := range widths {
				var n int64
				switch x := v.([]any)[i].(type) {
				case bool:
					if x {
						n = 1
					}
				case json.Number:
					n, _ = x.Int64()
				}
				if n < 0 || n>>w != 0 {
					return nil, codec.ErrTooLarge
				}
				for b := w - 1; b >= 0; b-- {
					p[at/8] |= byte(n>>b&1) << (7 - at%8)
					at++
				}
			}
			return p, nil
		})
}

type nibbles struct{ A, B uint8 }

func bitMap(a, b int) codec.Codec[any] {
	c := codec.Bits(codec.Uint8,
		codec.BitField("a", a, func(n *nibbles) *uint8 { return &n.A }),
		codec.BitField("b", b, func(n *nibbles) *uint8 { return &n.B }))
	return codec.Map(c,
		func(n nibbles) (any, error) {
			if b == 1 {
				return map[string]any{"a": n.A, "b": n.B == 1}, nil
			}
			return map[string]any{"a": n.A, "b": n.B}, nil
		},
		func(v any) (n nibbles, err error) {
			m := v.(map[string]any)
			if last, ok := m["b"].(bool); ok {
				if last {
					n.B = 1
				}
			} else {
				last, _ := m["b"].(json.Number).Int64()
				n.B = uint8(last)
			}
			first, err := m["a"].(json.Number).Int64()
			n.A = uint8(first)
			return n, err
		})
}

func delimitedText(delim string, opts ...codec.DelimitedOption) codec.Codec[any] {
	return untyped(codec.Delimited(codec.String, delim, opts...))
}

// glossFormats has the codec for each format of the vectors.
func glossFormats() map[string]codec.Codec[any] {
	utf8 := codec.String
	byte8, i16, i32, i64 := untyped(codec.Int8), untyped(codec.Int16), untyped(codec.Int32), untyped(codec.Int64)
	f32, f64 := float(codec.Float32), float(codec.Float64)
	plus := func(c codec.Codec[int16], n int16) codec.Codec[int16] {
		return codec.Map(c,
			func(v int16) (int16, error) { return v - n, nil },
			func(v int16) (int16, error) { return v + n, nil })
	}
	tagOf := func(v any) uint8 { return map[string]uint8{":a": 1, ":b": 2, ":c": 3}[v.([]any)[0].(string)] }
	bodies := map[uint8]codec.Codec[any]{
		1: list{fixed(":a"), i16}, 2: list{fixed(":b"), f32}, 3: list{fixed(":c"), delimitedText("0")},
	}
	tlv := codec.Header(codec.Uint8,
		func(tag uint8) codec.Codec[any] {
			return map[uint8]codec.Codec[any]{1: untyped(codec.Prefixed(codec.Uint16, utf8)), 2: i32}[tag]
		},
		func(v any) uint8 {
			if _, text := v.(string); text {
				return 1
			}
			return 2
		})
	edn := codec.Map(codec.Prefixed(codec.Uint32, utf8),
		func(s string) (any, error) {
			var m map[string]any
			s = strings.NewReplacer("{:", `{"`, " ", `":`).Replace(s)
			err := json.Unmarshal([]byte(s), &m)
			return m, err
		},
		func(v any) (string, error) {
			m := v.(map[string]any)
			return fmt.Sprintf("{:a %v}", m["a"]), nil
		})
	fiveWide := codec.Map(codec.Exactly(5, codec.ASCII),
		func(s string) (float64, error) { return strconv.ParseFloat(s, 64) },
		func(v float64) (string, error) { return fmt.Sprintf("%05g", v), nil })
	inc := codec.Map(codec.Int32,
		func(n int32) (int32, error) { return n - 1, nil }, func(n int32) (int32, error) { return n + 1, nil })
	return map[string]codec.Codec[any]{
		":byte": byte8, ":ubyte": untyped(codec.Uint8),
		":int16": i16, ":int16-le": untyped(codec.Int16LE), ":int16-be": i16,
		":uint16": untyped(codec.Uint16), ":uint16-le": untyped(codec.Uint16LE), ":uint16-be": untyped(codec.Uint16),
		":int24": untyped(codec.Int24), ":int24-le": untyped(codec.Int24LE), ":int24-be": untyped(codec.Int24),
		":uint24-le": untyped(codec.Uint24LE), ":uint24-be": untyped(codec.Uint24),
		":int32": i32, ":int32-be": i32, ":uint32": untyped(codec.Uint32), ":uint32-le": untyped(codec.Uint32LE),
		":int64": i64, ":int64-le": untyped(codec.Int64LE), ":uint64": untyped(codec.Uint64), ":uint64-be": untyped(codec.Uint64),
		":float32": f32, ":float64": f64, ":float64-le": float(codec.Float64LE),
		"[:float32-be nil-frame :float32-le]":                         list{f32, fixed(nil), float(codec.Float32LE)},
		"[:ubyte :uint16-le :uint32 :uint64-be]":                      list{untyped(codec.Uint8), untyped(codec.Uint16LE), untyped(codec.Uint32), untyped(codec.Uint64)},
		"[const :a, :byte, :float64, const :b]":                       list{fixed(":a"), byte8, f64, fixed(":b")},
		`[const "CMD", :byte]`:                                        list{fixed("CMD"), byte8},
		"{:z :byte :a :int16}":                                        fields("a", i16, "z", byte8),
		"{:a :int32 :b {:c {:d :int16}}}":                             fields("a", i32, "b", fields("c", fields("d", i16))),
		"[{:a :int32} {:b [:float64 :float32]}]":                      list{fields("a", i32), fields("b", codec.Codec[any](list{f64, f32}))},
		"{:a :byte :b :byte}":                                         fields("a", byte8, "b", byte8),
		"ordered-map :b :int32 :a :int32":                             fields("b", i32, "a", i32),
		"ordered-map :b :byte":                                        fields("b", byte8),
		"repeated :byte, delimiters [0x40]":                           many(codec.Delimited(codec.ToEnd(byte8), "\x40")),
		"repeated :int32 prefix (prefix :byte)":                       many(codec.Repeated(codec.Int8, i32)),
		"repeated :byte prefix :int32":                                many(codec.Repeated(codec.Int32, byte8)),
		"repeated :byte":                                              many(codec.Repeated(codec.Int32, byte8)),
		"repeated :int16 prefix :byte":                                many(codec.Repeated(codec.Int8, i16)),
		"repeated :byte prefix(:int16 dec inc)":                       many(codec.Repeated(plus(codec.Int16, 1), byte8)),
		"finite-frame :uint32 (string utf-8)":                         untyped(codec.Prefixed(codec.Uint32, utf8)),
		"finite-frame 5 (string utf-8)":                               untyped(codec.Exactly(5, utf8)),
		"finite-block 3":                                              block(codec.Exactly(3, codec.Bytes)),
		"compile-frame :int32 pre=inc post=dec":                       untyped(inc),
		`delimited-block ["\r\n"] strip`:                              block(codec.Delimited(codec.Bytes, "\r\n")),
		`delimited-block ["\r\n"] keep`:                               block(codec.Delimited(codec.Bytes, "\r\n", codec.KeepDelimiter())),
		`delimited-frame ["\r\n"] [:byte :byte]`:                      codec.Delimited(codec.Codec[any](list{byte8, byte8}), "\r\n"),
		`string utf-8 delimiters ["\0"]`:                              delimitedText("\x00"),
		`string utf-8 delimiters ["\n"]`:                              delimitedText("\n"),
		`string utf-8 delimiters ["\r\n" "\r"]`:                       delimitedText("\r\n", codec.Or("\r")),
		"string utf-8":                                                untyped(utf8),
		"string utf-16":                                               untyped(codec.Charset(unicode.UTF16(unicode.BigEndian, unicode.UseBOM))),
		"string iso-8859-1":                                           untyped(codec.Charset(charmap.ISO8859_1)),
		"string ascii":                                                untyped(codec.ASCII),
		"string utf-8 length 3":                                       untyped(codec.Exactly(3, utf8)),
		`string utf-8 suffix ","`:                                     untyped(codec.Suffixed(utf8, ",")),
		`string utf-8 length 3 suffix "z"`:                            untyped(codec.Suffixed(codec.Exactly(3, utf8), "z")),
		"string-integer utf-8 length 2":                               untyped(codec.DecimalWidth[int](2)),
		`string-integer ascii delimiters ["x"]`:                       untyped(codec.Delimited(codec.Decimal[int](), "x")),
		`string-float ascii delimiters ["x"]`:                         float(codec.Delimited(codec.FloatText, "x")),
		"repeated (string-float utf-8 length 5)":                      many(codec.Repeated(codec.Int32, float(fiveWide))),
		"enum :byte a b c":                                            untyped(codec.Enum(codec.Int8, map[string]int8{":a": 0, ":b": 1, ":c": 2})),
		"enum :byte a b":                                              untyped(codec.Enum(codec.Int8, map[string]int8{":a": 0, ":b": 1})),
		"bit-seq 4 4":                                                 bitList(4, 4),
		"bit-seq 6 1 1":                                               bitList(6, 1, 1),
		"bit-seq 1 2 3 ... 15":                                        bitList(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
		"bit-seq 4 3 1":                                               bitList(4, 3, 1),
		"bit-seq 32":                                                  bitList(32),
		"bit-seq 12 12":                                               bitList(12, 12),
		"bit-map :a 4 :b 4":                                           bitMap(4, 4),
		"bit-map :a 7 :b 1":                                           bitMap(7, 1),
		"[:int16 :int16 :int16]":                                      list{i16, i16, i16},
		"[:uint24-be :byte]":                                          list{untyped(codec.Uint24), byte8},
		"[:byte nil-frame]":                                           list{byte8, fixed(nil)},
		"nil-frame":                                                   fixed(nil),
		"{:a :byte :b :float64}":                                      list{byte8, f64},
		"ordered-map a :byte b :int32":                                list{byte8, i32},
		"compile-frame :int32 pre post":                               untyped(inc),
		"finite-frame :int16 ...":                                     untyped(codec.Prefixed(codec.Int16, utf8)),
		"finite-frame (prefix :int16) (repeated :int32 prefix none)":  many(codec.Prefixed(codec.Int16, codec.ToEnd(i32))),
		"finite-frame (prefix :int16 dec inc) (string ascii)":         untyped(codec.Prefixed(plus(codec.Int16, 1), codec.ASCII)),
		`repeated (string utf-8 delimiters ["/n"]) delimiters ["/0"]`: many(codec.Delimited(codec.ToEnd(delimitedText("/n")), "/0")),
		`repeated (string utf-8 delimiters ["\0"])`:                   many(codec.Repeated(codec.Int32, delimitedText("\x00"))),
		`string utf-8 delimiters ["\n"] strip-delimiters? false`:      delimitedText("\n", codec.KeepDelimiter()),
		`[string ascii delim ':', string-integer ascii delim '\n']`:   list{delimitedText(":"), untyped(codec.Delimited(codec.Decimal[int](), "\n"))},
		"header :ubyte 1->(finite-frame :uint16 string) 2->:int32":    tlv,
		"header :byte 1->[const :a,:int16] 2->[const :b,:float32] 3->[const :c,string delim '0']": codec.Header(codec.Uint8,
			func(tag uint8) codec.Codec[any] { return bodies[tag] }, tagOf),
		`string utf-8 delimiters ["\r\n" " "] value->delimiter END->CRLF else space`: untyped(codec.DelimitedBy(utf8,
			func(s string) string {
				if s == "END" {
					return "\r\n"
				}
				return " "
			}, "\r\n", " ")),
		"compile-frame (finite-frame :uint32 (string utf-8)) pre=pr-str post=edn": edn,
		`finite-frame (prefix (string-integer ascii delimiters [":"]) inc dec) (string utf-8 suffix ",")`: untyped(
			codec.Prefixed(codec.Delimited(codec.Decimal[int](), ":"), codec.Suffixed(utf8, ","), codec.Adjust(-1))),
		"[:byte :int16 (finite-block (prefix :int64 n-4, n+4)) (finite-block 3) {:abc (finite-block 3)}]": list{byte8, i16,
			block(codec.Prefixed(codec.Int64, codec.Bytes, codec.Adjust(4))), block(codec.Exactly(3, codec.Bytes)),
			fields("abc", block(codec.Exactly(3, codec.Bytes)))},
	}
}

func TestGlossVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/gloss-vectors.json")
	require.NoError(t, err)
	var vectors []vector
	require.NoError(t, json.Unmarshal(text, &vectors))
	formats, held, seen := glossFormats(), 0, map[string]bool{}
	for _, v := range vectors {
		if v.Kind == "split" {
			require.NoError(t, v.split(t), v.Name)
			held++
			continue
		}
		c, known := formats[v.Format]
		reason, differing := differs[v.Name]
		seen[v.Name] = true
		if v.Name == "string overlapping delimiters" {
			require.Panics(t, func() { codec.Delimited(codec.String, "xy", codec.Or("xyz")) })
			continue
		}
		require.True(t, known, "no codec for %s", v.Format)
		err := v.holds(t, c)
		if differing && reason != "" && !strings.HasSuffix(v.Kind, "-error") {
			assert.Error(t, err, "%s: it holds although it should not: %s", v.Name, reason)
			continue
		}
		if assert.NoError(t, err, v.Name) {
			held++
		}
	}
	for name := range differs {
		require.True(t, seen[name], "no vector is named %s", name)
	}
	require.GreaterOrEqual(t, held, 130)
}

// holds reports how a codec differs from a vector.
func (v *vector) holds(t *testing.T, c codec.Codec[any]) error {
	bytes, err := hex.DecodeString(v.BytesHex)
	require.NoError(t, err)
	value := number(t, v.Value)
	decoded := value
	if v.Decoded != nil {
		decoded = number(t, v.Decoded)
	}
	switch v.Kind {
	case "roundtrip", "encode-only":
		p, err := codec.Marshal(c, value)
		if err != nil {
			return err
		}
		if hex.EncodeToString(p) != v.BytesHex {
			return fmt.Errorf("encoded %x", p)
		}
		if v.Kind == "encode-only" {
			return nil
		}
		return v.decodes(c, bytes, decoded)
	case "decode":
		return v.decodes(c, bytes, decoded)
	case "encode-error":
		if _, err := codec.Marshal(c, value); err == nil {
			return fmt.Errorf("it was encoded")
		}
	case "decode-error":
		if _, err := codec.Unmarshal(c, bytes); err == nil {
			return fmt.Errorf("it was decoded")
		}
	case "decode-all":
		all, err := codec.UnmarshalAll(c, bytes)
		return sameJSON(decoded, all, err)
	case "decode-stream":
		return v.streams(t, c, decoded)
	case "sizeof":
		n, ok := codec.SizeOf(c).Fixed()
		if value == nil {
			if ok {
				return fmt.Errorf("size %d", n)
			}
			return nil
		}
		return sameJSON(value, n, nil)
	default:
		return fmt.Errorf("unknown kind %s", v.Kind)
	}
	return nil
}

func (v *vector) decodes(c codec.Codec[any], p []byte, want any) error {
	got, err := codec.Unmarshal(c, p)
	return sameJSON(want, got, err)
}

func (v *vector) streams(t *testing.T, c codec.Codec[any], want any) error {
	in := codec.Decode(codectest.Chunks(v.chunks(t)...), c)
	all := []any{}
	for got := range in.All(t.Context()) {
		all = append(all, got)
	}
	if err := sameJSON(want, all, nil); err != nil {
		t.Fatalf("%s: %v", v.Name, err) // the values hold; only the end may differ
	}
	return in.Err()
}

func (v *vector) chunks(t *testing.T) (chunks [][]byte) {
	for _, text := range v.ChunksHex {
		p, err := hex.DecodeString(text)
		require.NoError(t, err)
		chunks = append(chunks, p)
	}
	return chunks
}

// split checks that the delimiters of a splitter are found. Its format says which they are and whether they are kept.
func (v *vector) split(t *testing.T) error {
	var delims []string
	list := v.Format[strings.Index(v.Format, "[")+1 : strings.Index(v.Format, "]")]
	for _, text := range strings.Fields(strings.ReplaceAll(list, `"`, "")) {
		p, err := hex.DecodeString(text)
		require.NoError(t, err)
		delims = append([]string{string(p)}, delims...) // the longest is the last
	}
	opts := []codec.DelimitedOption{codec.Or(delims[1:]...)}
	if strings.HasSuffix(v.Format, "strip=false") {
		opts = append(opts, codec.KeepDelimiter())
	}
	var want struct{ Taken, Rest string }
	require.NoError(t, json.Unmarshal(v.Value, &want))
	src := codectest.Chunks(v.chunks(t)...)
	taken, err := codec.Recv(t.Context(), src, codec.Delimited(codec.Bytes, delims[0], opts...))
	if err != nil {
		return err
	}
	rest, err := codec.Recv(t.Context(), src, codec.Bytes)
	if err != nil || want.Taken != hex.EncodeToString(taken) || want.Rest != hex.EncodeToString(rest) {
		return fmt.Errorf("taken %x, rest %x, %w", taken, rest, err)
	}
	return nil
}

// number reads JSON and keeps numbers as they are written.
func number(t *testing.T, text json.RawMessage) (v any) {
	if text == nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	return v
}

// sameJSON compares values as JSON, with numbers as floats: 1.0 equals 1.
func sameJSON(want, got any, err error) error {
	if err != nil {
		return err
	}
	var a, b any
	for v, to := range map[any]*any{&want: &a, &got: &b} {
		text, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(text, to)
		}
		if err != nil {
			return err
		}
	}
	if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
		return fmt.Errorf("want %s, got %s", x, y)
	}
	return nil
}
