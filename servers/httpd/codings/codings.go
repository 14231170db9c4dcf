// Package codings provides content codings for package httpd that the standard library lacks, or implements more
// slowly: Brotli, Zstandard, and a faster gzip and deflate. It is a separate module.
//
//	h := httpd.Compress(handler, &httpd.CompressConfig{
//		Codings: []httpd.Coding{codings.Zstd(3), codings.Brotli(4), codings.Gzip(5)},
//	})
//	h = httpd.Decompress(h, &httpd.DecompressConfig{Codings: codings.Readers()})
package codings

import (
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-go/weir/servers/httpd"
)

// maxWindow limits the window of a Zstandard decoder: RFC 9659.
const maxWindow = 8 << 20

// Brotli returns the coding br (RFC 7932), at a level from 0, the fastest, to 11, the smallest. 4 suits replies that
// are generated for each request.
func Brotli(level int) httpd.Coding {
	check("Brotli", level, brotli.BestSpeed, brotli.BestCompression)
	return coding{"br", func(w io.Writer) httpd.CodingWriter { return brotli.NewWriterLevel(w, level) }}
}

// Zstd returns the coding zstd (RFC 8878), at a level from 1, the fastest, to 22, the smallest. 3 suits replies that
// are generated for each request. Its window is at most 8 MiB, as RFC 9659 requires.
func Zstd(level int) httpd.Coding {
	check("Zstd", level, 1, 22)
	return coding{"zstd", func(w io.Writer) httpd.CodingWriter {
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(window(level)))
		if err != nil {
			panic("codings: Zstd: " + err.Error()) // the options are valid
		}
		return z
	}}
}

// window returns the window size for a level, which each client allocates for a reply.
func window(level int) int {
	if level < 7 {
		return 1 << 20
	}
	return maxWindow
}

// Gzip returns the coding gzip, at a level from 1, the fastest, to 9, the smallest.
func Gzip(level int) httpd.Coding {
	check("Gzip", level, gzip.BestSpeed, gzip.BestCompression)
	return coding{"gzip", func(w io.Writer) httpd.CodingWriter {
		z, _ := gzip.NewWriterLevel(w, level) // the level has been checked
		return z
	}}
}

// Deflate returns the coding deflate, in the zlib format, at a level from 1, the fastest, to 9, the smallest.
func Deflate(level int) httpd.Coding {
	check("Deflate", level, zlib.BestSpeed, zlib.BestCompression)
	return coding{"deflate", func(w io.Writer) httpd.CodingWriter {
		z, _ := zlib.NewWriterLevel(w, level) // the level has been checked
		return z
	}}
}

func check(name string, level, least, most int) {
	if level < least || level > most {
		panic(fmt.Sprintf("codings: %s: level must be %d to %d, got %d", name, least, most, level))
	}
}

type coding struct {
	name string
	open func(io.Writer) httpd.CodingWriter
}

func (c coding) Name() string                             { return c.name }
func (c coding) NewWriter(w io.Writer) httpd.CodingWriter { return c.open(w) }

// Readers returns the decoders of br and zstd for httpd.DecompressConfig.Codings. Their windows are at most 16 MiB and
// 8 MiB. Data that needs a larger window is rejected.
func Readers() map[string]func(io.Reader) (io.Reader, error) {
	return map[string]func(io.Reader) (io.Reader, error){
		"br": func(r io.Reader) (io.Reader, error) { return newUnbrotli(r), nil },
		"zstd": func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		},
	}
}

// unbrotli decodes br. A brotli.Reader takes bytes that arrive behind the end one by one into a buffer, and panics when
// it is full, so unbrotli looks for the end itself.
type unbrotli struct {
	packed io.Reader
	fed    bool // the Read in progress has read from packed
	plain  *brotli.Reader
}

func newUnbrotli(packed io.Reader) *unbrotli {
	r := &unbrotli{packed: packed}
	r.plain = brotli.NewReader(feed{r})
	return r
}

// feed is the reader of the compressed bytes.
type feed struct{ *unbrotli }

func (f feed) Read(p []byte) (int, error) {
	n, err := f.packed.Read(p)
	f.fed = f.fed || n > 0
	return n, err
}

func (r *unbrotli) Read(p []byte) (int, error) {
	r.fed = false
	n, err := r.plain.Read(p)
	if n > 0 || err != nil || !r.fed || len(p) == 0 {
		return n, err
	}
	// It has read something and wants no more: this is the end.
	if n, err = io.ReadFull(r.packed, make([]byte, 1)); n > 0 {
		return 0, errBehind
	}
	return 0, err
}

var errBehind = errors.New("codings: data after the end of a Brotli stream")
