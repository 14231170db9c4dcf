package codec

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"sync"

	"github.com/weir-go/weir/internal/eof"
)

// Compression compresses and decompresses bytes. Its methods are safe for concurrent use. Zstandard is in a separate
// module, github.com/weir-go/weir/codec/zstd; others take as few lines around their packages.
type Compression interface {
	// Compress appends the packed form of plain to dst.
	Compress(dst, plain []byte) ([]byte, error)

	// Decompress appends what packed holds to dst. It stops with ErrTooLarge once that is more than max bytes, and
	// fails if bytes are left over.
	Decompress(dst, packed []byte, max int) ([]byte, error)
}

// Compressions of the standard library: gzip (RFC 1952), zlib (RFC 1950) and raw DEFLATE (RFC 1951).
var (
	Gzip Compression = &stdCompression{
		writer: func(w io.Writer) packer { return gzip.NewWriter(w) },
		reader: func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
	}
	Zlib Compression = &stdCompression{
		writer: func(w io.Writer) packer { return zlib.NewWriter(w) },
		reader: func(r io.Reader) (io.ReadCloser, error) { return zlib.NewReader(r) },
	}
	Deflate Compression = &stdCompression{
		writer: func(w io.Writer) packer { fw, _ := flate.NewWriter(w, flate.DefaultCompression); return fw },
		reader: func(r io.Reader) (io.ReadCloser, error) { return flate.NewReader(r), nil },
	}
)

// Compressed is c compressed by algorithm, up to the end of the enclosing frame or of the stream. It takes the option
// [Max], 16 MiB by default, which limits the decompressed bytes, so that a small frame cannot become a large one. The
// offset of an error is an offset in the compressed data; its text has the offset in the decompressed data.
//
//	Prefixed(Uint16, Compressed(Gzip, String)), "hello":
//	| 00 | 1d | 1f | 8b | 08 | 00 |         | 00 |
func Compressed[T any](algorithm Compression, c Codec[T], opts ...MaxOption) Codec[T] {
	notNil(c, "Compressed")
	refuse(algorithm == nil, "Compressed: the Compression is nil")
	return compressed[T]{algorithm, c, min(maxOf(opts, DefaultMax), Unbounded-1)} // so that max+1 is a number
}

type compressed[T any] struct {
	algorithm Compression
	c         Codec[T]
	max       int
}

func (c compressed[T]) Append(dst []byte, v T) ([]byte, error) {
	plain, err := c.c.Append(nil, v)
	if err != nil {
		return dst, err
	}
	if len(plain) > c.max {
		return dst, tooLarge("decompressed length", uint64(len(plain)), c.max)
	}
	return c.algorithm.Compress(dst, plain)
}

func (c compressed[T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	packed, err := r.lendRest()
	if err != nil {
		return v, err
	}
	plain, err := c.algorithm.Decompress(nil, packed, c.max)
	if err != nil {
		return v, r.Fail(start, err)
	}
	return decodeUnpacked(r, c.c, plain, start, "decompressed")
}

func (c compressed[T]) Size() Size { return Size{Min: 1, Max: Unbounded, Open: true} }

type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

type stdCompression struct {
	writer  func(io.Writer) packer
	reader  func(io.Reader) (io.ReadCloser, error)
	writers sync.Pool // of *pooledPacker
}

// pooledPacker is a packer and what it writes to, which is empty between two uses.
type pooledPacker struct {
	out bytes.Buffer
	w   packer
}

func (s *stdCompression) Compress(dst, plain []byte) ([]byte, error) {
	p, ok := s.writers.Get().(*pooledPacker)
	if !ok {
		p = &pooledPacker{}
		p.w = s.writer(&p.out)
	}
	defer s.writers.Put(p)
	p.out = *bytes.NewBuffer(dst)
	p.w.Reset(&p.out)
	_, err := p.w.Write(plain)
	err = errors.Join(err, p.w.Close())
	dst, p.out = p.out.Bytes(), bytes.Buffer{}
	return dst, err
}

func (s *stdCompression) Decompress(dst, packed []byte, max int) ([]byte, error) {
	in := bytes.NewReader(packed)
	r, err := s.reader(in)
	if err != nil {
		return dst, &detail{ErrMalformed, eof.Unexpected(err).Error()}
	}
	out := bytes.NewBuffer(dst)
	n, err := io.Copy(out, io.LimitReader(r, int64(min(max, Unbounded-1))+1))
	if err != nil {
		return dst, &detail{ErrMalformed, err.Error()}
	}
	if n > int64(max) {
		return dst, because(ErrTooLarge, "decompressed data exceeds the limit of %d bytes", max)
	}
	if in.Len() > 0 {
		return dst, because(ErrTrailingData, "%d bytes of trailing data", in.Len())
	}
	return out.Bytes(), nil
}
