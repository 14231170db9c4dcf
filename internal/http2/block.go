package http2

import (
	"bytes"
	"encoding/binary"
	"errors"

	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Field is a field of a header list. Names are in lower case; those of pseudo fields start with a colon. A Sensitive
// field is never added to a table, nor are credentials and short cookies.
type Field = hpack.HeaderField

// isSecret reports whether a table must not hold f, since somebody who can add fields of their own and sees the length
// of the blocks could guess its value (RFC 7541 7.1.3). A long cookie is too long for that.
func isSecret(f *Field) bool {
	switch f.Name {
	case "authorization", "proxy-authorization":
		return true
	case "cookie", "set-cookie":
		return len(f.Value) < 20 // as in nghttp2
	}
	return false
}

// fieldOverhead is what a field counts beyond its bytes, RFC 9113 6.5.2.
const fieldOverhead = 32

// maxSizeChange is the length from which an incomplete table size update is an error.
const maxSizeChange = 8

// block decodes header blocks, one after the other. A block that is too long is decoded to its end, because the table
// must see every field, but no more of it is kept.
type block struct {
	dec    *hpack.Decoder
	limit  int // bytes of a header list
	fields []Field
	size   int
	tooBig bool
	parts  int    // frames so far
	front  bool   // only table size updates have arrived
	cut    []byte // the beginning of one
}

func (b *block) init(limit int) {
	b.limit = limit
	b.dec = hpack.NewDecoder(maxTable, b.emit)
	b.dec.SetMaxStringLength(limit)
}

// begin prepares for the next block. The fields of the previous one become invalid.
func (b *block) begin() {
	clear(b.fields)
	b.fields, b.size, b.tooBig, b.parts = b.fields[:0], 0, false, 0
	b.front, b.cut = true, nil
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

// add decodes a fragment. An error is one of the connection, because the tables then differ.
func (b *block) add(fragment []byte, last bool) error {
	var err error
	b.parts++
	if b.front {
		fragment, err = b.resize(fragment, last)
	}
	if err == nil {
		_, err = b.dec.Write(fragment)
	}
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

// resize applies the table size updates at the front of a block, and returns what follows. Two may follow each other
// (RFC 7541 4.2), but the decoder only accepts one at the start of a block, so each is decoded as its own.
func (b *block) resize(p []byte, last bool) (rest []byte, err error) {
	if b.cut != nil {
		p, b.cut = append(b.cut, p...), nil
	}
	for err == nil && len(p) > 0 && p[0]&0xe0 == 0x20 {
		n := sizeChange(p)
		if n == 0 {
			if last || len(p) > maxSizeChange {
				break // the decoder has an error for it
			}
			b.cut = bytes.Clone(p)
			return nil, nil
		}
		if _, err = b.dec.Write(p[:n]); err == nil {
			err = b.dec.Close()
		}
		p = p[n:]
	}
	b.front = len(p) == 0
	return p, err
}

// sizeChange returns the length of the table size update at the front of p, or 0 if it is incomplete.
func sizeChange(p []byte) int {
	if p[0] != 0x3f {
		return 1 // the size is in the same byte
	}
	for i, c := range p[1:] {
		if c&0x80 == 0 {
			return i + 2
		}
	}
	return 0
}

// fragmentOf returns the fragment of a header block in the payload of a HEADERS frame, and whether its stream depends
// on itself: RFC 9113 6.2. Its errors are the connection's, because a block that is not decoded makes the tables
// differ.
func fragmentOf(h frames.FrameHeader, p []byte) (fragment []byte, itself bool, err error) {
	if h.StreamID == 0 {
		return nil, false, protocolError("HEADERS frame without a stream")
	}
	padding := 0
	if h.Flags.Has(frames.FlagHeadersPadded) {
		if len(p) < 1 {
			return nil, false, &ConnError{Code: FrameSizeError, Reason: "HEADERS frame without its padding"}
		}
		padding, p = int(p[0]), p[1:]
	}
	if h.Flags.Has(frames.FlagHeadersPriority) {
		const size = 5 // of the dependency and its weight
		if len(p) < size {
			return nil, false, &ConnError{Code: FrameSizeError, Reason: "HEADERS frame without its priority"}
		}
		itself, p = binary.BigEndian.Uint32(p)&(1<<31-1) == h.StreamID, p[size:]
	}
	if padding > len(p) {
		return nil, false, protocolError("padding longer than its frame")
	}
	return p[:len(p)-padding], itself, nil
}
