package httpd

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/weir-go/weir/chanio"
)

// streamWriter is what the ResponseWriters of this package's server provide for streams, besides the methods of
// net/http's. Its methods, except abort, are called by one goroutine at a time.
type streamWriter interface {
	http.ResponseWriter

	// begun reports whether the reply has started, or the connection has been taken over.
	begun() bool

	// put writes p as one piece, after what was written before. It may return before p is sent. ctx bounds the wait for
	// space: if it ends first, nothing of p is written and the reply remains usable.
	put(ctx context.Context, p []byte) error

	// flush returns when everything written has been passed to the kernel. ctx bounds only the wait.
	flush(ctx context.Context) error

	// cork holds back what is put until uncork is called.
	cork() (uncork func())

	// abort aborts the reply. It may be called while another method runs.
	abort(cause error)

	// reset ends the exchange at once, whether or not a reply has started.
	reset(code Code) error

	// declare sets the length of the body, and reports whether it is sent, so that no trailers can follow. It is called
	// before the header is written.
	declare(length int64) bool

	// closeAfter closes the connection after the reply.
	closeAfter()

	// beforeFinish registers f to be called after the handler has returned and before the reply ends.
	beforeFinish(f func())

	// closeStreams calls the functions passed to beforeFinish so far.
	closeStreams()
}

// contextReader is implemented by the request bodies of this package. A Read that ctx ends has no effect.
type contextReader interface {
	readContext(ctx context.Context, p []byte) (int, error)
}

// serverKey is the key of the *Server in the context of a request.
type serverKey struct{}

// serverOf returns the Server of this package that serves r, or nil.
func serverOf(r *http.Request) *Server {
	s, _ := r.Context().Value(serverKey{}).(*Server)
	return s
}

// shownServer returns the *http.Server in the context of r, or nil.
func shownServer(r *http.Request) *http.Server {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	return srv
}

// unwrapped returns the ResponseWriter of this package's server below w, if there is one.
func unwrapped(w http.ResponseWriter) streamWriter {
	for {
		switch x := w.(type) {
		case streamWriter:
			return x
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return nil
		}
	}
}

// ErrClientGone is the error of a stream after the client of its request has disconnected.
var ErrClientGone = errors.New("httpd: the client has gone")

// goneBecause returns why the request with context ctx is over, as the error of a stream, which must not be an error of
// a context.
func goneBecause(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case cause == nil, errors.Is(cause, context.Canceled):
		return ErrClientGone
	case errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("httpd: the time of the request is over: %v", cause)
	default:
		return fmt.Errorf("%w: %w", ErrClientGone, cause)
	}
}

// isGone reports whether err, of a reply that has begun, means that the client has disconnected. The write that fails may
// return before the context of r ends.
func isGone(w http.ResponseWriter, r *http.Request, err error) bool {
	if r.Context().Err() != nil || errors.Is(err, ErrClientGone) {
		return true
	}
	own, ok := unwrapped(w).(*response)
	if !ok {
		return false
	}
	end := own.conn.nc.Out.Err()
	return end != nil && errors.Is(err, end) && !errors.Is(end, os.ErrDeadlineExceeded) // WriteTimeout is logged
}

// logf logs a line about r to the log of its server.
func logf(r *http.Request, format string, args ...any) {
	srv := shownServer(r)
	if srv == nil || srv.ErrorLog == nil {
		log.Printf(format, args...)
		return
	}
	srv.ErrorLog.Printf(format, args...)
}

// report logs err, which a handler's function returned after the reply had started, and makes it the Access.Err of the
// request.
func report(w http.ResponseWriter, r *http.Request, what string, err error) {
	logf(r, "httpd: %s %q: %s: %v", r.Method, r.RequestURI, what, err)
	if own, ok := unwrapped(w).(interface{ fails(err error) }); ok {
		own.fails(err)
	}
}

func (w *response) fails(err error)       { w.conn.record().fails(err) }
func (w *streamResponse) fails(err error) { w.rec.fails(err) }

// failed answers a request that failed with err before a reply had started. On this package's server it calls
// Config.Error; on others it answers 500 and logs a line. A failure that the client caused, such as a body that is too
// long, is answered with its own status.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	if s := serverOf(r); s != nil && s.cfg.Error != nil {
		s.cfg.Error(w, r, err)
		return
	}
	status := http.StatusInternalServerError
	if code := statusOf(err); code != 0 {
		status = code
	}
	if status >= http.StatusInternalServerError {
		logf(r, "httpd: %s %q: %v", r.Method, r.RequestURI, err)
	}
	http.Error(w, http.StatusText(status), status)
}

// statusOf returns the status of an error that the client caused, or 0.
func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var fault *RequestError
	switch {
	case errors.As(err, &fault):
		return fault.Status
	case errors.As(err, &tooLarge), errors.Is(err, chanio.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

// RequestError is an error caused by the client. If a handler of this package returns one, or an error that wraps it,
// the request is answered with its status. The text of Err is neither sent nor logged, unless Config.Error does so.
// Reading a body of an HTTP/1 request that is malformed, or slower than Config.BodyTimeout or MinBodyRate allows, fails
// with one. If the handler still replies to a malformed one with success, that reply is replaced unless it has been
// sent.
type RequestError struct {
	Status int // 400 to 499
	Err    error
}

// Error returns the text of Err.
func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RequestError) Unwrap() error { return e.Err }

// refusef returns a RequestError with a formatted error.
func refusef(status int, format string, args ...any) error {
	return &RequestError{status, fmt.Errorf("httpd: "+format, args...)}
}

// cut ends the handler, so that its reply never looks complete.
func cut() { panic(http.ErrAbortHandler) }
