package codec_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestALengthOfMinusOneIsNone(t *testing.T) {
	a, empty := "a", ""
	pg := codec.Nullable(codec.Int32, codec.String)
	codectest.Vector(t, pg, "00000001 61", &a)
	codectest.Vector(t, pg, "00000000", &empty)
	codectest.Vector(t, pg, "ffffffff", nil)
	codectest.Rejects(t, pg, "fffffffe", codec.ErrMalformed, 0)
	kafka := codec.Nullable(codec.Uvarint, codec.RawString, codec.Adjust(1))
	codectest.Vector(t, kafka, "02 61", &a)
	codectest.Vector(t, kafka, "01", &empty)
	codectest.Vector(t, kafka, "00", nil)
	codectest.Vector(t, codec.Nullable(codec.Varint, codec.String), "01", nil)
	codectest.Rejects(t, codec.Nullable(codec.Int8, codec.String, codec.Max(1)), "02 6161", codec.ErrTooLarge, 0)
	codectest.Vector(t, codec.Nullable(codec.Int8, codec.String, codec.Adjust(-127)), "80", nil)
	panics(t, "an unsigned length cannot be -1", func() { codec.Nullable(codec.Uint32, codec.String) })
	panics(t, "cannot be -1 with Adjust(-128)", func() { codec.Nullable(codec.Int8, codec.String, codec.Adjust(-128)) })
	panics(t, "cannot be -1 with Adjust(-8388608)", func() { codec.Nullable(codec.Int24, codec.String, codec.Adjust(-1<<23)) })
	if math.MaxInt > math.MaxInt32 {
		panics(t, "cannot be -1 with Adjust(-9223372036854775808)", func() { codec.Nullable(codec.Int64, codec.String, codec.Adjust(math.MinInt)) })
	}
	panics(t, "the length cannot be -1", func() {
		codec.Nullable(codec.Map(codec.Uint8, func(n uint8) (int, error) { return int(n), nil }, func(n int) (uint8, error) { return uint8(n), nil }), codec.String)
	})
}

func panics(t *testing.T, text string, build func()) {
	t.Helper()
	defer func() {
		t.Helper()
		require.Contains(t, recover(), text)
	}()
	build()
}

func TestSeparatedHasNoTrailingSeparator(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.Separated(codec.RawString, ","))
	codectest.Vector(t, c, "03 61 2c 62", []string{"a", "b"})
	codectest.Vector(t, c, "00", []string{})
	codectest.Vector(t, c, "02 61 2c", []string{"a", ""})
	codectest.Vector(t, c, "01 2c", []string{"", ""})
	codectest.Refuses(t, c, []string{""}, codec.ErrNoProgress)
	codectest.Refuses(t, c, []string{"a,b"}, codec.ErrMalformed)
	codectest.Refuses(t, codec.Separated(codec.RawString, "--"), []string{"a-", "b"}, codec.ErrMalformed)
	few := codec.Separated(codec.RawString, ",", codec.Max(2))
	codectest.Refuses(t, few, []string{"a", "b", "c"}, codec.ErrTooLarge)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, few), "05 612c622c63", codec.ErrTooLarge, 5)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Separated(codec.Decimal[uint8](), ",")), "03 312c61", codec.ErrMalformed, 3)
}

func TestAFieldSectionIsReadAndWritten(t *testing.T) {
	field := codec.Map(codec.Delimited(codec.RawString, "\r\n", codec.UnlessBefore(" \t")),
		func(s string) (codec.Pair[string, string], error) {
			name, value, ok := strings.Cut(s, ": ")
			if !ok {
				return codec.Pair[string, string]{}, codec.ErrMalformed
			}
			return codec.Pair[string, string]{First: name, Second: value}, nil
		},
		func(p codec.Pair[string, string]) (string, error) { return p.First + ": " + p.Second, nil })
	section := codec.Until("\r\n", field)
	codectest.Vector(t, section, hexOf("\r\n"), []codec.Pair[string, string]{})
	codectest.RoundTrip(t, section, []codec.Pair[string, string]{{First: "From", Second: "a@b"}, {First: "Subject", Second: "folded\r\n  over two lines"}})
	codectest.Rejects(t, section, hexOf("From a\r\n\r\n"), codec.ErrMalformed, 0)
	codectest.Refuses(t, codec.Until("x", codec.Lines), []string{"xyz"}, codec.ErrMalformed)
	codectest.Refuses(t, codec.Until("x", codec.Lines, codec.Max(1)), []string{"a", "b"}, codec.ErrTooLarge)
	codectest.Rejects(t, codec.Until("x", codec.Lines, codec.Max(1)), hexOf("a\nb\nx"), codec.ErrTooLarge, 2)
	panics(t, "end is empty", func() { codec.Until("", codec.Lines) })
}

type options struct {
	Name    string
	Port    *uint16
	Hosts   []string
	Unknown []codec.UnknownTag[uint8]
}

func TestTLVKeepsWhatItDoesNotKnow(t *testing.T) {
	fields := []codec.TagOf[uint8, options]{
		codec.RequiredTag(uint8(1), "name", func(o *options) *string { return &o.Name }, codec.String),
		codec.OptionalTag(uint8(2), "port", func(o *options) **uint16 { return &o.Port }, codec.Uint16),
		codec.RepeatedTag(uint8(3), "host", func(o *options) *[]string { return &o.Hosts }, codec.String),
	}
	strict := codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8), fields...)
	keeping := codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
		append(fields, codec.UnknownTags(func(o *options) *[]codec.UnknownTag[uint8] { return &o.Unknown }))...)
	port := uint16(80)
	for _, c := range []codec.Codec[options]{strict, keeping} {
		codectest.Vector(t, c, "01 01 61", options{Name: "a"})
		codectest.Vector(t, c, "01 01 61 02 02 0050 03 01 62 03 00", options{Name: "a", Port: &port, Hosts: []string{"b", ""}})
		framed := codec.Prefixed(codec.Uint8, c)
		codectest.Decodes(t, framed, codectest.Hex(t, "07 02 02 0050 01 01 61"), options{Name: "a", Port: &port})
		codectest.Rejects(t, framed, "04 02 02 0050", codec.ErrMismatch, 5)
		codectest.Rejects(t, framed, "06 01 01 61 01 01 62", codec.ErrMismatch, 4)
		codectest.Rejects(t, framed, "05 02 03 005000", codec.ErrTrailingData, 5)
		codectest.Rejects(t, framed, "03 01 05 61", io.ErrUnexpectedEOF, 3)
	}
	codectest.Rejects(t, strict, "07 00", codec.ErrMismatch, 0)
	codectest.Vector(t, keeping, "01 00 07 02 0102", options{Unknown: []codec.UnknownTag[uint8]{{Tag: 7, Value: []byte{1, 2}}}})
	codectest.Refuses(t, keeping, options{Unknown: []codec.UnknownTag[uint8]{{Tag: 1}}}, codec.ErrMismatch)
	codectest.Refuses(t, keeping, options{Name: strings.Repeat("x", 256)}, codec.ErrTooLarge)

	type props struct{ Expiry *uint32 }
	mqtt := codec.TLV(codec.Uint8, nil, codec.OptionalTag(uint8(2), "expiry", func(p *props) **uint32 { return &p.Expiry }, codec.Uint32))
	expiry := uint32(5)
	codectest.Vector(t, codec.Prefixed(codec.MQTTVarint, mqtt), "05 02 00000005", props{&expiry})
	panics(t, "takes all bytes", func() { codec.TLV(codec.Uint8, nil, fields[0]) })
	panics(t, "duplicate tag", func() { codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8), fields[0], fields[0]) })
	panics(t, "only with a length", func() {
		codec.TLV(codec.Uint8, nil, codec.UnknownTags(func(o *options) *[]codec.UnknownTag[uint8] { return &o.Unknown }))
	})
	panics(t, "was not made by", func() { codec.TLV(codec.Uint8, nil, codec.TagOf[uint8, options]{}) })
	panics(t, "1 to 64", func() { codec.TLV[uint8, options](codec.Uint8, nil) })
}

type unknownShape struct {
	Tag  uint8
	Body []byte
}

var _ interface{ area() float64 } = unknownShape{}

func (unknownShape) area() float64 { return 0 }

func TestADefaultKeepsWhatNoCaseHas(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.OneOf(codec.Uint8,
		codec.Case[any](uint8(1), codec.Uint16),
		codec.Default[any](codec.Bytes,
			func(tag uint8, p []byte) unknownShape { return unknownShape{tag, p} },
			func(u unknownShape) (uint8, []byte) { return u.Tag, u.Body })))
	codectest.Vector[any](t, c, "03 01 0007", uint16(7))
	codectest.Vector[any](t, c, "03 09 0007", unknownShape{9, []byte{0, 7}})
	codectest.Refuses[any](t, c, unknownShape{Tag: 1}, codec.ErrMismatch)
	codectest.Refuses[any](t, c, "text", codec.ErrMismatch)
	one := codec.Default[any](codec.Bytes, func(tag uint8, p []byte) unknownShape { return unknownShape{tag, p} },
		func(u unknownShape) (uint8, []byte) { return u.Tag, u.Body })
	panics(t, "more than one Default", func() { codec.OneOf(codec.Uint8, one, one) })
}

type publish struct {
	Flags   uint8
	ID      uint16
	Kind    uint8
	Payload string
}

func TestFieldsDependOnThoseBefore(t *testing.T) {
	bodies := map[uint8]codec.Codec[string]{1: codec.String, 2: codec.Prefixed(codec.Uint16, codec.String)}
	c := codec.Record(
		codec.Field("flags", func(p *publish) *uint8 { return &p.Flags }, codec.Uint8),
		codec.FieldIf("id", func(p *publish) *uint16 { return &p.ID }, codec.Uint16, func(p publish) bool { return p.Flags&1 != 0 }),
		codec.Field("kind", func(p *publish) *uint8 { return &p.Kind }, codec.Uint8),
		codec.FieldBy("payload", func(p *publish) *string { return &p.Payload }, func(p publish) codec.Codec[string] { return bodies[p.Kind] }))
	framed := codec.Prefixed(codec.Uint8, c)
	codectest.Vector(t, framed, "05 01 0007 01 61", publish{1, 7, 1, "a"})
	codectest.Vector(t, framed, "05 00 02 0001 61", publish{0, 0, 2, "a"})
	codectest.Refuses(t, framed, publish{0, 7, 1, "a"}, codec.ErrMalformed)
	codectest.Refuses(t, framed, publish{Kind: 9}, codec.ErrMismatch)
	codectest.Rejects(t, framed, "02 00 09", codec.ErrMismatch, 3)
	list := codec.Repeated(codec.Uint8, c)
	codectest.RoundTrip(t, list, []publish{{0, 0, 2, "a"}, {1, 7, 2, "b"}})
	codectest.Refuses(t, list, []publish{{0, 0, 1, "open"}}, codec.ErrMalformed)
	codectest.Rejects(t, list, "01 00 01 61", codec.ErrMalformed, 3)
	nested := codec.Record(
		codec.Field("before", func(p *codec.Pair[uint8, publish]) *uint8 { return &p.First }, codec.Uint8),
		codec.Field("inner", func(p *codec.Pair[uint8, publish]) *publish { return &p.Second }, c))
	codectest.Vector(t, codec.Prefixed(codec.Uint8, nested), "06 ff 01 0007 01 61", codec.Pair[uint8, publish]{First: 255, Second: publish{1, 7, 1, "a"}})
	middle := codec.Record(
		codec.FieldBy("payload", func(p *publish) *string { return &p.Payload }, func(p publish) codec.Codec[string] { return codec.String }),
		codec.Field("kind", func(p *publish) *uint8 { return &p.Kind }, codec.Uint8))
	codectest.Refuses(t, middle, publish{}, codec.ErrMalformed)
}

type growing struct {
	A    uint8
	B, C *uint8
	Rest []byte
}

func TestARecordEndsInSeveralOptionalFields(t *testing.T) {
	tail := codec.OptionalTail(codec.Uint8)
	c := codec.Prefixed(codec.Uint8, codec.Record(
		codec.Field("a", func(g *growing) *uint8 { return &g.A }, codec.Uint8),
		codec.Field("b", func(g *growing) **uint8 { return &g.B }, tail),
		codec.Field("c", func(g *growing) **uint8 { return &g.C }, tail),
		codec.Field("rest", func(g *growing) *[]byte { return &g.Rest }, codec.Bytes)))
	two, three := uint8(2), uint8(3)
	none := []byte{}
	codectest.Vector(t, c, "01 01", growing{A: 1, Rest: none})
	codectest.Vector(t, c, "02 01 02", growing{A: 1, B: &two, Rest: none})
	codectest.Vector(t, c, "05 01 02 03 04 05", growing{1, &two, &three, []byte{4, 5}})
	codectest.Refuses(t, c, growing{A: 1, C: &three}, codec.ErrMalformed)
	codectest.Refuses(t, c, growing{A: 1, Rest: []byte{1}}, codec.ErrMalformed)
	panics(t, "follows an OptionalTail", func() {
		codec.Record(codec.Field("b", func(g *growing) **uint8 { return &g.B }, tail), codec.Field("a", func(g *growing) *uint8 { return &g.A }, codec.Uint8))
	})
}

type (
	qos   uint8
	topic string
)

func TestAsNamesTypes(t *testing.T) {
	codectest.Vector(t, codec.As[qos](codec.Uint8), "01", qos(1))
	codectest.Vector(t, codec.Prefixed(codec.As[qos](codec.Uint8), codec.As[topic](codec.String)), "02 6869", topic("hi"))
	type message struct {
		QoS   qos
		Topic topic
	}
	c := codec.Record(
		codec.Field("qos", func(m *message) *qos { return &m.QoS }, codec.As[qos](codec.Uint8)),
		codec.Field("topic", func(m *message) *topic { return &m.Topic }, codec.As[topic](codec.Prefixed(codec.Uint8, codec.String))))
	codectest.Vector(t, c, "02 01 61", message{2, "a"})
	codectest.Refuses(t, c, message{2, "\xff"}, codec.ErrMalformed)
	panics(t, "differ in more than their names", func() { codec.As[qos](codec.Uint16) })
	panics(t, "differ in more than their names", func() { codec.As[topic](codec.Bytes) })
}

func TestABodySeesItsHeader(t *testing.T) {
	short := codec.Prefixed(codec.Uint8, codec.String)
	c := codec.PairBy(codec.Uint8, func(kind uint8) codec.Codec[string] {
		return map[uint8]codec.Codec[string]{1: short, 2: codec.String}[kind]
	})
	codectest.Vector(t, c, "01 02 6869", codec.Pair[uint8, string]{First: 1, Second: "hi"})
	codectest.Vector(t, codec.Prefixed(codec.Uint8, c), "03 02 6869", codec.Pair[uint8, string]{First: 2, Second: "hi"})
	codectest.Refuses(t, c, codec.Pair[uint8, string]{First: 9}, codec.ErrMismatch)
	codectest.Rejects(t, c, "09", codec.ErrMismatch, 1)
	codectest.Refuses(t, codec.Aligned(4, c), codec.Pair[uint8, string]{First: 2}, codec.ErrMalformed)

	b := func(first string) codec.Codec[string] {
		return codec.Between(codec.Const(first), short, nil)
	}
	get, set := b("g"), b("s")
	choice := codec.FirstByte(
		func(b byte) codec.Codec[string] { return map[byte]codec.Codec[string]{'g': get, 's': set}[b] },
		func(v string) codec.Codec[string] {
			if v == "none" {
				return nil
			} else if v == "strange" {
				return b("x")
			}
			return get
		})
	codectest.Vector(t, choice, "67 01 61", "a")
	codectest.Decodes(t, choice, []byte("s\x01a"), "a")
	codectest.Rejects(t, choice, "68", codec.ErrMismatch, 0)
	codectest.Refuses(t, choice, "none", codec.ErrMismatch)
	codectest.Refuses(t, choice, "strange", codec.ErrMismatch)
}

func TestJSONLinesAndTheOptionsOfJSON(t *testing.T) {
	c := codec.JSONLines[[]int]()
	codectest.Vector(t, c, hexOf("[1,2]\n"), []int{1, 2})
	src := codec.Decode(codectest.Chunks([]byte("[1]\r\n[2]\n[3]")), c)
	for i := 1; i <= 3; i++ {
		v, err := src.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{i}, v)
	}
	_, err := codec.Marshal(codec.JSONLines[string](codec.Max(3)), "abc")
	require.ErrorIs(t, err, codec.ErrTooLarge)
	codectest.Vector(t, codec.JSON[string](codec.NoHTMLEscape()), hexOf(`"<&>"`), "<&>")
	codectest.Vector(t, codec.JSON[string](), hexOf(`"\u003c"`), "<")
	strict := codec.Prefixed(codec.Uint8, codec.JSON[order](codec.KnownFieldsOnly()))
	codectest.RoundTrip(t, strict, order{ID: 7})
	for text, kind := range map[string]error{`{"id":1}x`: codec.ErrTrailingData, `{"id":`: codec.ErrMalformed, `{"id":1,"other":2}`: nil} {
		_, err := codec.Unmarshal(strict, append([]byte{byte(len(text))}, text...))
		require.Error(t, err, text)
		if kind != nil {
			require.ErrorIs(t, err, kind, text)
		}
	}
}

func TestStructInLittleEndian(t *testing.T) {
	type v struct {
		A uint16
		B uint16               `wire:"be"`
		C int32                `wire:"bits=24"`
		S string               `wire:"len=u16"`
		T []byte               `wire:"len=u16be"`
		U []struct{ X uint16 } `wire:"count=u8"`
	}
	codectest.Vector(t, codec.Struct[v](codec.LittleEndian()), "0100 0001 feffff 0100 61 0001 62 01 0200",
		v{1, 1, -2, "a", []byte("b"), []struct{ X uint16 }{{2}}})
}

func TestWideBits(t *testing.T) {
	type v struct {
		Version uint8
		ID      uint64
		Flag    bool
	}
	c := codec.WideBits(codec.BitField("version", 4, func(x *v) *uint8 { return &x.Version }),
		codec.BitField("id", 64, func(x *v) *uint64 { return &x.ID }), codec.BitFlag("flag", func(x *v) *bool { return &x.Flag }), codec.SpareBits[v](3))
	codectest.Vector(t, c, "5000000000000000 18", v{5, 1, true})
	codectest.RoundTrip(t, c, v{15, 1<<64 - 1, false})
	codectest.Refuses(t, c, v{16, 0, false}, codec.ErrTooLarge)
	panics(t, "fill up with SpareBits", func() { codec.WideBits(codec.BitFlag("flag", func(x *v) *bool { return &x.Flag })) })
}

func TestARecordWithATailOfBytesIsWrittenWithoutCopyingIt(t *testing.T) {
	type v struct {
		ID   uint32
		Body []byte
	}
	body := bytes.Repeat([]byte("x"), 100_000)
	id := codec.Field("id", func(x *v) *uint32 { return &x.ID }, codec.Uint32)
	for _, c := range []codec.Codec[v]{
		codec.Record(id, codec.Field("body", func(x *v) *[]byte { return &x.Body }, codec.Bytes)),
		codec.Record(id, codec.Field("body", func(x *v) *[]byte { return &x.Body }, codec.Prefixed(codec.Uint32, codec.Bytes))),
		codec.Prefixed(codec.Uint32, codec.Record(id, codec.Field("body", func(x *v) *[]byte { return &x.Body }, codec.Bytes))),
		codec.Limit(1<<20, codec.Map(codec.Record(id, codec.Field("body", func(x *v) *[]byte { return &x.Body }, codec.Bytes)), unchanged[v], unchanged[v])),
		codec.Limit(1<<20, codec.Codec[v](codec.NewSwitchable(codec.Header(codec.Uint8, func(uint8) codec.Codec[v] {
			return codec.Record(id, codec.Field("body", func(x *v) *[]byte { return &x.Body }, codec.Bytes))
		}, func(v) uint8 { return 1 })))),
	} {
		head, tail, err := c.(codec.BodyCodec[v]).AppendHead(nil, v{7, body})
		require.NoError(t, err)
		require.Less(t, len(head), 20)
		require.True(t, &tail[0] == &body[0], "the body was copied")
		whole, err := c.Append(nil, v{7, body})
		require.NoError(t, err)
		require.Equal(t, whole, append(head, tail...))
	}
}

func TestAStreamReaderLendsWhatStaysValidUntilCommit(t *testing.T) {
	text := "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"
	var chunks [][]byte
	for range 3 {
		for i := range text {
			chunks = append(chunks, []byte{text[i]})
		}
	}
	for name, src := range map[string]*chanio.Source[[]byte]{
		"chunks": chanio.FromSlice(chunks), "whole": codectest.Chunks([]byte(strings.Repeat(text, 3))),
		"buffer": chanio.FromReader(iotest.OneByteReader(strings.NewReader(strings.Repeat(text, 3)))),
	} {
		r := codec.NewStreamReader(chanio.BytesOf(src))
		for range 3 {
			require.NoError(t, r.Begin(t.Context()), name)
			line, err := r.ReadUntil('\n', 100)
			require.NoError(t, err)
			n, err := r.Find("\r\n\r\n", 100)
			require.NoError(t, err)
			rest, err := r.Next(n + 4)
			require.NoError(t, err)
			body, err := r.Next(4)
			require.NoError(t, err)
			require.Equal(t, []string{"GET / HTTP/1.1\r\n", "Host: a\r\n\r\n", "body"}, []string{string(line), string(rest), string(body)}, name)
			r.Commit()
		}
		require.Equal(t, io.EOF, r.Begin(t.Context()), name)
	}
	panics(t, "not from NewStreamReader", func() { _ = codec.NewReader(nil).Begin(t.Context()) })
}

func TestAStreamReaderBeginsAnewWhatWasNotCommitted(t *testing.T) {
	r := codec.NewStreamReader(chanio.BytesOf(codectest.Chunks([]byte("ab"), bytes.Repeat([]byte("c"), 50_000))))
	for range 2 {
		require.NoError(t, r.Begin(t.Context()))
		head, err := r.Next(2)
		require.NoError(t, err)
		body, err := r.Bytes(50_000)
		require.NoError(t, err)
		require.Equal(t, "ab", string(head))
		require.Len(t, body, 50_000)
	}
	r.Commit()
	require.Equal(t, io.EOF, r.Begin(t.Context()))
}

// cancelledBeforeLast is a Source of pieces that cancels ctx instead of returning the last piece to it.
func cancelledBeforeLast(ctx context.Context, cancel func(), pieces ...[]byte) *chanio.Source[[]byte] {
	return chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(now context.Context) ([]byte, error) {
		if now == ctx && len(pieces) == 1 {
			cancel()
			return nil, now.Err()
		}
		if len(pieces) == 0 {
			return nil, io.EOF
		}
		p := pieces[0]
		pieces = pieces[1:]
		return p, nil
	}})
}

// TestAMessageMayEndBeforeALargeBodyReadInVain commits the head of a message of which a large body was read before, in
// part or whole.
func TestAMessageMayEndBeforeALargeBodyReadInVain(t *testing.T) {
	for _, cut := range []int{5_000, 20_000} {
		ctx, cancel := context.WithCancel(t.Context())
		pieces := [][]byte{append([]byte("ab"), bytes.Repeat([]byte("c"), cut)...), append(bytes.Repeat([]byte("c"), 20_000-cut), 'd')}
		r := codec.NewStreamReader(chanio.BytesOf(cancelledBeforeLast(ctx, cancel, pieces...)))
		require.NoError(t, r.Begin(ctx))
		require.NoError(t, r.Skip(2))
		_, err := r.Bytes(20_000)
		if cut < 20_000 {
			require.ErrorIs(t, err, context.Canceled)
		} else {
			require.NoError(t, err)
		}
		cancel()

		require.NoError(t, r.Begin(t.Context()))
		head, err := r.Next(2)
		require.NoError(t, err)
		require.Equal(t, "ab", string(head))
		r.Commit()

		require.NoError(t, r.Begin(t.Context()))
		require.EqualValues(t, 2, r.Offset())
		body, err := r.Text(20_000)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("c", 20_000), body)
		r.Commit()
		require.NoError(t, r.Begin(t.Context()))
		last, err := r.Uint8()
		require.NoError(t, err)
		require.EqualValues(t, 'd', last)
		r.Commit()
		require.Equal(t, io.EOF, r.Begin(t.Context()))
	}
}

// TestASwitchToACodecOfTheHeadLeavesALargeBody is [TestAMessageMayEndBeforeALargeBodyReadInVain] for a Source.
func TestASwitchToACodecOfTheHeadLeavesALargeBody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pieces := [][]byte{append([]byte{0, 0, 0x4e, 0x20}, make([]byte, 5_000)...), make([]byte, 15_000)}
	all := codec.Map(codec.Prefixed(codec.Uint32, codec.Bytes),
		func(p []byte) (int, error) { return len(p), nil }, func(n int) ([]byte, error) { return make([]byte, n), nil })
	head := codec.Map(codec.Uint32,
		func(n uint32) (int, error) { return int(n), nil }, func(n int) (uint32, error) { return uint32(n), nil })
	body := codec.Map(codec.Exactly(20_000, codec.Bytes),
		func(p []byte) (int, error) { return len(p), nil }, func(n int) ([]byte, error) { return make([]byte, n), nil })
	c := codec.NewSwitchable(all)
	in := codec.Decode(cancelledBeforeLast(ctx, cancel, pieces...), c)
	_, err := in.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	for _, next := range []codec.Codec[int]{head, body} {
		c.Set(next)
		n, err := in.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 20_000, n)
	}
	_, err = in.Recv(t.Context())
	require.Equal(t, io.EOF, err)
}
