package httpd

import (
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// DecompressConfig configures [Decompress]. A nil *DecompressConfig and the zero value use the defaults.
type DecompressConfig struct {
	// Codings holds further codings besides gzip and deflate: for each name, a function that returns a decompressing
	// reader. A reader that is an io.Closer is closed once, after the last Read: when the body has ended or failed, is
	// closed, or the handler has returned.
	Codings map[string]func(io.Reader) (io.Reader, error)

	// MaxRatio limits the ratio of decompressed to compressed bytes, once more than 1 MiB has been decompressed. 0
	// means 100.
	MaxRatio int

	// MaxBody limits the length of a decompressed body. 0 means no limit besides MaxRatio.
	MaxBody int64
}

// ratioFrom is the decompressed length from which the ratio is checked.
const ratioFrom = 1 << 20

// Decompress returns a handler that passes request bodies to next decompressed, without Content-Encoding and of unknown
// length. A request with an unknown coding, or with several, is answered 415 with a list of the supported ones. A body
// that is larger than cfg permits fails with an error that matches [chanio.ErrTooLarge] and counts as 413; a corrupt
// one fails with a [*RequestError] of status 400. cfg may be nil.
func Decompress(next http.Handler, cfg *DecompressConfig) http.Handler {
	if next == nil {
		panic("httpd: Decompress: next is nil")
	}
	h := &decompressor{next: next, codings: map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
	}}
	if cfg != nil {
		h.cfg = *cfg
	}
	h.cfg.MaxRatio = cmp.Or(h.cfg.MaxRatio, 100)
	names := []string{"gzip", "deflate"}
	for name, open := range h.cfg.Codings {
		if h.codings[name] == nil {
			names = append(names, name)
		}
		h.codings[name] = open
	}
	h.accepted = strings.Join(names, ", ")
	return h
}

// decompressor is the handler that Decompress returns.
type decompressor struct {
	next     http.Handler
	cfg      DecompressConfig
	codings  map[string]func(io.Reader) (io.Reader, error)
	accepted string
}

func (h *decompressor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.ToLower(strings.Trim(strings.Join(r.Header.Values("Content-Encoding"), ","), " \t"))
	if name == "" || name == "identity" || r.ContentLength == 0 {
		h.next.ServeHTTP(w, r)
		return
	}
	if name == "x-gzip" {
		name = "gzip"
	}
	open := h.codings[name]
	if open == nil {
		w.Header().Set("Accept-Encoding", h.accepted)
		http.Error(w, http.StatusText(http.StatusUnsupportedMediaType), http.StatusUnsupportedMediaType)
		return
	}
	plain := new(http.Request)
	*plain = *r
	plain.Header = r.Header.Clone()
	plain.Header.Del("Content-Encoding")
	plain.Header.Del("Content-Length")
	plain.ContentLength = -1
	body := &unpackedBody{packed: &countingReader{r: r.Body}, body: r.Body, open: open, cfg: &h.cfg, from: r, to: plain}
	plain.Body = body
	defer body.end()
	trailersTo(plain, r.Body)
	defer func() { r.Trailer, r.MultipartForm = plain.Trailer, plain.MultipartForm }() // the server removes its files
	h.next.ServeHTTP(w, plain)
}

// countingReader counts the bytes read and keeps the error of reading.
type countingReader struct {
	r   io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// unpackedBody is the decompressed body of a request.
type unpackedBody struct {
	packed *countingReader
	body   io.ReadCloser
	open   func(io.Reader) (io.Reader, error)
	cfg    *DecompressConfig
	plain  io.Reader
	n      int64
	err    error

	from, to *http.Request // where trailers are copied

	mu      sync.Mutex // guards the end against a concurrent Read
	reading bool
	ended   bool // no more Reads
	let     bool // plain has been released
}

func (b *unpackedBody) Read(p []byte) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	if b.plain == nil {
		plain, err := b.open(b.packed)
		if err != nil {
			return 0, b.fail(err)
		}
		b.plain = plain
	}
	n, err = b.plain.Read(p)
	b.n += int64(n)
	switch {
	case b.cfg.MaxBody > 0 && b.n > b.cfg.MaxBody,
		b.n > ratioFrom && b.n/int64(b.cfg.MaxRatio) > b.packed.n:
		b.err = refusef(http.StatusRequestEntityTooLarge, "decompressed body: %w", chanio.ErrTooLarge)
		return 0, b.err
	case err != nil:
		return n, b.fail(err)
	}
	return n, nil
}

func (b *unpackedBody) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return b.err
	case b.ended:
		return http.ErrBodyReadAfterClose
	}
	b.reading = true
	return nil
}

func (b *unpackedBody) leave() {
	b.mu.Lock()
	b.reading = false
	b.letGoAndUnlock()
}

// end ends the body. plain is released at the latest when the current Read returns.
func (b *unpackedBody) end() {
	b.mu.Lock()
	b.ended = true
	b.letGoAndUnlock()
}

// letGoAndUnlock closes the decompressing reader if no Read is using it.
func (b *unpackedBody) letGoAndUnlock() {
	over := !b.reading && !b.let && (b.ended || b.err != nil)
	b.let = b.let || over
	b.mu.Unlock()
	if !over {
		return // a Read may be using plain
	}
	if c, ok := b.plain.(io.Closer); ok {
		_ = c.Close() // it reports what Read has reported
	}
}

// fail stores an error. Errors of the underlying body are passed on unchanged; others are the client's fault.
func (b *unpackedBody) fail(err error) error {
	switch {
	case b.packed.err != nil:
		err = b.packed.err
	case err == io.EOF && b.plain != nil:
		err = b.finish()
	default:
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		err = refusef(http.StatusBadRequest, "decompressing the body: %w", err)
	}
	b.err = err
	return err
}

// follow implements follower.
func (b *unpackedBody) follow(r *http.Request) {
	b.to = r
	trailersTo(r, b.body)
}

// finish reads the compressed body to its end, where the trailers are. The decompressing reader may have stopped
// before.
func (b *unpackedBody) finish() error {
	var more [1]byte
	n, err := io.ReadFull(b.packed, more[:])
	switch {
	case n > 0:
		return refusef(http.StatusBadRequest, "decompressing the body: there is more behind its end")
	case err != io.EOF:
		return err
	}
	if b.to.Trailer == nil { // another server knows only its own request
		b.to.Trailer = b.from.Trailer
	}
	return io.EOF
}

// Close closes the body.
func (b *unpackedBody) Close() error {
	err := b.body.Close() // first, because it may end a blocked Read
	b.end()
	return err
}
