package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-go/weir/codec"
)

// line is a message of memcached's meta protocol in either direction: words, and after "ms" and "VA" a block of bytes.
//
//	"ms k 2", and "hi":
//	+----+----+----+----+----+----+----+----+----+----+----+----+
//	| 6d | 73 | 20 | 6b | 20 | 32 | 0d | 0a | 68 | 69 | 0d | 0a |
//	+----+----+----+----+----+----+----+----+----+----+----+----+
type line struct {
	Words []string // except the size of the block
	Block []byte   // of "ms" and "VA"; otherwise nil
}

// Limits of the words, as in memcached, and of a block, which is memcached's default.
const (
	maxLine  = 2048
	maxBlock = 1 << 20
)

// meta is the codec of lines. The size of a block is the third word of "ms key size", and the second word of "VA size".
var meta codec.Codec[line] = metaCodec{}

type metaCodec struct{}

// sizeAt returns the index of the size among the words; 0 means that there is no block.
func sizeAt(words []string) int {
	switch words[0] {
	case "ms":
		return 2
	case "VA":
		return 1
	}
	return 0
}

func (metaCodec) Append(dst []byte, v line) ([]byte, error) {
	if len(v.Words) == 0 {
		return dst, fmt.Errorf("%w: a line without words", codec.ErrMalformed)
	}
	at := sizeAt(v.Words)
	words := v.Words
	if at > 0 {
		if len(words) < at || len(v.Block) > maxBlock {
			return dst, fmt.Errorf("%w: %v with a block of %d bytes", codec.ErrMalformed, words, len(v.Block))
		}
		words = slices.Insert(slices.Clone(words), at, strconv.Itoa(len(v.Block)))
	}
	text := strings.Join(words, " ")
	if len(text) > maxLine || len(strings.Fields(text)) != len(words) || strings.ContainsAny(text, "\r\n\t\v\f\u0085\u00a0") {
		return dst, fmt.Errorf("%w: %q", codec.ErrMalformed, text)
	}
	dst = append(append(dst, text...), "\r\n"...)
	if at > 0 {
		dst = append(append(dst, v.Block...), "\r\n"...)
	}
	return dst, nil
}

func (metaCodec) Decode(r *codec.Reader) (v line, err error) {
	start := r.Offset()
	p, err := r.ReadUntil('\n', maxLine+1)
	if err != nil {
		return v, err
	}
	text, ended := bytes.CutSuffix(p, []byte("\r\n"))
	v.Words = strings.Split(string(text), " ")
	if slices.Contains(v.Words, "") || !ended || bytes.ContainsAny(text, "\r\t\v\f\u0085\u00a0") {
		return v, r.Fail(start, fmt.Errorf("%w: the line %q", codec.ErrMalformed, p))
	}
	at := sizeAt(v.Words)
	if at == 0 {
		return v, nil
	}
	if len(v.Words) <= at {
		return v, r.Fail(start, fmt.Errorf("%w: no size in %q", codec.ErrMalformed, v.Words))
	}
	size, err := strconv.ParseUint(v.Words[at], 10, 32)
	if err != nil {
		return v, r.Fail(start, fmt.Errorf("%w: the size %q", codec.ErrMalformed, v.Words[at]))
	}
	if size > maxBlock {
		return v, r.Fail(start, fmt.Errorf("%w: a block of %d bytes", codec.ErrTooLarge, size))
	}
	v.Words = slices.Delete(v.Words, at, at+1)
	if v.Block, err = r.Bytes(int(size)); err != nil {
		return v, r.WrapField("block", err)
	}
	end, err := r.Next(2)
	if err == nil && string(end) != "\r\n" {
		err = r.Fail(r.Offset()-2, fmt.Errorf("%w: %q behind the block", codec.ErrMismatch, end))
	}
	return v, err
}
