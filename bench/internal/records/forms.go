package records

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/go-restruct/restruct"
	"github.com/lunixbochs/struc"

	"github.com/weir-go/weir/codec"
)

// Form is a way to encode and decode. Each function runs n times and checks the last result.
type Form struct {
	Name   string
	Ours   bool
	Encode func(n int)
	Decode func(n int)
}

// The names of the hand-written forms and of ours that do the same: with a pointer to the struct, with the struct as a
// parameter and result, and with an io.Reader and io.Writer.
const (
	ByHand       = "by hand, encoding/binary"
	ByHandValue  = "by hand, by value"
	ByHandStream = "by hand, stream"
	InPlace      = "weir Record, in place"
	ByValue      = "weir Record"
	Stream       = "weir Record, stream"

	ByHandCodec = "by hand, as a Codec"
	Generated   = "weir generated"
)

// Forms returns all ways for a Record.
func Forms() []Form {
	return []Form{
		{ByHand, false, encodeWith(&sample, wire, appendRecord), decodeWith(&sample, wire, decodeRecord)},
		{ByHandValue, false, encodeValue(&sample, wire, appendRecordValue), decodeValue(&sample, wire, decodeRecordValue)},
		{ByHandCodec, false, encodeCodec[Record](byHand{}, &sample, wire), decodeCodec[Record](byHand{}, &sample, wire)},
		{Generated, true, encodeCodec[Record](RecordCodec{}, &sample, wire), decodeCodec[Record](RecordCodec{}, &sample, wire)},
		{InPlace, true, encodeInPlace(record, &sample, wire), decodeInPlace(record, &sample, wire)},
		{ByValue, true, encodeCodec(record, &sample, wire), decodeCodec(record, &sample, wire)},
		{"weir Struct", true, encodeCodec(structure, &sample, wire), decodeCodec(structure, &sample, wire)},
		{"weir Record, framed", true, encodeCodec(framed, &sample, wire), decodeFramed},
		{ByHandStream, false, writeByHand, readByHand},
		{Stream, true, writeStream, readStream},
		{"encoding/binary, reflection", false, encodeWith(&sample, wire, appendBinary), decodeWith(&sample, wire, decodeBinary)},
		{"struc", false, encodeStruc, decodeStruc},
		{"restruct", false, encodeWith(&sample, wire, appendRestruct), decodeWith(&sample, wire, decodeRestruct)},
	}
}

// TextForms returns the ways for a Trade.
func TextForms() []Form {
	return []Form{
		{ByHand, false, encodeWith(&aTrade, tradeBytes, appendTrade), decodeWith(&aTrade, tradeBytes, decodeTrade)},
		{ByHandValue, false, encodeValue(&aTrade, tradeBytes, appendTradeValue), decodeValue(&aTrade, tradeBytes, decodeTradeValue)},
		{ByHandCodec, false, encodeCodec[Trade](byHandTrade{}, &aTrade, tradeBytes), decodeCodec[Trade](byHandTrade{}, &aTrade, tradeBytes)},
		{Generated, true, encodeCodec[Trade](TradeCodec{}, &aTrade, tradeBytes), decodeCodec[Trade](TradeCodec{}, &aTrade, tradeBytes)},
		{InPlace, true, encodeInPlace(trade, &aTrade, tradeBytes), decodeInPlace(trade, &aTrade, tradeBytes)},
		{ByValue, true, encodeCodec(trade, &aTrade, tradeBytes), decodeCodec(trade, &aTrade, tradeBytes)},
	}
}

// encodeWith calls a function that cannot be inlined, like a user's own function.
func encodeWith[T any](v *T, want []byte, encode func([]byte, *T) ([]byte, error)) func(int) {
	return func(n int) {
		v, dst := *v, make([]byte, 0, 2*len(want))
		var err error
		for range n {
			if dst, err = encode(dst[:0], &v); err != nil {
				panic(err)
			}
		}
		same(dst, want)
	}
}

func decodeWith[T comparable](want *T, p []byte, decode func([]byte, *T) error) func(int) {
	return func(n int) {
		var v T
		for range n {
			if err := decode(p, &v); err != nil {
				panic(err)
			}
		}
		check(v, *want)
	}
}

// encodeValue passes the struct as a parameter.
func encodeValue[T any](v *T, want []byte, encode func([]byte, T) ([]byte, error)) func(int) {
	return func(n int) {
		v, dst := *v, make([]byte, 0, 2*len(want))
		var err error
		for range n {
			if dst, err = encode(dst[:0], v); err != nil {
				panic(err)
			}
		}
		same(dst, want)
	}
}

// decodeValue returns the struct.
func decodeValue[T comparable](want *T, p []byte, decode func([]byte) (T, error)) func(int) {
	return func(n int) {
		var v T
		var err error
		for range n {
			if v, err = decode(p); err != nil {
				panic(err)
			}
		}
		check(v, *want)
	}
}

func encodeCodec[T any](c codec.Codec[T], v *T, want []byte) func(int) {
	return func(n int) {
		v, dst := *v, make([]byte, 0, 2*len(want))
		var err error
		for range n {
			if dst, err = c.Append(dst[:0], v); err != nil {
				panic(err)
			}
		}
		same(dst[len(dst)-len(want):], want)
	}
}

func decodeCodec[T comparable](c codec.Codec[T], want *T, p []byte) func(int) {
	return func(n int) {
		var v T
		var err error
		for range n {
			if v, err = codec.Unmarshal(c, p); err != nil {
				panic(err)
			}
		}
		check(v, *want)
	}
}

func encodeInPlace[T any](c codec.Codec[T], v *T, want []byte) func(int) {
	return func(n int) {
		v, dst := *v, make([]byte, 0, 2*len(want))
		var err error
		for range n {
			if dst, err = codec.MarshalAppend(c, dst[:0], &v); err != nil {
				panic(err)
			}
		}
		same(dst, want)
	}
}

func decodeInPlace[T comparable](c codec.Codec[T], want *T, p []byte) func(int) {
	return func(n int) {
		var v T
		for range n {
			if used, err := codec.UnmarshalInto(c, p, &v); err != nil || used != len(p) {
				panic(fmt.Sprint("records: bytes left over, or ", err))
			}
		}
		check(v, *want)
	}
}

func appendBinary(dst []byte, r *Record) ([]byte, error) {
	return binary.Append(dst, binary.BigEndian, r)
}

func decodeBinary(p []byte, r *Record) error {
	_, err := binary.Decode(p, binary.BigEndian, r)
	return err
}

func encodeStruc(n int) {
	r := sample
	var buf bytes.Buffer
	for range n {
		buf.Reset()
		must(0, struc.PackWithOrder(&buf, &r, binary.BigEndian))
	}
	same(buf.Bytes(), wire)
}

func decodeStruc(n int) {
	var r Record
	var src bytes.Reader
	for range n {
		src.Reset(wire)
		must(0, struc.UnpackWithOrder(&src, &r, binary.BigEndian))
	}
	check(r, sample)
}

func appendRestruct(_ []byte, r *Record) ([]byte, error) { return restruct.Pack(binary.BigEndian, r) }

func decodeRestruct(p []byte, r *Record) error { return restruct.Unpack(p, binary.BigEndian, r) }

// same panics unless p is the expected encoding, so that a wrong form cannot have a result.
func same(p, want []byte) {
	if !bytes.Equal(p, want) {
		panic(fmt.Sprintf("records: encoded as %x instead of %x", p, want))
	}
}

func check[T comparable](v, want T) {
	if v != want {
		panic(fmt.Sprintf("records: decoded as %+v", v))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprint("records: ", err))
	}
	return v
}
