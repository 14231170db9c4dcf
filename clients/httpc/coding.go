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

// gzipCoding is the one that every client has.
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

// undoCoding has the body decoded, if compression was not the caller's idea. What it was is still in ContentEncoding of a
// Response; net/http's takes the field away.
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

// The bound of what a compressed body may become: ratioMax times what came, after the first ratioFree bytes.
const (
	ratioMax  = 100
	ratioFree = 1 << 20
)

var errRatio = fmt.Errorf("httpc: a body has been compressed more than %d times: %w", ratioMax, chanio.ErrTooLarge)

// decoded is a body whose coding is undone. Nothing is read before somebody asks.
type decoded struct {
	coding Coding
	below  io.ReadCloser

	in, out int64

	mu      sync.Mutex // of Close beside Read
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

// open makes what decodes.
func (d *decoded) open() (io.ReadCloser, error) {
	r, err := d.coding.NewReader(counted{d})
	if err == io.EOF && d.in > 0 { // a body without a byte is whole, whatever its coding
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

// end ends a Read. What decodes is closed behind the last one.
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

// takeLocked returns what decodes if nobody reads from it any more, which is so once.
func (d *decoded) takeLocked() io.Closer {
	if d.r == nil || d.reading || !d.closed && d.err == nil {
		return nil
	}
	r := d.r
	d.r = nil
	return r
}

// closeDecoder closes what takeLocked has returned.
func closeDecoder(r io.Closer) {
	if r != nil {
		_ = r.Close() // says again what Read has said
	}
}

// cut ends the body with err: that of the connection was ended while nobody read it.
func (d *decoded) cut(err error) {
	d.mu.Lock()
	if d.err == nil {
		d.err = err
	}
	r := d.takeLocked()
	d.mu.Unlock()
	closeDecoder(r)
}

// counted is the coded body.
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
	r := d.takeLocked() // nothing if somebody reads, whose end sees to it
	d.mu.Unlock()
	if closed {
		return nil
	}
	err := d.below.Close() // first: it ends a Read under way
	closeDecoder(r)
	return err
}
