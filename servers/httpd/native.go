package httpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// NewNative returns a Server that passes requests to f. On HTTP/1 it creates no http.Request and no
// http.ResponseWriter, and allocates nothing for a short request and its reply; with other protocols an Exchange wraps
// these.
//
//	srv := httpd.NewNative(func(ctx context.Context, x httpd.Exchange) error {
//		return x.Reply(http.StatusOK, "text/plain; charset=utf-8", []byte("hello"))
//	}, nil)
//
// On HTTP/1 ctx is the connection's: it ends with the connection and has the values of Config.ConnContext. Otherwise it
// is the request's. An error of f is answered like an error of a [Reply] handler, or truncates the reply if that has
// started; so does a panic. If the body of an HTTP/1 request has been read, the answer is the default one, since
// Config.Error needs an http.Request. The limits, timeouts and hooks of cfg apply as for [New]; cfg may be nil.
func NewNative(f func(ctx context.Context, x Exchange) error, cfg *Config) *Server {
	if f == nil {
		panic("httpd: NewNative: f is nil")
	}
	s := New(nativeOver{f}, cfg)
	s.native = f
	return s
}

// Exchange is a request and its reply, in a Server made by [NewNative]. It is a value that is valid until its handler
// returns; its methods panic after that. Only one goroutine at a time may call them.
//
// The caller owns strings and slices, except those of methods whose names end in Borrowed: these are valid until the
// body is read or the handler returns, and must not be modified.
type Exchange struct {
	state      *exchange
	generation uint64
}

// exchange is the state of the exchanges of a connection, which are served one after another.
type exchange struct {
	conn       *conn
	generation atomic.Uint64 // odd while a handler runs
	resp       response
	body       requestBody
	req        http.Request // the members that body and resp use
	reading    bool         // the body is being read, and the head is gone
	from       origin

	over *exchangeOver // set if the protocol is not HTTP/1

	// Set once HTTP has been called.
	w   *response
	r   *http.Request
	ctx *requestContext
}

// valid returns the state. It panics if the handler has returned.
func (x Exchange) valid() *exchange {
	if x.state == nil || x.state.generation.Load() != x.generation {
		panic("httpd: an Exchange is used after its handler has returned")
	}
	return x.state
}

// head returns the head of the request. It panics if the body has been read.
func (x Exchange) head() *http1.RequestHead {
	e := x.valid()
	if e.reading {
		panic("httpd: the head of an Exchange is used after its body has been read")
	}
	return &e.conn.head
}

// Method returns the method of the request as the client spelled it.
func (x Exchange) Method() string {
	if o := x.valid().over; o != nil {
		return o.r.Method
	}
	switch m := x.head().Method(); string(m) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	case http.MethodHead:
		return http.MethodHead
	case http.MethodPut:
		return http.MethodPut
	default:
		return string(m)
	}
}

// Target returns the request target as received, such as "/path?query".
func (x Exchange) Target() string { return string(x.TargetBorrowed()) }

// TargetBorrowed is Target without a copy.
func (x Exchange) TargetBorrowed() []byte {
	if o := x.valid().over; o != nil {
		return []byte(o.r.RequestURI)
	}
	return x.head().Target()
}

// Host returns the authority of the request: that of the target if it has one, otherwise the Host field.
func (x Exchange) Host() string {
	if o := x.valid().over; o != nil {
		return o.r.Host
	}
	return string(x.head().Authority)
}

// Header returns the first value of a field, or "".
func (x Exchange) Header(name string) string {
	if o := x.valid().over; o != nil {
		return o.r.Header.Get(name)
	}
	return string(x.HeaderBorrowed(name))
}

// HeaderBorrowed is Header without a copy. It returns nil if there is no such field.
func (x Exchange) HeaderBorrowed(name string) []byte {
	if o := x.valid().over; o != nil {
		if values := o.r.Header.Values(name); len(values) > 0 {
			return []byte(values[0])
		}
		return nil
	}
	if name == "" {
		return nil
	}
	f := &x.head().Fields
	if known := http1.Lookup(name); known != http1.Unknown {
		value, _ := f.Get(known)
		return value
	}
	for i := range f.Len() {
		if f.Known(i) == http1.Unknown && equalFold(f.Name(i), name) {
			return f.Value(i)
		}
	}
	return nil
}

// equalFold reports whether two field names are equal, ignoring ASCII case.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if c, d := a[i], b[i]; c != d && (c|0x20 != d|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// HeadersBorrowed returns an iterator over all fields. On HTTP/1 they keep their order and spelling.
func (x Exchange) HeadersBorrowed() iter.Seq2[[]byte, []byte] {
	if o := x.valid().over; o != nil {
		return func(yield func(name, value []byte) bool) {
			for name, values := range o.r.Header {
				for _, value := range values {
					if !yield([]byte(name), []byte(value)) {
						return
					}
				}
			}
		}
	}
	f := &x.head().Fields
	return func(yield func(name, value []byte) bool) {
		for i := range f.Len() {
			if !yield(f.Name(i), f.Value(i)) {
				return
			}
		}
	}
}

// RemoteAddr returns the address of the client.
func (x Exchange) RemoteAddr() string {
	if o := x.valid().over; o != nil {
		return o.r.RemoteAddr
	}
	return x.valid().conn.remote
}

// Read reads the body of the request. It blocks until there is a byte, io.EOF is due, or ctx ends, which leaves the
// body unchanged. It returns the errors of an http.Request's Body. It invalidates what was borrowed from the head.
func (x Exchange) Read(ctx context.Context, p []byte) (int, error) {
	e := x.valid()
	if e.taken() {
		return 0, errHTTPTaken
	}
	e.reading = true
	if e.over != nil {
		return e.over.read(ctx, p)
	}
	if e.resp.body == nil {
		return 0, io.EOF
	}
	return e.body.readContext(ctx, p)
}

// ReadBody returns the whole body of the request. If it is longer than limit, the error matches [chanio.ErrTooLarge].
func (x Exchange) ReadBody(ctx context.Context, limit int) ([]byte, error) {
	var all []byte
	for {
		if len(all) == cap(all) {
			all = append(all, make([]byte, 512)...)[:len(all)]
		}
		n, err := x.Read(ctx, all[len(all):cap(all)])
		all = all[:len(all)+n]
		switch {
		case len(all) > limit:
			return nil, fmt.Errorf("httpd: body longer than %d bytes: %w", limit, chanio.ErrTooLarge)
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, err
		}
	}
}

var (
	errHTTPTaken = errors.New("httpd: the Exchange has been taken by HTTP")
	errReplied   = errors.New("httpd: the reply has begun")
)

// Set adds a field to the reply, before it starts. Connection and the fields that frame the body are reserved to the
// server. An invalid name or value is an error and changes nothing.
func (x Exchange) Set(name, value string) error {
	e := x.valid()
	if err := e.mayReply(); err != nil {
		return err
	}
	if err := checkField(name, value); err != nil {
		return err
	}
	e.add(http1.Lookup(name), name, value)
	return nil
}

// mayReply returns an error if the reply can no longer be changed.
func (e *exchange) mayReply() error {
	switch {
	case e.taken():
		return errHTTPTaken
	case e.began():
		return errReplied
	}
	return nil
}

// add adds a checked field to the reply.
func (e *exchange) add(known http1.Known, name, value string) {
	if e.over != nil {
		e.over.w.Header().Add(name, value)
		return
	}
	if e.resp.note(known, value) {
		e.conn.lines = http1.AppendField(e.conn.lines, name, value)
	}
}

// Reply answers with status and the whole body, of media type contentType; "" means to detect it from the body. It
// copies a short body, and returns when a long one has been accepted. The caller may then reuse body.
func (x Exchange) Reply(status int, contentType string, body []byte) error {
	if err := x.Begin(status, contentType, int64(len(body))); err != nil || len(body) == 0 {
		return err
	}
	_, err := x.Write(body)
	if err == http.ErrBodyNotAllowed {
		return nil
	}
	return err
}

// Begin starts a reply whose body follows with Write: length bytes, or any number if length is negative.
func (x Exchange) Begin(status int, contentType string, length int64) error {
	e := x.valid()
	w := &e.resp
	if err := e.mayReply(); err != nil {
		return err
	}
	switch {
	case status < 200 || status > 999:
		return fmt.Errorf("httpd: %w: status %d", errInvalid, status)
	case !http1.ValidValue(contentType):
		return errField("Content-Type", contentType)
	}
	w.status = status
	if contentType != "" {
		e.add(http1.ContentType, "Content-Type", contentType)
	}
	if e.over != nil {
		e.over.begin(status, length)
		return nil
	}
	if status == http.StatusNotModified && w.plan.hasType {
		e.conn.lines = withoutType(e.conn.lines)
	}
	w.wroteHeader, w.length = true, -1
	if w.body != nil {
		w.body.asked.replyBegins()
	}
	if length >= 0 && bodyAllowed(status) {
		w.length, w.plan.unsized = length, w.plan.hasTrailers && w.http11 && !w.isHead
	}
	return nil
}

// withoutType removes the Content-Type from field lines, for a status without one.
func withoutType(lines []byte) []byte {
	kept := lines[:0]
	for line := range bytes.SplitAfterSeq(lines, []byte("\r\n")) {
		if name, _, _ := bytes.Cut(line, []byte(":")); !http1.EqualFold(name, "content-type") {
			kept = append(kept, line...)
		}
	}
	return kept
}

// Write writes a part of the body, like http.ResponseWriter. It starts the reply with status 200 if that has not
// started.
func (x Exchange) Write(p []byte) (int, error) {
	e := x.valid()
	if e.taken() {
		return 0, errHTTPTaken
	}
	if !e.began() {
		if err := x.Begin(http.StatusOK, "", -1); err != nil {
			return 0, err
		}
	}
	if e.over != nil {
		return e.over.w.Write(p)
	}
	return e.resp.Write(p)
}

// Flush sends what was written. It returns when that has left the process; ctx bounds only the wait.
func (x Exchange) Flush(ctx context.Context) error {
	e := x.valid()
	if e.taken() {
		return errHTTPTaken
	}
	if !e.began() {
		if err := x.Begin(http.StatusOK, "", -1); err != nil {
			return err
		}
	}
	if e.over != nil {
		return e.over.flush(ctx)
	}
	return e.resp.flush(ctx)
}

// HTTP returns the exchange in the form that an [http.Handler] takes, so that any handler can answer it. It must be
// called before the body is read and the reply has started, and panics otherwise. From then on the other methods that
// read the body or write the reply return an error.
func (x Exchange) HTTP() (http.ResponseWriter, *http.Request) {
	e := x.valid()
	if !e.taken() && (e.reading || e.began()) {
		panic("httpd: HTTP is called after the body has been read or the reply has begun")
	}
	if e.over != nil {
		e.over.taken = true
		return e.over.w, e.over.r
	}
	if e.w == nil {
		e.takeHTTP()
	}
	return e.w, e.r
}

// taken reports whether HTTP has been called.
func (e *exchange) taken() bool { return e.w != nil || e.over != nil && e.over.taken }

// began reports whether the reply has started.
func (e *exchange) began() bool { return e.resp.wroteHeader || e.over != nil && e.over.w.begun() }
