package httpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/http1"
)

// Body is the body of a request. The zero Body is empty. A Body of bytes, of a file, or of parts made of these is
// repeatable, for redirects and retries; a Body of a Source or an io.Reader can be sent once.
type Body struct {
	contentType string
	boundary    string // of Multipart
	length      int64  // -1 if unknown
	open        func(ctx context.Context) (io.ReadCloser, error)
	once        bool
	bytes       []byte // instead of open
	err         error
}

func (b Body) isSet() bool { return b.open != nil || b.bytes != nil || b.err != nil }

// As returns the Body with another Content-Type. That of a Multipart, such as multipart/mixed, gets its boundary.
func (b Body) As(contentType string) Body {
	if b.boundary != "" && contentType != "" {
		contentType += "; boundary=" + b.boundary
	}
	b.contentType = contentType
	return b
}

// WithProgress returns the Body with a function that is called after each piece with the number of bytes taken so far,
// by the sending goroutine.
func (b Body) WithProgress(f func(sent int64)) Body {
	if b.err != nil {
		return b
	}
	plain := b
	b.bytes = nil
	b.open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := plain.reader(ctx)
		if err != nil {
			return nil, err
		}
		return &progress{ReadCloser: r, tell: f}, nil
	}
	return b
}

// progress reports how much has been read.
type progress struct {
	io.ReadCloser
	tell func(int64)
	n    int64
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if n > 0 {
		p.n += int64(n)
		p.tell(p.n)
	}
	return n, err
}

// reader returns the bytes of the Body.
func (b Body) reader(ctx context.Context) (io.ReadCloser, error) {
	switch {
	case b.err != nil:
		return nil, b.err
	case b.open != nil:
		return b.open(ctx)
	}
	return newBytesBody(b.bytes), nil
}

// discard closes a body that is not sent, if it can be read only once.
func (b Body) discard(ctx context.Context) {
	if !b.once {
		return
	}
	if r, err := b.open(ctx); err == nil {
		_ = r.Close()
	}
}

// attach sets b as the body of r.
func (b Body) attach(r *http.Request) error {
	if !b.isSet() {
		return nil
	}
	body, err := b.reader(r.Context())
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = body, b.length
	if b.length == 0 {
		r.Body = http.NoBody
		return closeEmpty(body)
	}
	if !b.once {
		ctx := r.Context()
		r.GetBody = func() (io.ReadCloser, error) { return b.reader(ctx) }
	}
	return nil
}

// closeEmpty closes a body of length 0. Where a Read cannot block, it returns an error if the body has a byte.
func closeEmpty(body io.ReadCloser) error {
	defer func() { _ = body.Close() }()
	plain := io.Reader(body)
	if p, ok := body.(*progress); ok {
		plain = p.ReadCloser
	}
	if !inMemory(plain) && !isRegular(plain) {
		return nil
	}
	if n, _ := plain.Read(make([]byte, 1)); n > 0 {
		return http1.ErrBodyTooLong
	}
	return nil
}

func isRegular(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// Bytes returns a Body of p, which must not change while it is in use. Its type is application/octet-stream.
func Bytes(p []byte) Body {
	if p == nil {
		p = []byte{}
	}
	return Body{contentType: "application/octet-stream", length: int64(len(p)), bytes: p}
}

// Text returns a Body of UTF-8 text.
func Text(s string) Body { return Bytes([]byte(s)).As("text/plain; charset=utf-8") }

// JSON returns a Body of v as JSON.
func JSON(v any) Body {
	p, err := json.Marshal(v)
	if err != nil {
		return Body{err: err}
	}
	return Bytes(p).As("application/json")
}

// Form returns a Body of parameters, encoded as an HTML form.
func Form(p Params, style Style) Body {
	text, err := p.Encode(style)
	if err != nil {
		return Body{err: err}
	}
	return Bytes([]byte(text)).As("application/x-www-form-urlencoded")
}

// Reader returns a Body of the length bytes of r; a negative length means that it is unknown. If r is an io.Closer, it
// is closed after use. A Read that never returns keeps its goroutine. Sending the Body again is an error.
func Reader(r io.Reader, length int64) Body {
	rc, ok := r.(io.ReadCloser)
	if !ok {
		rc = io.NopCloser(r)
	}
	sent := new(atomic.Bool)
	return Body{
		contentType: "application/octet-stream", length: max(length, -1), once: true,
		open: func(context.Context) (io.ReadCloser, error) {
			if sent.Swap(true) {
				return nil, invalid("a Body of an io.Reader is sent for the second time")
			}
			return rc, nil
		},
	}
}

// Stream returns a Body of unknown length of the bytes of src. The request owns src and closes it. Sending the
// Body again is an error.
func Stream(src *chanio.Source[[]byte]) Body {
	sent := new(atomic.Bool)
	return Body{
		contentType: "application/octet-stream", length: -1, once: true,
		open: func(ctx context.Context) (io.ReadCloser, error) {
			if sent.Swap(true) {
				return nil, invalid("a Body of a Source is sent for the second time")
			}
			return newSourceBody(ctx, src), nil
		},
	}
}

// Encoded returns a Body of the values of src, encoded by c one by one as they arrive.
func Encoded[T any](src *chanio.Source[T], c codec.Codec[T]) Body {
	up := src.Claim("httpc.Encoded")
	return Stream(chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: func(ctx context.Context) ([]byte, error) {
			v, err := up.Next(ctx)
			if err != nil {
				return nil, err
			}
			return c.Append(nil, v)
		},
		Close: up.Close,
	}))
}

// File returns a Body of a regular file, whose type follows from its name. The file is opened when it is sent.
func File(path string) Body {
	info, err := os.Stat(path)
	if err != nil {
		return Body{err: err}
	}
	if !info.Mode().IsRegular() {
		return Body{err: &os.PathError{Op: "send", Path: path, Err: errors.New("not a regular file")}}
	}
	contentType := mime.TypeByExtension(filepath.Ext(path))
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return Body{
		contentType: contentType, length: info.Size(),
		open: func(context.Context) (io.ReadCloser, error) { return os.Open(path) },
	}
}
