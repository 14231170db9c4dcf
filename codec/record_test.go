package codec_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// trade has 12 fields, two of them text.
type trade struct {
	ID       uint64
	Account  uint32
	Side     uint8
	Urgent   bool
	Price    float64
	Quantity int64
	Venue    uint16
	Flags    uint16
	Filled   int32
	Symbol   string
	Sequence uint32
	Client   string
}

var tradeCodec = codec.Record(
	codec.Field("id", func(t *trade) *uint64 { return &t.ID }, codec.Uint64),
	codec.Field("account", func(t *trade) *uint32 { return &t.Account }, codec.Uint32),
	codec.Field("side", func(t *trade) *uint8 { return &t.Side }, codec.Uint8),
	codec.Field("urgent", func(t *trade) *bool { return &t.Urgent }, codec.Bool),
	codec.Field("price", func(t *trade) *float64 { return &t.Price }, codec.Float64),
	codec.Field("quantity", func(t *trade) *int64 { return &t.Quantity }, codec.Int64),
	codec.Field("venue", func(t *trade) *uint16 { return &t.Venue }, codec.Uint16),
	codec.Field("flags", func(t *trade) *uint16 { return &t.Flags }, codec.Uint16LE),
	codec.Field("filled", func(t *trade) *int32 { return &t.Filled }, codec.Int32),
	codec.Field("symbol", func(t *trade) *string { return &t.Symbol }, codec.Prefixed(codec.Uint8, codec.RawString)),
	codec.Field("sequence", func(t *trade) *uint32 { return &t.Sequence }, codec.Uint32),
	codec.Field("client", func(t *trade) *string { return &t.Client }, codec.Prefixed(codec.Uint16, codec.RawString)),
)

var aTrade = trade{1, 2, 3, true, 1.5, -5, 6, 7, -8, "ACME", 9, "client one"}

// byHand is the same frame with encoding/binary.
func appendByHand(dst []byte, t *trade) []byte {
	dst = binary.BigEndian.AppendUint64(dst, t.ID)
	dst = binary.BigEndian.AppendUint32(dst, t.Account)
	dst = append(dst, t.Side)
	if t.Urgent {
		dst = append(dst, 1)
	} else {
		dst = append(dst, 0)
	}
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(t.Price))
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Quantity))
	dst = binary.BigEndian.AppendUint16(dst, t.Venue)
	dst = binary.LittleEndian.AppendUint16(dst, t.Flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Filled))
	dst = append(dst, byte(len(t.Symbol)))
	dst = append(dst, t.Symbol...)
	dst = binary.BigEndian.AppendUint32(dst, t.Sequence)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(t.Client)))
	return append(dst, t.Client...)
}

func decodeByHand(p []byte, t *trade) (n int, err error) {
	if len(p) < 39 {
		return 0, io.ErrUnexpectedEOF
	}
	t.ID = binary.BigEndian.Uint64(p)
	t.Account = binary.BigEndian.Uint32(p[8:])
	t.Side = p[12]
	t.Urgent = p[13] != 0
	t.Price = math.Float64frombits(binary.BigEndian.Uint64(p[14:]))
	t.Quantity = int64(binary.BigEndian.Uint64(p[22:]))
	t.Venue = binary.BigEndian.Uint16(p[30:])
	t.Flags = binary.LittleEndian.Uint16(p[32:])
	t.Filled = int32(binary.BigEndian.Uint32(p[34:]))
	at, size := 39, int(p[38])
	if len(p) < at+size+6 {
		return 0, io.ErrUnexpectedEOF
	}
	t.Symbol = string(p[at : at+size])
	at += size
	t.Sequence = binary.BigEndian.Uint32(p[at:])
	size = int(binary.BigEndian.Uint16(p[at+4:]))
	at += 6
	if len(p) < at+size {
		return 0, io.ErrUnexpectedEOF
	}
	t.Client = string(p[at : at+size])
	return at + size, nil
}

func TestRecordHasItsBytes(t *testing.T) {
	p, err := codec.Marshal(tradeCodec, aTrade)
	require.NoError(t, err)
	require.Equal(t, appendByHand(nil, &aTrade), p)
	codectest.RoundTrip(t, tradeCodec, aTrade, trade{}, trade{Client: strings.Repeat("x", 3000)})
}

func TestRecordAllocatesNothing(t *testing.T) {
	require.Zero(t, allocs(t, tradeCodec, aTrade))
}

func TestRecordSaysWhichField(t *testing.T) {
	p, err := codec.Marshal(tradeCodec, aTrade)
	require.NoError(t, err)
	for at, name := range map[int]string{0: "id", 7: "id", 8: "account", 12: "side", 37: "filled", 38: "symbol.length", 41: "symbol", 43: "sequence", 48: "client.length", 50: "client"} {
		_, err := codec.Unmarshal(tradeCodec, p[:at])
		var wrong *codec.Error
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, name, wrong.Path, at)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, tradeCodec), append([]byte{byte(at)}, p...))
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, name, wrong.Path, at)
	}
	p[13] = 2
	_, err = codec.Unmarshal(tradeCodec, p)
	require.ErrorContains(t, err, "codec: urgent at byte 13: invalid bool 2")
	_, err = codec.Marshal(tradeCodec, trade{Symbol: strings.Repeat("x", 256)})
	require.ErrorContains(t, err, "codec: symbol encode: length 256 exceeds the limit of 255")
}

type segment struct {
	From, To point
	Tags     []string
	Weight   uint32
}

type point struct {
	X, Y int16
	Z    int32
}

var pointCodec = codec.Record(
	codec.Field("x", func(p *point) *int16 { return &p.X }, codec.Int16),
	codec.Field("y", func(p *point) *int16 { return &p.Y }, codec.Int16LE),
	codec.Field("z", func(p *point) *int32 { return &p.Z }, codec.Int24),
)

var segmentCodec = codec.Record(
	codec.Literal[segment](codec.Const("SEG")),
	codec.Field("from", func(s *segment) *point { return &s.From }, pointCodec),
	codec.Field("to", func(s *segment) *point { return &s.To }, pointCodec),
	codec.Field("tags", func(s *segment) *[]string { return &s.Tags }, codec.Repeated(codec.Uint8, codec.Prefixed(codec.Uint8, codec.String))),
	codec.Literal[segment](codec.Skip(2)),
	codec.Field("weight", func(s *segment) *uint32 { return &s.Weight }, codec.Uint24LE),
)

func TestRecordsNest(t *testing.T) {
	v := segment{point{1, 2, -3}, point{4, 5, 6}, []string{"a", "bc"}, 7}
	codectest.Vector(t, segmentCodec, "534547 0001 0200 fffffd 0004 0500 000006 02 0161 026263 0000 070000", v)
	_, err := codec.Marshal(segmentCodec, segment{To: point{Z: 1 << 23}})
	require.ErrorContains(t, err, "codec: to.z encode: 8388608 does not fit 24 bits")
	p, err := codec.Marshal(segmentCodec, v)
	require.NoError(t, err)
	p[19] = 0xff
	_, err = codec.Unmarshal(segmentCodec, p)
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "tags[0]", wrong.Path)
}

func TestG4ARecordRefusesWhatItCannotCompile(t *testing.T) {
	type inner struct{ N uint8 }
	type outer struct {
		P *inner
		V uint8
	}
	require.PanicsWithValue(t, `codec: Field: the accessor of "n" must return a pointer into the codec_test.outer it is given, such as func(v *T) *F { return &v.F }; use Map for anything else`, func() {
		codec.Field("n", func(o *outer) *uint8 { return &o.P.N }, codec.Uint8)
	})
	other := new(uint8)
	require.Panics(t, func() { codec.Field("n", func(*outer) *uint8 { return other }, codec.Uint8) })
	require.Panics(t, func() { codec.Record[outer]() })
	require.Panics(t, func() {
		codec.Record(
			codec.Field("text", func(p *trade) *string { return &p.Symbol }, codec.String),
			codec.Field("side", func(p *trade) *uint8 { return &p.Side }, codec.Uint8))
	})
}

// TestRecordsSurviveAMovingStack encodes and decodes at every depth of a small stack, so that the stack grows and moves
// at every point of the work.
func TestRecordsSurviveAMovingStack(t *testing.T) {
	v := tree{"a", []tree{{"b", []tree{}}}}
	frame, err := codec.Marshal(treeCodec, v)
	require.NoError(t, err)
	for depth := range 300 {
		done := make(chan [2]bool)
		go func() {
			var good [2]bool
			atDepth(depth, func() {
				got, err := codec.UnmarshalAll(treeCodec, frame)
				good[0] = err == nil && reflect.DeepEqual([]tree{v}, got)
			})
			atDepth(depth, func() {
				p, err := codec.Marshal(treeCodec, v)
				good[1] = err == nil && bytes.Equal(p, frame)
			})
			atDepth(depth, func() {
				framed := codec.Prefixed(codec.Uint8, codec.Map(tradeCodec, grow, grow))
				p, err := codec.Marshal(framed, aTrade)
				got, again := codec.Unmarshal(framed, p)
				good[1] = good[1] && err == nil && again == nil && got == aTrade
			})
			done <- good
		}()
		require.Equal(t, [2]bool{true, true}, <-done, depth)
	}
}

// grow uses some stack.
func grow(v trade) (trade, error) {
	return v, map[byte]error{1: io.EOF}[atDepth(40, func() {})]
}

//go:noinline
func atDepth(n int, f func()) byte {
	var pad [48]byte
	if n == 0 {
		f()
		return pad[0]
	}
	pad[n%48] = 1
	return atDepth(n-1, f) + pad[n%7]
}

// pile has runs of adjacent numbers of each width, and pileLE has the same in little-endian order.
type pile struct {
	A [5]uint16
	B [3]uint32
	C [9]uint8
	D [3]int16
	E uint64
	F [2]float64
	G [4]int8
	H int32
	I [4]uint16
	J float32
}

type pileLE struct {
	A [5]uint16 `wire:"le"`
	B [3]uint32 `wire:"le"`
	C [9]uint8
	D [3]int16   `wire:"le"`
	E uint64     `wire:"le"`
	F [2]float64 `wire:"le"`
	G [4]int8
	H int32     `wire:"le"`
	I [4]uint16 `wire:"le"`
	J float32   `wire:"le"`
}

// TestNumbersMoveTogetherAsTheyDoAlone compares the result with encoding/binary.
func TestNumbersMoveTogetherAsTheyDoAlone(t *testing.T) {
	p := make([]byte, binary.Size(pile{}))
	for i := range p {
		p[i] = byte(7*i + 1)
	}
	var want pile
	_, err := binary.Decode(p, binary.BigEndian, &want)
	require.NoError(t, err)
	got, err := codec.Unmarshal(codec.Struct[pile](), p)
	require.NoError(t, err)
	require.Equal(t, want, got)
	codectest.RoundTrip(t, codec.Struct[pile](), want)
	back, err := codec.Marshal(codec.Struct[pile](), want)
	require.NoError(t, err)
	require.Equal(t, p, back)

	_, err = binary.Decode(p, binary.LittleEndian, &want)
	require.NoError(t, err)
	gotLE, err := codec.Unmarshal(codec.Struct[pileLE](), p)
	require.NoError(t, err)
	require.Equal(t, want, pile(gotLE))
	back, err = codec.Marshal(codec.Struct[pileLE](), gotLE)
	require.NoError(t, err)
	require.Equal(t, p, back)
}

// TestRecordsInPlaceAreThoseByValue compares the functions that take a pointer with those that take a value.
func TestRecordsInPlaceAreThoseByValue(t *testing.T) {
	frame, err := codec.Marshal(tradeCodec, aTrade)
	require.NoError(t, err)
	for _, c := range []codec.Codec[trade]{tradeCodec, codec.Exactly(len(frame), tradeCodec)} {
		p, err := codec.MarshalAppend(c, []byte("> "), &aTrade)
		require.NoError(t, err)
		require.Equal(t, "> "+string(frame), string(p))
		var v trade
		n, err := codec.UnmarshalInto(c, append(frame, 1), &v)
		require.NoError(t, err)
		require.Equal(t, len(frame), n)
		require.Equal(t, aTrade, v)
		for cut := range frame {
			_, err = codec.UnmarshalInto(c, frame[:cut], &v)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
	_, err = codec.MarshalAppend(tradeCodec, nil, &trade{Symbol: strings.Repeat("x", 256)})
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestRecordsOfASliceAllocateNothing(t *testing.T) {
	c := codec.Struct[pile]()
	p, err := codec.Marshal(c, pile{})
	require.NoError(t, err)
	var v pile
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err = codec.UnmarshalInto(c, p, &v); err == nil {
			p, err = codec.MarshalAppend(c, p[:0], &v)
		}
		if v, err = codec.Unmarshal(c, p); err == nil {
			p, err = c.Append(p[:0], v)
		}
	}))
	require.NoError(t, err)
}

func FuzzFlatRecord(f *testing.F) { codectest.Fuzz(f, tradeCodec, trade{}, aTrade) }

func FuzzRecord(f *testing.F) { codectest.Fuzz(f, segmentCodec, segment{Tags: []string{"a"}}) }

func BenchmarkRecord(b *testing.B) {
	frame := appendByHand(nil, &aTrade)
	b.Run("encode/weir", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst, _ = tradeCodec.Append(dst[:0], aTrade)
		}
	})
	b.Run("encode/byhand", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			dst = appendByHand(dst[:0], &aTrade)
		}
	})
	many := make([]byte, 0, 1000*len(frame))
	for range 1000 {
		many = append(many, frame...)
	}
	b.Run("decode/weir", func(b *testing.B) {
		b.ReportAllocs()
		r := codec.NewReader(many)
		n := 0
		for b.Loop() {
			if n++; n > 1000 {
				r, n = codec.NewReader(many), 1
			}
			if _, err := tradeCodec.Decode(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode/byhand", func(b *testing.B) {
		b.ReportAllocs()
		var v trade
		p := many
		for b.Loop() {
			if len(p) == 0 {
				p = many
			}
			n, err := decodeByHand(p, &v)
			if err != nil {
				b.Fatal(err)
			}
			p = p[n:]
		}
	})
}

func TestARecordMayHaveOneNumberOfAnyKindBetweenTexts(t *testing.T) {
	type mixed struct {
		A string `wire:"len=u8"`
		B bool
		C string `wire:"len=u8"`
		D uint8
		E string  `wire:"len=u8"`
		F uint16  `wire:"le"`
		G []byte  `wire:"len=u8"`
		H float32 `wire:"le"`
		I string  `wire:"len=u8"`
		J int64
		K string `wire:"len=u8"`
		L int32  `wire:"bits=24"`
	}
	codectest.Vector(t, codec.Struct[mixed](), "0161 01 00 ff 00 0201 00 0000c03f 00 fffffffffffffffe 0162 fffffe",
		mixed{A: "a", B: true, D: 255, F: 0x102, G: []byte{}, H: 1.5, J: -2, K: "b", L: -2})
}
