package httpd

import (
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unpack"
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
	body := &unpackedBody{packed: r.Body, from: r, to: plain}
	body.Init(r.Body, unpack.Config{
		Open: open, Judge: body.judge, MaxRatio: h.cfg.MaxRatio, MaxBody: h.cfg.MaxBody, TooLarge: errUnpacked,
	})
	plain.Body = body
	defer body.End(http.ErrBodyReadAfterClose)
	trailersTo(plain, r.Body)
	defer func() { r.Trailer, r.MultipartForm = plain.Trailer, plain.MultipartForm }() // the server removes its files
	h.next.ServeHTTP(w, plain)
}

// unpackedBody is the decompressed body of a request.
type unpackedBody struct {
	unpack.Body
	packed   io.Reader
	from, to *http.Request // where trailers are copied
}

var errUnpacked = refusef(http.StatusRequestEntityTooLarge, "decompressed body: %w", chanio.ErrTooLarge)

// judge returns the error of a Read. Errors of decompressing are the client's fault.
func (b *unpackedBody) judge(err error, opened bool) error {
	if err == io.EOF && opened {
		return b.finish()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return refusef(http.StatusBadRequest, "decompressing the body: %w", err)
}

// finish reads the compressed body to its end, where the trailers are. The decompressing reader may have stopped
// before.
func (b *unpackedBody) finish() error {
	switch more, err := b.Rest(); {
	case more:
		return refusef(http.StatusBadRequest, "decompressing the body: there is more behind its end")
	case err != io.EOF:
		return err
	}
	if b.to.Trailer == nil { // another server knows only its own request
		b.to.Trailer = b.from.Trailer
	}
	return io.EOF
}

// follow implements follower.
func (b *unpackedBody) follow(r *http.Request) {
	b.to = r
	trailersTo(r, b.packed)
}
