package codec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"golang.org/x/text/encoding/charmap"
)

// show prints the bytes of v.
func show[T any](c codec.Codec[T], v T) {
	p, err := codec.Marshal(c, v)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("% x\n", p)
}

// uint24s is a custom codec: numbers of three bytes behind their count, as straight-line code.
type uint24s struct{}

func (uint24s) Append(dst []byte, v []int) ([]byte, error) {
	dst = append(dst, byte(len(v)))
	for _, n := range v {
		dst = append(dst, byte(n>>16), byte(n>>8), byte(n))
	}
	return dst, nil
}

func (uint24s) Decode(r *codec.Reader) ([]int, error) {
	count, err := r.Next(1)
	if err != nil {
		return nil, r.WrapField("count", err)
	}
	v := make([]int, count[0])
	for i := range v {
		p, err := r.Next(3)
		if err != nil {
			return nil, r.WrapField(fmt.Sprintf("[%d]", i), err)
		}
		v[i] = int(p[0])<<16 | int(p[1])<<8 | int(p[2])
	}
	return v, nil
}

func ExampleReader() {
	c := codec.Codec[[]int](uint24s{})
	fmt.Println(codec.Unmarshal(c, []byte{2, 0, 0, 7, 0, 1, 0}))
	_, err := codec.Unmarshal(c, []byte{2, 0, 0, 7, 0, 1})
	fmt.Println(err)
	// Output:
	// [7 256] <nil>
	// codec: [1] at byte 6: unexpected EOF, near 02 00 00 07 00 01 [end]
}

func ExampleAdjust() {
	show(codec.Prefixed(codec.Uint16, codec.String, codec.Adjust(2)), "abc")
	// Output: 00 05 61 62 63
}

func ExampleAligned() {
	show(codec.Aligned(4, codec.Prefixed(codec.Uint8, codec.String)), "hi")
	// Output: 02 68 69 00
}

func ExampleBetween() {
	show(codec.Between(codec.Const("<"), codec.Uint8, codec.Const(">")), 7)
	// Output: 3c 07 3e
}

func ExampleBitField() {
	c := codec.Bits(codec.Uint8,
		codec.BitField("high", 4, func(p *[2]uint8) *uint8 { return &p[0] }),
		codec.BitField("low", 4, func(p *[2]uint8) *uint8 { return &p[1] }))
	show(c, [2]uint8{1, 15})
	// Output: 1f
}

func ExampleBitFlag() {
	c := codec.Bits(codec.Uint8,
		codec.BitFlag("on", func(on *bool) *bool { return on }), codec.SpareBits[bool](7))
	show(c, true)
	// Output: 80
}

func ExampleBits() {
	show(flagsCodec, flags{Version: 5, Urgent: true, Length: 0x123})
	// Output: b1 23
}

func ExampleCOBS() {
	show(codec.COBS(codec.Bytes), []byte{0x11, 0, 0x22})
	// Output: 02 11 02 22 00
}

func ExampleCRC32() {
	show(codec.CRC32(codec.Prefixed(codec.Uint8, codec.String)), "hi")
	// Output: 02 68 69 65 8f 35 2f
}

func ExampleCase() {
	c := codec.OneOf(codec.Uint8,
		codec.Case[any](uint8(1), codec.Uint16), codec.Case[any](uint8(2), codec.Bool))
	show(c, any(true))
	// Output: 02 01
}

func ExampleChecksum() {
	sum := func(p []byte) uint8 {
		n := uint8(0)
		for _, b := range p {
			n ^= b
		}
		return n
	}
	show(codec.Checksum(codec.Uint16, codec.Uint8, sum), 0x0102)
	// Output: 01 02 03
}

func ExampleCompressed() {
	c := codec.Prefixed(codec.Uint16, codec.Compressed(codec.Gzip, codec.String))
	p, _ := codec.Marshal(c, strings.Repeat("weir ", 1000))
	fmt.Println(len(p) < 100)
	s, err := codec.Unmarshal(c, p)
	fmt.Println(len(s), err)
	// Output:
	// true
	// 5000 <nil>
}

func ExampleConst() {
	c := codec.Between(codec.Const("\xca\xfe"), codec.Uint8, nil)
	_, err := codec.Unmarshal(c, []byte("\xca\xff\x07"))
	fmt.Println(err)
	// Output: codec: at byte 1: got "\xca\xff", want "\xca\xfe", near ca [ff] 07
}

func ExampleDecimal() {
	show(codec.Delimited(codec.Decimal[int](), ":"), -12)
	// Output: 2d 31 32 3a
}

func ExampleDecimalWidth() {
	show(codec.DecimalWidth[int](4), -7)
	// Output: 2d 30 30 37
}

func ExampleDelimited() {
	show(codec.Delimited(codec.String, "\r\n"), "hi")
	// Output: 68 69 0d 0a
}

func ExampleDelimitedBy() {
	c := codec.DelimitedBy(codec.String, func(s string) string {
		if s == "END" {
			return "\r\n"
		}
		return " "
	}, "\r\n", " ")
	show(c, "GET")
	show(c, "END")
	// Output:
	// 47 45 54 20
	// 45 4e 44 0d 0a
}

func ExampleEnum() {
	show(codec.Enum(codec.Uint8, map[string]uint8{"low": 1, "high": 9}), "high")
	// Output: 09
}

func ExampleEscape() {
	show(codec.Delimited(codec.String, ",", codec.Escape('\\')), "a,b")
	// Output: 61 5c 2c 62 2c
}

func ExampleExactly() {
	show(codec.Exactly(3, codec.String), "foo")
	// Output: 66 6f 6f
}

func ExampleField() {
	type move struct{ X, Y int8 }
	c := codec.Record(
		codec.Field("x", func(m *move) *int8 { return &m.X }, codec.Int8),
		codec.Field("y", func(m *move) *int8 { return &m.Y }, codec.Int8))
	_, err := codec.Unmarshal(c, []byte{1})
	fmt.Println(err)
	// Output: codec: y at byte 1: unexpected EOF, near 01 [end]
}

func ExampleHeader() {
	number, text := codec.Codec[string](codec.Map(codec.Uint8,
		func(n uint8) (string, error) { return strconv.Itoa(int(n)), nil },
		func(s string) (uint8, error) { n, err := strconv.Atoi(s); return uint8(n), err })), codec.Prefixed(codec.Uint8, codec.String)
	c := codec.Header(codec.Uint8,
		func(tag uint8) codec.Codec[string] { return map[uint8]codec.Codec[string]{1: number, 2: text}[tag] },
		func(s string) uint8 {
			if _, err := strconv.Atoi(s); err == nil {
				return 1
			}
			return 2
		})
	show(c, "7")
	show(c, "hi")
	// Output:
	// 01 07
	// 02 02 68 69
}

func ExampleOptionalTail() {
	c := codec.Prefixed(codec.Uint8, codec.PairOf(codec.Uint8, codec.OptionalTail(codec.Uint8)))
	v, _ := codec.Unmarshal(c, []byte{1, 5})
	fmt.Println(v.First, v.Second)
	// Output: 5 <nil>
}

func ExampleWrapField() {
	fmt.Println(codec.WrapField("header", codec.WrapField("size", codec.ErrTooLarge)))
	// Output: codec: header.size encode: limit exceeded
}

func ExampleKeepDelimiter() {
	c := codec.Delimited(codec.String, "\n", codec.KeepDelimiter())
	s, _ := codec.Unmarshal(c, []byte("a\n"))
	fmt.Printf("%q\n", s)
	// Output: "a\n"
}

func ExampleLimit() {
	_, err := codec.Marshal(codec.Limit(4, codec.Lines), "hello")
	fmt.Println(err)
	// Output: codec: encode: length 6 exceeds the limit of 4
}

func ExampleLiteral() {
	c := codec.Record(
		codec.Literal[uint8](codec.Const("#")),
		codec.Field("n", func(n *uint8) *uint8 { return n }, codec.Uint8))
	show(c, 7)
	// Output: 23 07
}

func ExampleMax() {
	_, err := codec.Marshal(codec.Prefixed(codec.Uint16, codec.String, codec.Max(2)), "abc")
	fmt.Println(err)
	// Output: codec: encode: length 3 exceeds the limit of 2
}

func ExampleNetstring() {
	show(codec.Netstring(codec.String), "abc")
	// Output: 33 3a 61 62 63 2c
}

func ExampleNewDecoder() {
	for v, err := range codec.NewDecoder(strings.NewReader("a\nb\n"), codec.Lines).All() {
		fmt.Println(v, err)
	}
	// Output:
	// a <nil>
	// b <nil>
}

func ExampleNewEncoder() {
	_ = codec.NewEncoder(os.Stdout, codec.Lines).Encode("hello")
	// Output: hello
}

func ExampleNewReader() {
	r := codec.NewReader([]byte{1, 2, 3})
	n, _ := codec.Uint16.Decode(r)
	fmt.Println(n, r.Offset())
	// Output: 258 2
}

func ExampleNewSwitchable() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	_ = a.Out.Send(ctx, []byte("LENGTHS\n\x02hi"))
	c := codec.NewSwitchable(codec.Lines)
	in := codec.Decode(b.In, codec.Codec[string](c))
	fmt.Println(in.Recv(ctx))
	c.Set(codec.Prefixed(codec.Uint8, codec.String))
	fmt.Println(in.Recv(ctx))
	a.Out.Abort(nil)
	// Output:
	// LENGTHS <nil>
	// hi <nil>
}

func ExampleEmpty() {
	fmt.Println(codec.SizeOf(codec.Empty[int]()).Fixed())
	// Output: 0 true
}

func ExampleOneOf() {
	show(shapes, shape(circle(7)))
	show(shapes, shape(square{3}))
	// Output:
	// 01 07
	// 02 00 03
}

func ExampleOptional() {
	n := uint16(7)
	show(codec.Optional(codec.Bool, codec.Uint16), &n)
	show(codec.Optional(codec.Bool, codec.Uint16), nil)
	// Output:
	// 01 00 07
	// 00
}

func ExampleOr() {
	c := codec.Delimited(codec.String, "\r\n", codec.Or("\n"))
	fmt.Println(codec.UnmarshalAll(c, []byte("a\nb\r\n")))
	// Output: [a b] <nil>
}

func ExampleOrEnd() {
	c := codec.Delimited(codec.String, ",", codec.OrEnd())
	fmt.Println(codec.UnmarshalAll(c, []byte("a,b")))
	// Output: [a b] <nil>
}

func ExamplePadded() {
	show(codec.Padded(5, 0, codec.String), "foo")
	// Output: 66 6f 6f 00 00
}

func ExamplePairOf() {
	show(codec.PairOf(codec.Uint16, codec.Uint8), codec.Pair[uint16, uint8]{First: 1, Second: 2})
	// Output: 00 01 02
}

func ExampleRecord() {
	show(pointCodec, point{1, 2, -3})
	// Output: 00 01 02 00 ff ff fd
}

func ExampleRecursive() {
	show(treeCodec, tree{"a", []tree{{Name: "b"}}})
	// Output: 01 61 01 01 62 00
}

func ExampleUnmarshalInto() {
	type point struct{ X, Y uint16 }
	points := codec.Struct[point]()
	p := []byte{0, 1, 0, 2, 0, 3, 0, 4}
	var v point
	for len(p) > 0 {
		n, err := codec.UnmarshalInto(points, p, &v)
		if err != nil {
			break
		}
		fmt.Println(v)
		p = p[n:]
	}
	// Output:
	// {1 2}
	// {3 4}
}

func ExampleMarshalAppend() {
	type point struct{ X, Y uint16 }
	points := codec.Struct[point]()
	var dst []byte
	for _, v := range []point{{1, 2}, {3, 4}} {
		dst, _ = codec.MarshalAppend(points, dst, &v)
	}
	fmt.Println(dst)
	// Output: [0 1 0 2 0 3 0 4]
}

func ExampleRecv() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	_ = a.Out.Send(ctx, []byte("hello\nraw bytes"))
	greeting, _ := codec.Recv(ctx, b.In, codec.Lines)
	rest, _ := b.In.Recv(ctx)
	fmt.Printf("%s, then %s\n", greeting, rest)
	a.Out.Abort(nil)
	// Output: hello, then raw bytes
}

// A handshake in values of one type, then a conversation in values of another: what has arrived with the handshake is
// the beginning of the conversation.
func ExampleRecv_handshake() {
	type hello struct {
		Version uint8
		Name    string `wire:"len=u8"`
	}
	type order struct {
		ID, Quantity uint32
	}
	hellos, orders := codec.Struct[hello](), codec.Struct[order]()
	ctx := context.Background()
	client, server := chanio.Pipe()
	_ = codec.Send(ctx, client.Out, hellos, hello{1, "ann"})
	_ = codec.Frame(client, orders).Out.Send(ctx, order{7, 100})

	who, err := codec.Recv(ctx, server.In, hellos)
	fmt.Println(who.Name, err)
	d := codec.Frame(server, orders)
	fmt.Println(d.In.Recv(ctx))
	client.Out.Abort(nil)
	// Output:
	// ann <nil>
	// {7 100} <nil>
}

func ExampleRepeated() {
	show(codec.Repeated(codec.Uint8, codec.Uint16), []uint16{1, 2})
	// Output: 02 00 01 00 02
}

func ExampleResync() {
	frames := codec.Between(codec.Const("\xca\xfe"), codec.Uint8, nil)
	src := chanio.FromSlice([][]byte{[]byte("noise\xca\xfe\x01\xca\xfe\x02")})
	in := codec.Resync(src, "\xca\xfe", frames, func(n int64, _ error) { fmt.Println("dropped", n) })
	for v := range in.All(context.Background()) {
		fmt.Println(v)
	}
	// Output:
	// dropped 5
	// 1
	// 2
}

func ExampleSLIP() {
	show(codec.SLIP(codec.Bytes), []byte{1, 0xc0, 2})
	// Output: 01 db dc 02 c0
}

func ExampleSend() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	_ = codec.Send(ctx, a.Out, codec.Uint16, 258)
	fmt.Println(b.In.Recv(ctx))
	a.Out.Abort(nil)
	// Output: [1 2] <nil>
}

func ExampleSkip() {
	show(codec.Between(codec.Skip(2), codec.Uint8, nil), 7)
	// Output: 00 00 07
}

func ExampleSpareBits() {
	c := codec.Bits(codec.Uint8,
		codec.SpareBits[uint8](4), codec.BitField("n", 4, func(n *uint8) *uint8 { return n }))
	fmt.Println(codec.Unmarshal(c, []byte{0xf3}))
	// Output: 3 <nil>
}

func ExampleStruct() {
	type header struct {
		_    struct{} `wire:"const=cafe"`
		Kind uint8
		Size uint32 `wire:"bits=24"`
		Name string `wire:"len=u8"`
	}
	show(codec.Struct[header](), header{Kind: 1, Size: 2, Name: "a"})
	// Output: ca fe 01 00 00 02 01 61
}

func ExampleSuffixed() {
	show(codec.Suffixed(codec.Uint8, ";"), 7)
	// Output: 07 3b
}

func ExampleCharset() {
	show(codec.Prefixed(codec.Uint8, codec.Charset(charmap.ISO8859_1)), "h\u00e9")
	// Output: 02 68 e9
}

func ExampleArray() {
	show(codec.Array(2, codec.Uint8), []uint8{7, 8})
	// Output: 07 08
}

func ExampleToEnd() {
	show(codec.Prefixed(codec.Uint8, codec.ToEnd(codec.Uint16)), []uint16{1, 2})
	// Output: 04 00 01 00 02
}

func ExampleUUID() {
	show(codec.UUID[[16]byte](), [16]byte{0xf8, 0x1d})
	// Output: f8 1d 00 00 00 00 00 00 00 00 00 00 00 00 00 00
}

func ExampleUnixTime() {
	at, _ := codec.Unmarshal(codec.UnixTime(codec.Uint32, time.Second), []byte{0x3b, 0x9a, 0xca, 0})
	fmt.Println(at)
	// Output: 2001-09-09 01:46:40 +0000 UTC
}

type QoS uint8

func ExampleAs() {
	show(codec.As[QoS](codec.Uint8), 1)
	// Output: 01
}

func ExampleCRLF() {
	show(codec.Lines.With(codec.CRLF()), "a")
	// Output: 61 0d 0a
}

func ExampleNullable() {
	text := "a"
	show(codec.Nullable(codec.Int16, codec.String), &text)
	show(codec.Nullable(codec.Int16, codec.String), nil)
	show(codec.Nullable(codec.Uvarint, codec.String, codec.Adjust(1)), nil)
	// Output:
	// 00 01 61
	// ff ff
	// 00
}

func ExamplePairBy() {
	bodies := map[uint8]codec.Codec[string]{1: codec.Prefixed(codec.Uint8, codec.String)}
	c := codec.PairBy(codec.Uint8, func(kind uint8) codec.Codec[string] { return bodies[kind] })
	show(c, codec.Pair[uint8, string]{First: 1, Second: "hi"})
	show(c, codec.Pair[uint8, string]{First: 2})
	// Output:
	// 01 02 68 69
	// codec: second encode: no codec for the fields that come before
}

func ExampleSeparated() {
	show(codec.Separated(codec.String, ","), []string{"a", "b"})
	// Output: 61 2c 62
}

func ExampleUntil() {
	show(codec.Until("\r\n", codec.Lines.With(codec.CRLF())), []string{"a", "b"})
	// Output: 61 0d 0a 62 0d 0a 0d 0a
}

func ExampleUnlessBefore() {
	field := codec.Delimited(codec.RawString, "\r\n", codec.UnlessBefore(" \t"))
	fields, err := codec.UnmarshalAll(field, []byte("Subject: long\r\n and folded\r\nTo: you\r\n"))
	fmt.Printf("%q %v\n", fields, err)
	// Output: ["Subject: long\r\n and folded" "To: you"] <nil>
}

func ExampleJSONLines() {
	values, err := codec.UnmarshalAll(codec.JSONLines[[]int](), []byte("[1]\n[2,3]\n"))
	fmt.Println(values, err)
	// Output: [[1] [2 3]] <nil>
}

func ExampleKnownFieldsOnly() {
	_, err := codec.Unmarshal(codec.JSON[struct{ ID int }](codec.KnownFieldsOnly()), []byte(`{"ID":1,"x":2}`))
	fmt.Println(errors.Unwrap(err))
	// Output: json: unknown field "x"
}

func ExampleNoHTMLEscape() {
	p, _ := codec.Marshal(codec.JSON[string](codec.NoHTMLEscape()), "<a>")
	fmt.Printf("%s\n", p)
	// Output: "<a>"
}

func ExampleLittleEndian() {
	type point struct{ X, Y uint16 }
	show(codec.Struct[point](codec.LittleEndian()), point{1, 2})
	// Output: 01 00 02 00
}

func ExampleNewLength() {
	length := codec.NewLength(codec.Uint16, codec.Max(100))
	p, err := length.Append(nil, 5)
	fmt.Printf("% x %v\n", p, err)
	_, err = length.Append(nil, 101)
	fmt.Println(err)
	n, err := length.Decode(codec.NewReader(p))
	fmt.Println(n, err)
	// Output:
	// 00 05 <nil>
	// length 101 exceeds the limit of 100
	// 5 <nil>
}

func ExampleNewStreamReader() {
	ctx := context.Background()
	src := chanio.FromReader(strings.NewReader("GET /a\r\n\r\nGET /b\r\n\r\n"))
	r := codec.NewStreamReader(chanio.BytesOf(src))
	for r.Begin(ctx) == nil {
		n, err := r.Find("\r\n\r\n", 1000)
		if err != nil {
			return
		}
		head, _ := r.Next(n + 4)
		fmt.Printf("%q\n", head[:n])
		r.Commit()
	}
	// Output:
	// "GET /a"
	// "GET /b"
}

type Publish struct {
	QoS     uint8
	ID      uint16
	Payload []byte
}

func ExampleFieldIf() {
	c := codec.Record(
		codec.Field("qos", func(p *Publish) *uint8 { return &p.QoS }, codec.Uint8),
		codec.FieldIf("id", func(p *Publish) *uint16 { return &p.ID }, codec.Uint16, func(p Publish) bool { return p.QoS > 0 }),
		codec.Field("payload", func(p *Publish) *[]byte { return &p.Payload }, codec.Bytes))
	show(c, Publish{QoS: 1, ID: 7, Payload: []byte("a")})
	show(c, Publish{Payload: []byte("a")})
	// Output:
	// 01 00 07 61
	// 00 61
}

func ExampleFieldBy() {
	payloads := map[uint8]codec.Codec[[]byte]{0: codec.Exactly(1, codec.Bytes), 1: codec.Prefixed(codec.Uint8, codec.Bytes)}
	c := codec.Record(
		codec.Field("qos", func(p *Publish) *uint8 { return &p.QoS }, codec.Uint8),
		codec.FieldBy("payload", func(p *Publish) *[]byte { return &p.Payload }, func(p Publish) codec.Codec[[]byte] { return payloads[p.QoS] }))
	show(c, Publish{QoS: 0, Payload: []byte("a")})
	show(c, Publish{QoS: 1, Payload: []byte("a")})
	// Output:
	// 00 61
	// 01 01 61
}

func ExampleFirstByte() {
	get := codec.Between(codec.Const("G"), codec.Lines, nil)
	set := codec.Between(codec.Const("S"), codec.Lines, nil)
	c := codec.FirstByte(
		func(b byte) codec.Codec[string] { return map[byte]codec.Codec[string]{'G': get, 'S': set}[b] },
		func(string) codec.Codec[string] { return get })
	v, err := codec.Unmarshal(codec.Codec[string](c), []byte("Sx\n"))
	fmt.Println(v, err)
	// Output: x <nil>
}

type Unknown struct {
	Tag  uint8
	Body []byte
}

func ExampleDefault() {
	c := codec.OneOf(codec.Uint8,
		codec.Case[any](uint8(1), codec.Uint16),
		codec.Default[any](codec.Bytes,
			func(tag uint8, body []byte) Unknown { return Unknown{tag, body} },
			func(u Unknown) (uint8, []byte) { return u.Tag, u.Body }))
	v, err := codec.Unmarshal(c, []byte{9, 1, 2})
	fmt.Printf("%+v %v\n", v, err)
	show(c, v)
	// Output:
	// {Tag:9 Body:[1 2]} <nil>
	// 09 01 02
}

type Options struct {
	Name    string
	Port    *uint16
	Hosts   []string
	Unknown []codec.UnknownTag[uint8]
}

func ExampleTLV() {
	c := codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
		codec.RequiredTag(uint8(1), "name", func(o *Options) *string { return &o.Name }, codec.String),
		codec.OptionalTag(uint8(2), "port", func(o *Options) **uint16 { return &o.Port }, codec.Uint16),
		codec.RepeatedTag(uint8(3), "host", func(o *Options) *[]string { return &o.Hosts }, codec.String),
		codec.UnknownTags(func(o *Options) *[]codec.UnknownTag[uint8] { return &o.Unknown }))
	show(c, Options{Name: "a", Hosts: []string{"b", "c"}})
	v, err := codec.Unmarshal(c, []byte("\x01\x01a\x09\x02xy"))
	fmt.Printf("%+v %v\n", v.Unknown, err)
	// Output:
	// 01 01 61 03 01 62 03 01 63
	// [{Tag:9 Value:[120 121]}] <nil>
}

func ExampleWideBits() {
	type header struct {
		Version uint8
		ID      uint64
	}
	show(codec.WideBits(
		codec.BitField("version", 4, func(h *header) *uint8 { return &h.Version }),
		codec.BitField("id", 64, func(h *header) *uint64 { return &h.ID }),
		codec.SpareBits[header](4)), header{5, 1})
	// Output: 50 00 00 00 00 00 00 00 10
}
