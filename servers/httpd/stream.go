package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weir-go/weir/chanio"
)

// Stream returns a handler that passes f the body of the request as In and that of the reply as Out, for any server:
//
//	mux.Handle("POST /upper", httpd.Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
//		return pipeline.Connect(ctx, pipeline.Map(d.In, bytes.ToUpper), d.Out)
//	}))
//
// Both directions run concurrently: f may send before it has received everything. On HTTP/1 this requires an
// http.ResponseWriter that has EnableFullDuplex or unwraps to one. Without it, the handler fails for a request with a
// body with an error that matches errors.ErrUnsupported, before f is called.
//
// The head of the reply is sent with the first value or Flush, with status 200 and the header that middleware has set
// on w. Most clients return the response when they have its head, so call Flush first if f waits for input before it
// sends anything. A handler that needs the request or sets the header should use [Body] and [Sink].
//
// When f returns, the values it has sent are written, including those in channels of Out; then ctx ends, and the
// handler returns once nothing uses the request any more. If f returns an error, or Out was aborted, the reply is
// truncated, so that it does not look complete, and the error is logged; if nothing was sent yet, the error is answered
// like an error of a [Reply] handler. A panic of f propagates to the server.
func Stream(f func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error) http.Handler {
	if f == nil {
		panic("httpd: Stream: f is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := allowBoth(w, r); err != nil {
			failed(w, r, err)
			return
		}
		newStreaming(w, r).run(f)
	})
}

// allowBoth enables concurrent reading and writing.
func allowBoth(w http.ResponseWriter, r *http.Request) error {
	err := http.NewResponseController(w).EnableFullDuplex()
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody || shownServer(r) == nil {
		return nil
	}
	return fmt.Errorf("httpd: %T does not let HTTP/1 read and write at once: it has no EnableFullDuplex and no Unwrap: %w", w, err)
}

// streaming is one call of a handler made by Stream.
type streaming struct {
	w      http.ResponseWriter
	r      *http.Request
	d      chanio.Duplex[[]byte, []byte]
	body   *bodySource
	sink   *replySink
	ctx    context.Context
	cancel context.CancelFunc
}

func newStreaming(w http.ResponseWriter, r *http.Request) *streaming {
	s := &streaming{w: w, r: r}
	s.d.In, s.body = newBody(w, r)
	s.d.Out, s.sink = newSink(w, r, nil)
	s.ctx, s.cancel = context.WithCancel(r.Context())
	return s
}

func (s *streaming) run(f func(context.Context, *chanio.Duplex[[]byte, []byte]) error) {
	returned := false
	defer func() {
		if !returned { // f panicked or called runtime.Goexit, which continues
			s.d.Out.Abort(errors.New("httpd: panic in a handler"))
			s.settle()
		}
	}()
	err := f(s.ctx, &s.d)
	failure := s.d.Out.Close()
	returned = true
	s.settle()
	s.answer(err, failure)
}

// settle ends everything that uses the request, and waits for it.
func (s *streaming) settle() {
	s.cancel()
	_ = s.d.In.Close()
	s.body.settle()
	s.sink.settle()
}

// answer ends the reply. err is the error of f, and failure the error of Out.
func (s *streaming) answer(err, failure error) {
	gone := isGone(s.w, s.r, err)
	switch {
	case err == nil && failure == nil:
	case !s.sink.began && !gone && err != nil:
		failed(s.w, s.r, err)
	default:
		if err != nil && !gone {
			report(s.w, s.r, "stream", err)
		}
		cut()
	}
}
