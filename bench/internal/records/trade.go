package records

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/weir-go/weir/codec"
)

// Trade is twelve fields, two of which are short length-prefixed texts.
type Trade struct {
	ID       uint64
	Account  uint32
	Side     uint8
	Urgent   bool
	Price    float64
	Quantity int64
	Venue    uint16
	Flags    uint16 `wire:"le"`
	Filled   int32
	Symbol   string `wire:"len=u8,raw"`
	Sequence uint32
	Client   string `wire:"len=u16,raw"`
}

var (
	trade      = codec.Struct[Trade]()
	aTrade     = Trade{1, 2, 3, true, 1.5, -5, 6, 7, -8, "ACME", 9, "client one"}
	tradeBytes = must(appendTrade(nil, &aTrade))
)

var errText = errors.New("records: text too long, or an invalid bool")

// appendTrade is hand-written and makes room once.
func appendTrade(dst []byte, t *Trade) ([]byte, error) {
	if len(t.Symbol) > math.MaxUint8 || len(t.Client) > math.MaxUint16 {
		return dst, errText
	}
	dst = slices.Grow(dst, 45+len(t.Symbol)+len(t.Client))
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
	return append(dst, t.Client...), nil
}

// decodeTrade is hand-written.
func decodeTrade(p []byte, t *Trade) error {
	if len(p) < 39 {
		return io.ErrUnexpectedEOF
	}
	if p[13] > 1 {
		return errText
	}
	t.ID = binary.BigEndian.Uint64(p)
	t.Account = binary.BigEndian.Uint32(p[8:])
	t.Side, t.Urgent = p[12], p[13] != 0
	t.Price = math.Float64frombits(binary.BigEndian.Uint64(p[14:]))
	t.Quantity = int64(binary.BigEndian.Uint64(p[22:]))
	t.Venue = binary.BigEndian.Uint16(p[30:])
	t.Flags = binary.LittleEndian.Uint16(p[32:])
	t.Filled = int32(binary.BigEndian.Uint32(p[34:]))
	at, n := 39, int(p[38])
	if len(p) < at+n+6 {
		return io.ErrUnexpectedEOF
	}
	t.Symbol = string(p[at : at+n])
	at += n
	t.Sequence = binary.BigEndian.Uint32(p[at:])
	n = int(binary.BigEndian.Uint16(p[at+4:]))
	if at += 6; len(p) != at+n {
		return io.ErrUnexpectedEOF
	}
	t.Client = string(p[at : at+n])
	return nil
}

func appendTradeValue(dst []byte, t Trade) ([]byte, error) { return appendTrade(dst, &t) }

func decodeTradeValue(p []byte) (t Trade, err error) {
	err = decodeTrade(p, &t)
	return t, err
}

// byHandTrade is a hand-written Codec.
type byHandTrade struct{}

func (byHandTrade) Append(dst []byte, t Trade) ([]byte, error) { return appendTrade(dst, &t) }

func (byHandTrade) Decode(r *codec.Reader) (t Trade, err error) {
	p, err := r.Next(39)
	if err != nil {
		return t, err
	}
	if p[13] > 1 {
		return t, errText
	}
	t.ID = binary.BigEndian.Uint64(p)
	t.Account = binary.BigEndian.Uint32(p[8:])
	t.Side, t.Urgent = p[12], p[13] != 0
	t.Price = math.Float64frombits(binary.BigEndian.Uint64(p[14:]))
	t.Quantity = int64(binary.BigEndian.Uint64(p[22:]))
	t.Venue = binary.BigEndian.Uint16(p[30:])
	t.Flags = binary.LittleEndian.Uint16(p[32:])
	t.Filled = int32(binary.BigEndian.Uint32(p[34:]))
	if t.Symbol, err = r.Text(int(p[38])); err != nil {
		return t, err
	}
	if p, err = r.Next(6); err != nil {
		return t, err
	}
	t.Sequence = binary.BigEndian.Uint32(p)
	t.Client, err = r.Text(int(binary.BigEndian.Uint16(p[4:])))
	return t, err
}
