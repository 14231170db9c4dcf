// Package records measures codecs in this process: records of twelve fields, with numbers only or with short texts, and
// lines, encoded and decoded in several ways.
package records

import (
	"encoding/binary"
	"io"
	"math"
	"slices"

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

// size is the size of an encoded Record.
const size = 56

// sample is the Record that is encoded and decoded.
var sample = Record{1, 2, 3, 4, 5, 6.5, -7, 8, 9, -10, 11, -12}

// wire is the sample in the encoding that all forms share.
var wire = must(appendRecord(nil, &sample))

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

//go:generate go run github.com/weir-go/weir/codec/wiregen Record Trade

var (
	structure = codec.Struct[Record]()
	framed    = codec.Prefixed(codec.Uint32, record)
)

// appendRecord is hand-written and makes room once.
func appendRecord(dst []byte, r *Record) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, size)[:start+size]
	p := dst[start:]
	_ = p[size-1] // the only bounds check
	binary.BigEndian.PutUint64(p, r.ID)
	binary.BigEndian.PutUint32(p[8:], r.Account)
	p[12], p[13] = r.Side, r.Kind
	binary.BigEndian.PutUint16(p[14:], r.Venue)
	binary.BigEndian.PutUint64(p[16:], math.Float64bits(r.Price))
	binary.BigEndian.PutUint64(p[24:], uint64(r.Quantity))
	binary.BigEndian.PutUint32(p[32:], uint32(r.Filled))
	binary.BigEndian.PutUint32(p[36:], r.Flags)
	binary.BigEndian.PutUint64(p[40:], uint64(r.Time))
	binary.BigEndian.PutUint32(p[48:], r.Sequence)
	binary.BigEndian.PutUint32(p[52:], uint32(r.Shard))
	return dst, nil
}

// decodeRecord is hand-written and checks the length once.
func decodeRecord(p []byte, r *Record) error {
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

func appendRecordValue(dst []byte, r Record) ([]byte, error) { return appendRecord(dst, &r) }

func decodeRecordValue(p []byte) (r Record, err error) {
	err = decodeRecord(p, &r)
	return r, err
}

// byHand is a hand-written Codec.
type byHand struct{}

func (byHand) Append(dst []byte, r Record) ([]byte, error) { return appendRecord(dst, &r) }

func (byHand) Decode(r *codec.Reader) (v Record, err error) {
	p, err := r.Next(size)
	if err == nil {
		err = decodeRecord(p, &v)
	}
	return v, err
}
