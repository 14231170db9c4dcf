package httpd

import (
	"cmp"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// CompressConfig configures [Compress]. A nil *CompressConfig and the zero value use the defaults.
type CompressConfig struct {
	// Codings are the available codings, in the server's order of preference, which decides among those that a client
	// accepts with equal weight. nil means [Gzip] at level 5. The module servers/httpd/codings has br, zstd and faster
	// forms of gzip and deflate.
	Codings []Coding

	// MinSize is the length from which a body is compressed, unless it is flushed earlier. 0 means 1,024 bytes.
	MinSize int

	// Compressible reports whether bodies of a media type, in lower case and without parameters, should be compressed.
	// nil means text except text/event-stream, and JSON, JavaScript, XML, SVG, WebAssembly and the like.
	Compressible func(mediaType string) bool
}

// Coding is a content coding for compression, such as [Gzip]. Its writers are reused.
type Coding interface {
	// Name is the token of the content coding, such as "gzip": RFC 9110 8.4.1.
	Name() string

	// NewWriter returns a writer that compresses to w.
	NewWriter(w io.Writer) CodingWriter
}

// CodingWriter compresses one body after another. The writers of compress/gzip, compress/zlib and compatible packages
// implement it.
type CodingWriter interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// Gzip returns the gzip coding of compress/gzip, at a level from 1, the fastest, to 9, the smallest.
func Gzip(level int) Coding {
	checkLevel("Gzip", level)
	return stdCoding{"gzip", func(w io.Writer) CodingWriter {
		z, _ := gzip.NewWriterLevel(w, level) // the level has been checked
		return z
	}}
}

// Deflate returns the deflate coding of compress/zlib, at a level from 1, the fastest, to 9, the smallest.
func Deflate(level int) Coding {
	checkLevel("Deflate", level)
	return stdCoding{"deflate", func(w io.Writer) CodingWriter {
		z, _ := zlib.NewWriterLevel(w, level) // the level has been checked
		return z
	}}
}

func checkLevel(name string, level int) {
	if level < flate.BestSpeed || level > flate.BestCompression {
		panic(fmt.Sprintf("httpd: %s: level must be 1 to 9, got %d", name, level))
	}
}

type stdCoding struct {
	name string
	new  func(io.Writer) CodingWriter
}

func (c stdCoding) Name() string                       { return c.name }
func (c stdCoding) NewWriter(w io.Writer) CodingWriter { return c.new(w) }

// Compress returns a handler that compresses the replies of next with a coding that the client accepts. Such a reply
// has Content-Encoding and Vary, no Content-Length, and a weak ETag, if any. Replies that are short, partial or of
// other media types, that have a Content-Encoding or Cache-Control: no-transform, or whose handler called
// [NoCompression], are not compressed.
//
// Flushed data is sent at once, compressed. If a reply contains both a secret and text chosen by an attacker, its
// length reveals the secret (BREACH): call NoCompression for such replies. cfg may be nil.
func Compress(next http.Handler, cfg *CompressConfig) http.Handler {
	if next == nil {
		panic("httpd: Compress: next is nil")
	}
	h := &compressor{next: next}
	if cfg != nil {
		h.cfg = *cfg
	}
	if h.cfg.Codings == nil {
		h.cfg.Codings = []Coding{Gzip(5)}
	}
	h.cfg.MinSize = cmp.Or(h.cfg.MinSize, 1024)
	if h.cfg.Compressible == nil {
		h.cfg.Compressible = isCompressible
	}
	h.pools = make([]sync.Pool, len(h.cfg.Codings))
	return h
}

// NoCompression exempts the reply to w from [Compress], which it finds through Unwrap. It must be called before the first
// Write.
func NoCompression(w http.ResponseWriter) {
	for w != nil {
		if c, ok := w.(*compressWriter); ok {
			c.off = true
		}
		x, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = x.Unwrap()
	}
}

// isCompressible is the default of CompressConfig.Compressible.
func isCompressible(mediaType string) bool {
	kind, sub, _ := strings.Cut(mediaType, "/")
	switch {
	case mediaType == "text/event-stream":
		return false
	case kind == "text", strings.HasSuffix(sub, "+json"), strings.HasSuffix(sub, "+xml"), strings.HasSuffix(sub, "+text"):
		return true
	}
	return slices.Contains([]string{
		"application/json", "application/javascript", "application/xml", "application/wasm", "application/x-ndjson",
		"application/manifest+json", "application/x-javascript", "application/yaml", "font/ttf", "font/otf", "image/bmp",
		"image/x-icon", "image/vnd.microsoft.icon",
	}, mediaType)
}

// compressor is the handler that Compress returns.
type compressor struct {
	next  http.Handler
	cfg   CompressConfig
	pools []sync.Pool // of CodingWriters, one for each coding
}

func (h *compressor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &compressWriter{ResponseWriter: w, h: h, coding: h.choose(r), isHead: r.Method == http.MethodHead, length: -1}
	h.next.ServeHTTP(c, r) // not deferred: after a panic nothing is finished
	if own := unwrapped(w); own != nil {
		own.closeStreams() // while they can still be compressed
	}
	if err := c.finish(); err != nil {
		if !isGone(w, r, err) {
			report(w, r, "compression", err)
		}
		cut()
	}
}

// choose returns the index of the coding that the client of r prefers, or -1.
func (h *compressor) choose(r *http.Request) int {
	accepted := r.Header.Values("Accept-Encoding")
	best, chosen := max(1, quality(accepted, "identity")), -1
	for i, coding := range h.cfg.Codings {
		if q := quality(accepted, coding.Name()); q > best || q == best && chosen < 0 {
			best, chosen = q, i
		}
	}
	return chosen
}

// compressWriter is an http.ResponseWriter that compresses. It buffers the first bytes until it decides whether to.
type compressWriter struct {
	http.ResponseWriter
	h      *compressor
	coding int // -1 for none
	isHead bool
	off    bool

	status  int         // 0 until WriteHeader
	head    http.Header // as of then, if the handler may have changed it since
	kept    []byte
	decided bool
	packer  CodingWriter // nil if the body is not compressed
	length  int64        // that the handler declared for the compressed body, or -1
	written int64        // bytes of it
	excess  bool         // the handler has tried to write more than length
}

// Unwrap supports http.ResponseController.
func (c *compressWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressWriter) WriteHeader(status int) {
	switch {
	case c.status != 0:
		return
	case status < 200 && status != http.StatusSwitchingProtocols, status > 999:
		c.ResponseWriter.WriteHeader(status) // which panics if it is invalid
		return
	}
	c.start(status)
	c.hold()
}

// start begins a reply, and decides at once if nothing depends on its body.
func (c *compressWriter) start(status int) {
	c.status = status
	if !bodyAllowed(status) || c.off || c.Header().Get("Content-Length") != "" {
		c.decide(true, nil)
	}
}

// hold keeps the header while the decision waits: what the handler changes from now on concerns trailers.
func (c *compressWriter) hold() {
	if !c.decided && c.head == nil {
		c.head = maps.Clone(c.Header())
	}
}

func (c *compressWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.start(http.StatusOK)
	}
	if !c.decided {
		if len(c.kept)+len(p) < c.h.cfg.MinSize {
			c.kept = append(c.kept, p...)
			c.hold()
			return len(p), nil
		}
		if err := c.decideWith(p); err != nil {
			return 0, err
		}
	}
	return c.pass(p)
}

func (c *compressWriter) pass(p []byte) (int, error) {
	if c.packer == nil {
		return c.ResponseWriter.Write(p)
	}
	if c.excess = c.excess || c.length >= 0 && int64(len(p)) > c.length-c.written; c.excess {
		return 0, http.ErrContentLength // also for a shorter p, which would follow a gap
	}
	c.written += int64(len(p))
	return c.packer.Write(p)
}

// ReadFrom passes a body that is not compressed to the underlying writer, which may let the kernel send it.
func (c *compressWriter) ReadFrom(src io.Reader) (int64, error) {
	if c.status == 0 && c.Header().Get("Content-Length") != "" {
		c.start(http.StatusOK)
	}
	if below, ok := c.ResponseWriter.(io.ReaderFrom); ok && c.decided && c.packer == nil {
		return below.ReadFrom(src)
	}
	return io.Copy(onlyWriter{c}, src)
}

// decideWith decides for a large or a flushed body, given that p follows the buffered bytes, and writes the latter.
func (c *compressWriter) decideWith(p []byte) error {
	c.decide(true, p)
	if len(c.kept) == 0 {
		return nil
	}
	_, err := c.pass(c.kept)
	c.kept = nil
	return err
}

// decide decides whether to compress, given that next follows the buffered bytes, and writes the head. large reports
// whether the body is known to reach MinSize.
func (c *compressWriter) decide(large bool, next []byte) {
	c.decided = true
	live, head := c.Header(), c.head
	changed := head != nil && !maps.EqualFunc(head, live, slices.Equal)
	if !changed {
		head = live
	}
	c.detectType(head, next)
	c.adapt(head, large)
	if !changed {
		c.ResponseWriter.WriteHeader(c.status)
		return
	}
	later := maps.Clone(live)
	clear(live)
	maps.Copy(live, head)
	c.ResponseWriter.WriteHeader(c.status)
	clear(live)
	maps.Copy(live, later)
}

// detectType sets the Content-Type in h, as the server does, unless the handler has encoded the body, or set or
// suppressed the type.
func (c *compressWriter) detectType(h http.Header, next []byte) {
	if _, ok := h["Content-Type"]; ok || h.Get("Content-Encoding")+h.Get("Transfer-Encoding") != "" {
		return
	}
	body := next
	if len(c.kept) > 0 {
		body = append(c.kept, next[:min(len(next), 512)]...)
	}
	if len(body) > 0 {
		h.Set("Content-Type", http.DetectContentType(body))
	}
}

// adapt makes the decision for a reply with header h, and changes h accordingly.
func (c *compressWriter) adapt(h http.Header, large bool) {
	if !c.mayCompress(h) {
		return
	}
	addVary(h, "Accept-Encoding")
	switch {
	case c.coding < 0:
	case c.status == http.StatusNotModified:
		weakenTag(h)
	case large:
		c.begin(h)
	}
}

// mayCompress reports whether a reply with header h would be compressed for some client.
func (c *compressWriter) mayCompress(h http.Header) bool {
	if c.off || h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" || hasDirective(h, "no-transform") {
		return false
	}
	switch c.status {
	case http.StatusNotModified:
		return true // like the reply with a body
	case http.StatusPartialContent:
		return false // several ranges have no Content-Range
	}
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n < int64(c.h.cfg.MinSize) {
		return false
	}
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return bodyAllowed(c.status) && c.h.cfg.Compressible(strings.ToLower(strings.Trim(mediaType, " \t")))
}

func hasDirective(h http.Header, directive string) bool {
	for _, field := range h.Values("Cache-Control") {
		for item := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), directive) {
				return true
			}
		}
	}
	return false
}

// begin sets the header fields of a compressed reply and creates the writer.
func (c *compressWriter) begin(h http.Header) {
	coding := c.h.cfg.Codings[c.coding]
	h.Set("Content-Encoding", coding.Name())
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil {
		c.length = n
	}
	h.Del("Content-Length")
	h.Del("Accept-Ranges")
	weakenTag(h)
	if c.isHead {
		c.packer = noWriter{} // the length of what the handler writes is not that of the compressed body
		return
	}
	if z, ok := c.h.pools[c.coding].Get().(CodingWriter); ok {
		z.Reset(c.ResponseWriter)
		c.packer = z
		return
	}
	c.packer = coding.NewWriter(c.ResponseWriter)
}

// weakenTag makes an ETag weak, because the compressed bytes differ.
func weakenTag(h http.Header) {
	if tag := h.Get("Etag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		h.Set("Etag", "W/"+tag)
	}
}

// Flush calls FlushError and ignores the error.
func (c *compressWriter) Flush() { _ = c.FlushError() }

// FlushError sends what was written, compressed if the reply is.
func (c *compressWriter) FlushError() error {
	if c.status == 0 {
		c.start(http.StatusOK)
	}
	if !c.decided {
		if err := c.decideWith(nil); err != nil {
			return err
		}
	}
	if c.packer != nil {
		if err := c.packer.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// finish ends the body.
func (c *compressWriter) finish() (err error) {
	switch {
	case c.status == 0:
		return nil // the server answers, or the connection was hijacked
	case !c.decided:
		c.decide(c.isHead && len(c.kept) == 0, nil) // a handler may write nothing in reply to HEAD
		if len(c.kept) > 0 {
			_, err = c.ResponseWriter.Write(c.kept)
		}
		if errors.Is(err, http.ErrBodyNotAllowed) || errors.Is(err, http.ErrContentLength) {
			err = nil // an error of the handler, as without Compress
		}
		return err
	case c.packer == nil, c.isHead:
		return nil
	case c.written < c.length:
		return errShort // Content-Length is not sent, so the client could not detect it
	}
	packer := c.packer
	c.packer = noWriter{errFinished} // a handler that has kept c must not write to the reply of another request
	if err = packer.Close(); err == nil {
		packer.Reset(io.Discard)
		c.h.pools[c.coding].Put(packer)
	}
	return err
}

// noWriter takes the place of a CodingWriter: in reply to HEAD, and when that one is used for other replies.
type noWriter struct{ err error }

func (w noWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w noWriter) Flush() error  { return w.err }
func (w noWriter) Close() error  { return w.err }
func (noWriter) Reset(io.Writer) {}
