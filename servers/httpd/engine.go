package httpd

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/weir-go/weir/chanio"
)

// streamWriter is what the ResponseWriters of this package's server do for streams, beside what net/http's do. Its methods
// are called by one goroutine at a time, except abort.
type streamWriter interface {
	http.ResponseWriter

	// put writes p as one piece, behind what was written before, and does not wait until it has left. ctx bounds the wait
	// for room: if it ends first nothing of p is sent, and the reply goes on.
	put(ctx context.Context, p []byte) error

	// flush returns when all that was written has left the process. ctx bounds the wait alone.
	flush(ctx context.Context) error

	// cork holds back what is put until uncork.
	cork() (uncork func())

	// abort cuts the reply, also while another method is running.
	abort(cause error)

	// reset ends the exchange without a reply, or within it.
	reset(code Code) error

	// declare says how long the body will be, before the header is written.
	declare(length int64)

	// closeAfter has the connection end behind the reply.
	closeAfter()

	// beforeFinish has f called when the handler has returned and before the reply ends.
	beforeFinish(f func())
}

// contextReader is what the bodies of this package's requests are: a Read that ctx ends without any effect.
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

// shownServer returns the *http.Server that r says serves it, or nil.
func shownServer(r *http.Request) *http.Server {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	return srv
}

// unwrapped returns the ResponseWriter of this package's server behind w, if there is one.
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

// ErrClientGone ends a stream of a request whose client has disconnected.
var ErrClientGone = errors.New("httpd: the client has gone")

// goneBecause returns why a request is over whose context is ctx, as the error of a stream: those of a context are not.
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

// logf logs a line about r to the log of its server.
func logf(r *http.Request, format string, args ...any) {
	srv := shownServer(r)
	if srv == nil || srv.ErrorLog == nil {
		log.Printf(format, args...)
		return
	}
	srv.ErrorLog.Printf(format, args...)
}

// failed answers a request that failed with err before its reply had begun: by Config.Error of this package's server,
// otherwise with 500 and a line in the server's log. The request's own failures, such as a body that is too long, have
// the status that says so.
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

// statusOf returns the status that an error says is the client's own, or 0.
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
// the request is answered with its status, and nothing is logged. Reading a malformed body of an HTTP/1 request fails
// with one; if the handler replies with success nevertheless, that reply is replaced unless it has been sent.
type RequestError struct {
	Status int // 400 to 499
	Err    error
}

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RequestError) Unwrap() error { return e.Err }

// refusef makes a RequestError.
func refusef(status int, format string, args ...any) error {
	return &RequestError{status, fmt.Errorf("httpd: "+format, args...)}
}

// cut ends the handler so that its reply never looks complete.
func cut() { panic(http.ErrAbortHandler) }
