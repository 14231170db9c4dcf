package httpc

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Coding is a content coding to request and decode, such as zstd or br. It must be safe for concurrent use.
type Coding interface {
	// Name is the token in Accept-Encoding and Content-Encoding.
	Name() string

	// NewReader returns a decoding reader. It must limit its memory whatever r contains. Closing it must not close r.
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
	d := &decoded{coding: coding, below: r.Body}
	if b, ok := r.Body.(*body); ok {
		b.onCut(d.cut)
	}
	r.Body = d
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

// A decoded body may have ratioMax times the bytes received, once it exceeds ratioFree bytes.
const (
	ratioMax  = 100
	ratioFree = 1 << 20
)

var errRatio = fmt.Errorf("httpc: a body has been compressed more than %d times: %w", ratioMax, chanio.ErrTooLarge)

// decoded is a body that is decoded as it is read. The decoder is created by the first Read.
type decoded struct {
	coding Coding
	below  io.ReadCloser

	in, out int64

	mu      sync.Mutex // Close may run concurrently with Read
	r       io.ReadCloser
	err     error
	reading bool
	closed  bool
}

func (d *decoded) Read(p []byte) (n int, err error) {
	r, err := d.begin()
	if err != nil {
		return 0, err
	}
	defer d.end(&err)
	if r == nil {
		if r, err = d.open(); err != nil {
			return 0, err
		}
	}
	n, err = r.Read(p)
	d.out += int64(n)
	if d.out > ratioFree && d.out > d.in*ratioMax {
		return 0, errRatio
	}
	return n, err
}

func (d *decoded) begin() (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, http.ErrBodyReadAfterClose
	case d.err != nil:
		return nil, d.err
	}
	d.reading = true
	return d.r, nil
}

// open creates the decoder.
func (d *decoded) open() (io.ReadCloser, error) {
	r, err := d.coding.NewReader(counted{d})
	if err == io.EOF && d.in > 0 { // an empty body is valid in every coding
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.r = r
	return r, nil
}

// end ends a Read. It closes the decoder if no further Read follows.
func (d *decoded) end(err *error) {
	d.mu.Lock()
	d.reading = false
	if *err != nil && d.err == nil {
		d.err = *err
	}
	r := d.takeLocked()
	d.mu.Unlock()
	closeDecoder(r)
}

// takeLocked returns the decoder to close, if the body is over and no Read is in progress. It returns it only once.
func (d *decoded) takeLocked() io.Closer {
	if d.r == nil || d.reading || !d.closed && d.err == nil {
		return nil
	}
	r := d.r
	d.r = nil
	return r
}

// closeDecoder closes the result of takeLocked.
func closeDecoder(r io.Closer) {
	if r != nil {
		_ = r.Close() // Read has returned the error
	}
}

// cut ends the body with err, because its connection was ended while no Read was in progress.
func (d *decoded) cut(err error) {
	d.mu.Lock()
	if d.err == nil {
		d.err = err
	}
	r := d.takeLocked()
	d.mu.Unlock()
	closeDecoder(r)
}

// counted reads the encoded body and counts its bytes.
type counted struct{ d *decoded }

func (c counted) Read(p []byte) (int, error) {
	n, err := c.d.below.Read(p)
	c.d.in += int64(n)
	return n, err
}

// Close closes the body.
func (d *decoded) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	r := d.takeLocked() // nil during a Read, which closes it
	d.mu.Unlock()
	if closed {
		return nil
	}
	err := d.below.Close() // first, since it ends a Read in progress
	closeDecoder(r)
	return err
}
