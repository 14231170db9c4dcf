package http2

import (
	"errors"

	"golang.org/x/net/http2/hpack"
)

// Field is a field of a header list. Names are in lower case; those that begin with a colon are pseudo fields. One that is
// Sensitive is never put into a table.
type Field = hpack.HeaderField

// fieldOverhead is what a field counts beyond its bytes, RFC 9113 6.5.2.
const fieldOverhead = 32

// block decodes header blocks, one after the other. A block that is too long is decoded to its end all the same, since the
// table must not miss a field, but nothing more of it is kept.
type block struct {
	dec    *hpack.Decoder
	limit  int // bytes of a header list
	fields []Field
	size   int
	tooBig bool
	parts  int // frames so far
}

func (b *block) init(limit int) {
	b.limit = limit
	b.dec = hpack.NewDecoder(maxTable, b.emit)
	b.dec.SetMaxStringLength(limit)
}

// begin prepares for another block. The fields of the last one are not valid any more.
func (b *block) begin() {
	clear(b.fields)
	b.fields, b.size, b.tooBig, b.parts = b.fields[:0], 0, false, 0
	b.dec.SetEmitEnabled(true)
}

func (b *block) emit(f Field) {
	if b.size += len(f.Name) + len(f.Value) + fieldOverhead; b.size > b.limit {
		b.tooBig = true
		b.dec.SetEmitEnabled(false)
		return
	}
	b.fields = append(b.fields, f)
}

// add decodes a fragment. Its error is one of the connection, whose tables differ from then on.
func (b *block) add(fragment []byte, last bool) error {
	b.parts++
	_, err := b.dec.Write(fragment)
	if err == nil && last {
		err = b.dec.Close()
	}
	switch {
	case errors.Is(err, hpack.ErrStringLength):
		return &ConnError{Code: CompressionError, Reason: err.Error(), cause: errTooLarge}
	case err != nil:
		return &ConnError{Code: CompressionError, Reason: err.Error()}
	}
	return nil
}
