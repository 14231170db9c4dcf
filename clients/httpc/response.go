package httpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// Response is the response of a server. Read its body with one of Body, Lines, Text, Bytes, Into and Reader, or close
// it unread. Close may be called by any goroutine at any time.
type Response struct {
	Status          int    // 100 to 999; treat 600 and above as server errors
	Proto           string // HTTP/1.0, HTTP/1.1 or HTTP/2.0
	Header          http.Header
	ContentLength   int64    // of the body as it is read; -1 if unknown
	ContentEncoding []string // as sent by the server, even if decoded
	URL             *url.URL // the URL requested last
	TLS             *tls.ConnectionState

	// Body yields the body in pieces as they arrive. When it ends or is closed, the connection is released.
	Body *chanio.Source[[]byte]

	// Informational holds the preceding responses with a status below 200, and History the redirects followed.
	Informational []Informational
	History       []Hop

	call  *call
	raw   *http.Response
	limit int64
	lines *chanio.Source[string] // of Lines, or nil
}

// Informational is an informational (1xx) response (RFC 9110 15.2).
type Informational struct {
	Status int
	Header http.Header
}

// OK reports whether the status is 200 to 299.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// HTTP returns the response as an http.Response with the same body: only one of the two can be read.
func (r *Response) HTTP() *http.Response {
	_, ending := r.raw.Body.(*endingBody)
	if _, writable := r.raw.Body.(io.Writer); !ending && !writable {
		r.raw.Body = &endingBody{r.raw.Body, r.call.end}
	}
	return r.raw
}

// endingBody is a body that calls end when it has ended or failed, or is closed.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// Trailer returns the trailers, once the body has been read to its end.
func (r *Response) Trailer() http.Header { return r.raw.Trailer }

// Cookies returns the cookies that the response sets, parsed as in RFC 6265 5.2, including names and values that
// net/http drops.
func (r *Response) Cookies() []*http.Cookie { return setCookies(r.raw.Header) }

// Timing returns the durations of the phases, if Request.Timing was set.
func (r *Response) Timing() Timing {
	if r.call.timing == nil {
		return Timing{}
	}
	return r.call.timing.get()
}

// Err returns why the body ended, like Source.Err. After Lines it is the Err of that Source.
func (r *Response) Err() error {
	if r.lines != nil {
		return r.lines.Err()
	}
	return r.Body.Err()
}

// Close ends the body, also while another goroutine reads it. The connection is reused if the rest of the body is
// short.
func (r *Response) Close() error {
	err := r.Body.Close()
	r.call.end()
	return err
}

// Reader returns the body as an io.Reader. ctx bounds every Read.
func (r *Response) Reader(ctx context.Context) io.ReadCloser { return chanio.NewReader(ctx, r.Body) }

// Lines returns the lines of the body, without line ends, of at most 64 KiB each: see [codec.Lines].
func (r *Response) Lines() *chanio.Source[string] {
	r.lines = codec.Decode(r.Body, codec.Lines)
	return r.lines
}

// Bytes reads the body to its end, limited by Config.MaxBody, and closes it.
func (r *Response) Bytes(ctx context.Context) ([]byte, error) {
	limit := int(r.limit)
	if limit < 0 || int64(limit) != r.limit {
		limit = math.MaxInt
	}
	p, err := chanio.ReadAll(ctx, r.Body, limit)
	if err == nil || ctx.Err() == nil {
		r.call.end()
	}
	return p, err
}

// Text is Bytes converted to UTF-8 from the charset of Content-Type, which defaults to UTF-8. A byte order mark takes
// precedence over a charset, and is not part of the text.
func (r *Response) Text(ctx context.Context) (string, error) {
	p, err := r.Bytes(ctx)
	if err != nil {
		return "", err
	}
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if charset == "" {
		return string(bytes.TrimPrefix(p, bom)), nil
	}
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return "", fmt.Errorf("httpc: the charset %q is not known", charset)
	}
	text, _, err := transform.Bytes(unicode.BOMOverride(enc.NewDecoder()), p)
	return string(text), err
}

// bom is the byte order mark in UTF-8.
var bom = []byte("\ufeff")

// Into decodes the JSON body into v with json.Unmarshal.
func (r *Response) Into(ctx context.Context, v any) error {
	p, err := r.Bytes(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(bytes.TrimPrefix(p, bom), v); err != nil {
		return fmt.Errorf("httpc: Into: body of type %q: %w", r.Header.Get("Content-Type"), err)
	}
	return nil
}

// StatusError is a response whose status makes it an error: 400 or above if StatusErrors is set, and refusals of
// Connect and Events.
type StatusError struct {
	Status int
	Header http.Header
	Body   []byte // its first 64 KiB, decoded like the Body of a Response
}

// Error returns the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("httpc: the server answers %d %s", e.Status, http.StatusText(e.Status))
}

// statusBody limits the bytes of the body in a StatusError.
const statusBody = 64 << 10

// statusError returns r as an error and closes it.
func (r *Response) statusError(x *call) error {
	e := &StatusError{Status: r.Status, Header: r.Header}
	for len(e.Body) < statusBody {
		p, err := r.Body.Recv(x)
		if err != nil {
			if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && x.Err() != nil {
				_ = r.Close()
				return err
			}
			break
		}
		e.Body = append(e.Body, p[:min(len(p), statusBody-len(e.Body))]...)
	}
	_ = r.Close()
	return e
}
