package httpc

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unpack"
)

// Coding is a content coding to request and decode, such as zstd or br. It must be safe for concurrent use.
type Coding interface {
	// Name is the token in Accept-Encoding and Content-Encoding.
	Name() string

	// NewReader returns a decoding reader. It must limit its memory for any input. Closing it must not close r.
	// It is closed once, after the last Read: when the body has ended or failed, or is closed.
	NewReader(r io.Reader) (io.ReadCloser, error)
}

// gzipCoding is supported by every client.
type gzipCoding struct{}

func (gzipCoding) Name() string { return "gzip" }

func (gzipCoding) NewReader(r io.Reader) (io.ReadCloser, error) {
	return gzip.NewReader(bufio.NewReader(r))
}

func acceptEncoding(more []Coding) string {
	names := make([]string, 0, len(more)+1)
	for _, c := range more {
		names = append(names, c.Name())
	}
	return strings.Join(append(names, "gzip"), ", ")
}

// undoCoding decodes the body of r, unless the caller requested the coding. ContentEncoding of a Response still names
// the coding, but the field of r is removed as net/http does.
func (t *Transport) undoCoding(x *exchange, r *http.Response) {
	if !x.asksCoding || r.Body == http.NoBody || r.StatusCode == http.StatusPartialContent {
		return
	}
	codes := r.Header["Content-Encoding"]
	if len(codes) != 1 {
		return
	}
	if _, ok := r.Body.(*tunnel); ok {
		return
	}
	coding := t.codingOf(strings.ToLower(strings.Trim(codes[0], " \t")))
	if coding == nil {
		return
	}
	d := newDecoded(coding, r.Body)
	if b, ok := r.Body.(*body); ok {
		b.onCut(d.End)
	}
	r.Body = d
	if x.call != nil {
		x.call.undid([]string{coding.Name()})
	}
	delete(r.Header, "Content-Encoding")
	delete(r.Header, "Content-Length")
	r.ContentLength, r.Uncompressed = -1, true
}

func (t *Transport) codingOf(name string) Coding {
	if name == "gzip" || name == "x-gzip" {
		return gzipCoding{}
	}
	for _, c := range t.cfg.Codings {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// ratioMax limits the ratio of decoded to received bytes.
const ratioMax = 100

var errRatio = fmt.Errorf("httpc: a body has been compressed more than %d times: %w", ratioMax, chanio.ErrTooLarge)

// decoded is a body that is decoded as it is read.
type decoded struct {
	unpack.Body
	coding Coding
}

// newDecoded returns the decoded form of below.
func newDecoded(coding Coding, below io.ReadCloser) *decoded {
	d := &decoded{coding: coding}
	d.Init(below, unpack.Config{Open: d.open, Judge: d.judge, MaxRatio: ratioMax, TooLarge: errRatio})
	return d
}

var errBehind = errors.New("httpc: a body continues after the end of its content coding")

// judge reads the body to its end, where the trailers are, when its decoder has ended. Many decoders stop there, and
// the body may be cut.
func (d *decoded) judge(err error, opened bool) error {
	if err != io.EOF || !opened {
		return err
	}
	more, err := d.Rest()
	if more {
		return errBehind
	}
	return err
}

func (d *decoded) open(r io.Reader) (io.Reader, error) { return d.coding.NewReader(r) }
