package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/http1"
)

// Response is a reply as a value, for [Reply] and [Request.Reply]. The functions that make one set a Content-Type where
// they can determine it. A status of 0 means 200, or 204 without a body.
//
// A Response with a stream, a reader or a file owns it and can be used once. Every path of a reply closes it; a
// Response that is not replied must be closed with [Response.Close].
type Response struct {
	Status int
	Header http.Header

	body  body
	later *future.Future[Response]
	err   error // the error of a function that made it

	trailers map[string]func() string
}

// body is the body of a Response.
type body interface {
	// length returns the number of bytes, or -1.
	length() int64

	// send sends the body. The header has been set on w but not written.
	send(w http.ResponseWriter, r *http.Request, status int) error

	close() error
}

// With returns a copy of resp with a field of the header set to value, replacing earlier values.
func (resp Response) With(name, value string) Response {
	resp.Header = maps.Clone(resp.Header)
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	resp.Header.Set(name, value)
	return resp
}

// WithStatus returns a copy of resp with the given status.
func (resp Response) WithStatus(status int) Response {
	resp.Status = status
	return resp
}

// Close closes the stream, reader or file of a Response that is not replied, also one from [Later].
func (resp Response) Close() error {
	if resp.later != nil {
		closeLater(resp.later)
		return nil
	}
	if resp.body != nil {
		return resp.body.close()
	}
	return nil
}

func closeLater(f *future.Future[Response]) {
	future.Then(f, func(resp Response) (struct{}, error) { return struct{}{}, resp.Close() })
}

// Text returns a Response of text, as text/plain in UTF-8.
func Text(text string) Response { return typed(typeText, bytesBody(text)) }

// Bytes returns a Response of p, whose type is detected from its first bytes unless it is set. p must not be modified
// until it has been sent.
func Bytes(p []byte) Response { return Response{body: bytesBody(p)} }

// JSON returns a Response of v as encoding/json encodes it, as application/json. If v cannot be encoded, Reply handles
// the error.
func JSON[T any](v T) Response {
	p, err := json.Marshal(v)
	if err != nil {
		return Response{err: err}
	}
	return typed("application/json", bytesBody(p))
}

// TextStream returns a Response of the texts of src, as text/plain in UTF-8. They are sent as they arrive; texts that
// are available together are sent together. A src that fails truncates the reply, so that it does not look complete.
func TextStream(src *chanio.Source[string]) Response {
	return typed(typeText, newSourceBody(src, func(dst []byte, s string) ([]byte, error) { return append(dst, s...), nil }))
}

// ByteStream returns a Response of the bytes of src, as application/octet-stream, sent as [TextStream] does.
func ByteStream(src *chanio.Source[[]byte]) Response {
	return typed(typeBytes, newSourceBody(src, func(dst, p []byte) ([]byte, error) { return append(dst, p...), nil }))
}

// NDJSON returns a Response of the values of src as lines of JSON, as application/x-ndjson, sent as [TextStream] does.
// A value that cannot be encoded truncates the reply.
//
// If src does not end by itself, end it when the ctx passed to Serve ends; otherwise a shutdown waits for the reply until
// its deadline, and aborts it.
func NDJSON[T any](src *chanio.Source[T]) Response {
	return typed("application/x-ndjson", newSourceBody(src, func(dst []byte, v T) ([]byte, error) {
		p, err := json.Marshal(v)
		if err != nil {
			return dst, err
		}
		return append(append(dst, p...), '\n'), nil
	}))
}

// Encoded returns a Response of the values of src, encoded by c, as application/octet-stream, sent as [TextStream]
// does. A value that cannot be encoded truncates the reply.
func Encoded[T any](src *chanio.Source[T], c codec.Codec[T]) Response {
	return typed(typeBytes, newSourceBody(src, func(dst []byte, v T) ([]byte, error) { return codec.MarshalAppend(c, dst, &v) }))
}

// Reader returns a Response of the bytes of r, as application/octet-stream. It has a Content-Length if r has a method
// Len, as *bytes.Reader and *strings.Reader do, or if the header sets one. An r that is an io.Closer is closed,
// possibly during a Read if the client disconnects. The result of each Read is sent before the next.
func Reader(r io.Reader) Response { return typed(typeBytes, newReaderBody(r)) }

// Later returns the Response that f will yield. The handler waits for it, until the client disconnects; a Response that
// f yields after that is closed. If f fails, Reply handles the error.
func Later(f *future.Future[Response]) Response { return Response{later: f} }

const (
	typeText  = "text/plain; charset=utf-8"
	typeBytes = "application/octet-stream"
)

func typed(contentType string, b body) Response {
	return Response{Header: http.Header{"Content-Type": {contentType}}, body: b}
}

// resolved returns resp, or the Response that its future yields.
func (resp Response) resolved(ctx context.Context) (Response, error) {
	for resp.later != nil {
		next, err := resp.later.Await(ctx)
		if err != nil {
			if ctx.Err() != nil {
				closeLater(resp.later)
			}
			return Response{}, err
		}
		resp = next.over(resp)
	}
	return resp, resp.err
}

// over returns resp with the status and header of outer applied.
func (resp Response) over(outer Response) Response {
	if outer.Status != 0 {
		resp.Status = outer.Status
	}
	for name, values := range outer.Header {
		if len(values) > 0 {
			resp = resp.With(name, values[0])
			resp.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	for name, value := range outer.trailers {
		resp = resp.WithTrailer(name, value)
	}
	return resp
}

// errInvalid is wrapped by the errors of an invalid Response.
var errInvalid = errors.New("invalid Response")

// check validates status and header. RFC 9110 5.5: a CR, LF or NUL must not be sent.
func (resp Response) check() error {
	if resp.Status != 0 && (resp.Status < 200 || resp.Status > 999) {
		return fmt.Errorf("httpd: %w: status %d", errInvalid, resp.Status)
	}
	for name, values := range resp.Header {
		if !http1.ValidToken(name) {
			return fmt.Errorf("httpd: %w: field name %q", errInvalid, name)
		}
		for _, value := range values {
			if !http1.ValidValue(strings.Trim(value, " \t")) {
				return fmt.Errorf("httpd: %w: value of %s %q", errInvalid, name, value)
			}
		}
	}
	if err := resp.checkTrailers(); err != nil {
		return err
	}
	return resp.checkFraming()
}

// checkFraming validates the fields that frame the body.
func (resp Response) checkFraming() error {
	var declared []string
	for name, values := range resp.Header { // in any letter case, since the map may be filled without Set
		switch known := http1.Lookup(name); {
		case known == http1.ContentLength:
			declared = append(declared, values...)
		case known == http1.TransferEncoding && len(values) > 0:
			return fmt.Errorf("httpd: %w: Transfer-Encoding is the server's", errInvalid)
		}
	}
	if len(declared) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(declared[0], 10, 63)
	if err != nil || len(declared) > 1 {
		return fmt.Errorf("httpd: %w: Content-Length %q", errInvalid, declared)
	}
	if resp.body != nil && resp.body.length() >= 0 && resp.body.length() != int64(n) {
		return fmt.Errorf("httpd: %w: Content-Length %d of a body of %d bytes", errInvalid, n, resp.body.length())
	}
	return nil
}

// bytesBody is a body in memory.
type bytesBody []byte

func (b bytesBody) length() int64 { return int64(len(b)) }
func (b bytesBody) close() error  { return nil }

func (b bytesBody) send(w http.ResponseWriter, _ *http.Request, status int) error {
	w.WriteHeader(status)
	if _, err := w.Write(b); err != nil {
		return begun{err}
	}
	return nil
}
