package target

import (
	"encoding/binary"

	"github.com/weir-go/weir/codec"
)

// recordSize is the size of an encoded record.
const recordSize = 64

// recordBytes is what the codecs report as their size.
var recordBytes = codec.Size{Min: recordSize, Max: recordSize}

// Count is a number in 64 bytes: a value that fits in a register.
type Count struct{ N uint64 }

var padding [recordSize - 8]byte

func (c Count) put(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, c.N), padding[:]...)
}

func takeCount(p []byte) Count { return Count{binary.BigEndian.Uint64(p)} }

// Wide is a value of 64 bytes, which every call copies.
type Wide struct {
	N    uint64
	Rest [recordSize - 8]byte
}

func (w *Wide) put(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, w.N), w.Rest[:]...)
}

func takeWide(p []byte) (w Wide) {
	w.N = binary.BigEndian.Uint64(p)
	copy(w.Rest[:], p[8:recordSize])
	return w
}

// countCodec is a user's codec for Count.
type countCodec struct{}

func (countCodec) Append(dst []byte, v Count) ([]byte, error) { return v.put(dst), nil }

func (countCodec) Decode(r *codec.Reader) (Count, error) {
	p, err := r.Next(recordSize)
	if err != nil {
		return Count{}, err
	}
	return takeCount(p), nil
}

func (countCodec) Size() codec.Size { return recordBytes }

// wideCodec is a user's codec for Wide.
type wideCodec struct{}

func (wideCodec) Append(dst []byte, v Wide) ([]byte, error) { return v.put(dst), nil }

func (wideCodec) Decode(r *codec.Reader) (Wide, error) {
	p, err := r.Next(recordSize)
	if err != nil {
		return Wide{}, err
	}
	return takeWide(p), nil
}

func (wideCodec) Size() codec.Size { return recordBytes }
