// Package records has the in-process work of codecs that is measured: one record of twelve fields, encoded and decoded
// in several ways.
package records

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/go-restruct/restruct"
	"github.com/lunixbochs/struc"

	"github.com/weir-go/weir/codec"
)

// Record is twelve fields, 56 bytes in big-endian order.
type Record struct {
	ID       uint64
	Account  uint32
	Side     uint8
	Kind     uint8
	Venue    uint16
	Price    float64
	Quantity int64
	Filled   int32
	Flags    uint32
	Time     int64
	Sequence uint32
	Shard    int32
}

// size is what a Record has on the wire.
const size = 56

// sample is the Record that is encoded and decoded.
var sample = Record{1, 2, 3, 4, 5, 6.5, -7, 8, 9, -10, 11, -12}

// Form is a way to encode and decode. Each function does it n times and checks the last result.
type Form struct {
	Name   string
	Ours   bool
	Encode func(n int)
	Decode func(n int)
}

// Forms returns all of them.
func Forms() []Form {
	return []Form{
		{"by hand, encoding/binary", false, encodeWith(appendByHand), decodeWith(decodeByHand)},
		{"weir Record", true, encodeCodec(record), decodeCodec(record)},
		{"weir Struct", true, encodeCodec(structure), decodeCodec(structure)},
		{"weir Record, framed", true, encodeCodec(framed), decodeFramed},
		{"weir Record, stream", true, encodeStream, decodeStream},
		{"encoding/binary, reflection", false, encodeWith(appendBinary), decodeWith(decodeBinary)},
		{"struc", false, encodeStruc, decodeStruc},
		{"restruct", false, encodeWith(appendRestruct), decodeWith(decodeRestruct)},
	}
}

var record = codec.Record(
	codec.Field("id", func(r *Record) *uint64 { return &r.ID }, codec.Uint64),
	codec.Field("account", func(r *Record) *uint32 { return &r.Account }, codec.Uint32),
	codec.Field("side", func(r *Record) *uint8 { return &r.Side }, codec.Uint8),
	codec.Field("kind", func(r *Record) *uint8 { return &r.Kind }, codec.Uint8),
	codec.Field("venue", func(r *Record) *uint16 { return &r.Venue }, codec.Uint16),
	codec.Field("price", func(r *Record) *float64 { return &r.Price }, codec.Float64),
	codec.Field("quantity", func(r *Record) *int64 { return &r.Quantity }, codec.Int64),
	codec.Field("filled", func(r *Record) *int32 { return &r.Filled }, codec.Int32),
	codec.Field("flags", func(r *Record) *uint32 { return &r.Flags }, codec.Uint32),
	codec.Field("time", func(r *Record) *int64 { return &r.Time }, codec.Int64),
	codec.Field("sequence", func(r *Record) *uint32 { return &r.Sequence }, codec.Uint32),
	codec.Field("shard", func(r *Record) *int32 { return &r.Shard }, codec.Int32),
)

var (
	structure = codec.Struct[Record]()
	framed    = codec.Prefixed(codec.Uint32, record)
)

// wire is the sample as everybody has it.
var wire = must(appendByHand(nil, &sample))

func appendByHand(dst []byte, r *Record) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, r.ID)
	dst = binary.BigEndian.AppendUint32(dst, r.Account)
	dst = append(dst, r.Side, r.Kind)
	dst = binary.BigEndian.AppendUint16(dst, r.Venue)
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Price))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Quantity))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Filled))
	dst = binary.BigEndian.AppendUint32(dst, r.Flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time))
	dst = binary.BigEndian.AppendUint32(dst, r.Sequence)
	return binary.BigEndian.AppendUint32(dst, uint32(r.Shard)), nil
}

func decodeByHand(p []byte, r *Record) error {
	if len(p) != size {
		return io.ErrUnexpectedEOF
	}
	r.ID = binary.BigEndian.Uint64(p)
	r.Account = binary.BigEndian.Uint32(p[8:])
	r.Side, r.Kind = p[12], p[13]
	r.Venue = binary.BigEndian.Uint16(p[14:])
	r.Price = math.Float64frombits(binary.BigEndian.Uint64(p[16:]))
	r.Quantity = int64(binary.BigEndian.Uint64(p[24:]))
	r.Filled = int32(binary.BigEndian.Uint32(p[32:]))
	r.Flags = binary.BigEndian.Uint32(p[36:])
	r.Time = int64(binary.BigEndian.Uint64(p[40:]))
	r.Sequence = binary.BigEndian.Uint32(p[48:])
	r.Shard = int32(binary.BigEndian.Uint32(p[52:]))
	return nil
}

func appendBinary(dst []byte, r *Record) ([]byte, error) {
	return binary.Append(dst, binary.BigEndian, r)
}

func decodeBinary(p []byte, r *Record) error {
	_, err := binary.Decode(p, binary.BigEndian, r)
	return err
}

func appendRestruct(_ []byte, r *Record) ([]byte, error) { return restruct.Pack(binary.BigEndian, r) }

func decodeRestruct(p []byte, r *Record) error { return restruct.Unpack(p, binary.BigEndian, r) }

// encodeWith calls a function of this package that cannot be inlined, as a user's own would be called from his loop.
func encodeWith(encode func([]byte, *Record) ([]byte, error)) func(int) {
	return func(n int) {
		r, dst := sample, make([]byte, 0, 2*size)
		for range n {
			dst = must(encode(dst[:0], &r))
		}
		same(dst)
	}
}

func decodeWith(decode func([]byte, *Record) error) func(int) {
	return func(n int) {
		var r Record
		for range n {
			must(0, decode(wire, &r))
		}
		check(r)
	}
}

func encodeCodec(c codec.Codec[Record]) func(int) {
	return func(n int) {
		r, dst := sample, make([]byte, 0, 2*size)
		for range n {
			dst = must(c.Append(dst[:0], r))
		}
		same(dst[len(dst)-size:])
	}
}

func decodeCodec(c codec.Codec[Record]) func(int) {
	return func(n int) {
		var r Record
		for range n {
			r = must(codec.Unmarshal(c, wire))
		}
		check(r)
	}
}

// decodeFramed takes frames off a stream of bytes that holds a thousand.
func decodeFramed(n int) {
	const many = 1000
	stream := bytes.Repeat(must(framed.Append(nil, sample)), many)
	var last Record
	for n > 0 {
		for r, err := range codec.Values(framed, stream[:min(n, many)*(4+size)]) {
			last = must(r, err)
		}
		n -= many
	}
	check(last)
}

// again is a stream of bytes that goes on for ever, some kilobytes at a time.
type again struct {
	p  []byte
	at int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.p[a.at:])
	a.at = (a.at + n) % len(a.p)
	return n, nil
}

// decodeStream takes records off such a stream.
func decodeStream(n int) {
	d := codec.NewDecoder(&again{p: bytes.Repeat(wire, 100)}, record)
	var r Record
	for range n {
		r = must(d.Decode())
	}
	check(r)
}

// encodeStream writes records to a stream of bytes that forgets them; one is checked.
func encodeStream(n int) {
	var one bytes.Buffer
	must(0, codec.NewEncoder(&one, record).Encode(sample))
	same(one.Bytes())
	e, r := codec.NewEncoder(io.Discard, record), sample
	for range n {
		must(0, e.Encode(r))
	}
}

func encodeStruc(n int) {
	r := sample
	var buf bytes.Buffer
	for range n {
		buf.Reset()
		must(0, struc.PackWithOrder(&buf, &r, binary.BigEndian))
	}
	same(buf.Bytes())
}

func decodeStruc(n int) {
	var r Record
	var src bytes.Reader
	for range n {
		src.Reset(wire)
		must(0, struc.UnpackWithOrder(&src, &r, binary.BigEndian))
	}
	check(r)
}

// same panics unless p is the sample as everybody has it: a way that is wrong has no figure.
func same(p []byte) {
	if !bytes.Equal(p, wire) {
		panic(fmt.Sprintf("records: encoded as %x instead of %x", p, wire))
	}
}

func check(r Record) {
	if r != sample {
		panic(fmt.Sprintf("records: decoded as %+v", r))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprint("records: ", err))
	}
	return v
}
