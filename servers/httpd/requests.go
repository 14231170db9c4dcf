package httpd

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// RequestsConfig configures [Requests]. A nil *RequestsConfig and the zero value use the defaults.
type RequestsConfig struct {
	// RetryAfter is the Retry-After of the 503 reply to a request that will not be received, rounded up to seconds. 0
	// means 1 s.
	RetryAfter time.Duration
}

// Requests returns requests as a stream: h is a handler for any route of any server, which holds each request until it
// has been answered, and reqs yields the requests.
//
//	h, reqs := httpd.Requests(nil)
//	mux.Handle("/jobs", h)
//	for req := range reqs.C(ctx) {
//		go func() { defer req.Close(); req.Reply(httpd.Text(work(req))) }()
//	}
//
// There is no queue: a request waits in h until it is received, for as long as its client waits; Config.MaxConcurrent
// limits how many do. A request that was taken but not received, and every request after reqs has been closed, is
// answered 503 with Retry-After. cfg may be nil. Requests starts no goroutine.
func Requests(cfg *RequestsConfig) (h http.Handler, reqs *chanio.Source[*Request]) {
	q := &requestQueue{ch: make(chan *Request), quit: make(chan struct{}), retry: time.Second}
	if cfg != nil && cfg.RetryAfter > 0 {
		q.retry = cfg.RetryAfter
	}
	return q, chanio.NewSource(chanio.SourceHooks[*Request]{
		Next: q.next, TryNext: q.tryNext, Close: q.close,
		Undelivered: func(req *Request) { req.end(verdict{refused: true}) },
		Describe:    func() chanio.Description { return chanio.Description{Kind: "httpd.Requests"} },
	})
}

// requestQueue passes requests from handlers to the receiver.
type requestQueue struct {
	ch    chan *Request
	once  sync.Once
	quit  chan struct{}
	retry time.Duration
}

func (q *requestQueue) next(ctx context.Context) (*Request, error) {
	if ctx.Err() != nil {
		return nil, chanio.Cause(ctx)
	}
	select {
	case req := <-q.ch:
		return req, nil
	case <-q.quit:
		return nil, errQueueClosed
	case <-ctx.Done():
		return nil, chanio.Cause(ctx)
	}
}

// errQueueClosed is never returned to a receiver, because the Source reports that it was closed.
var errQueueClosed = errors.New("httpd: Requests closed")

func (q *requestQueue) tryNext() (*Request, bool, error) {
	select {
	case req := <-q.ch:
		return req, true, nil
	default:
		return nil, false, nil
	}
}

func (q *requestQueue) close() error {
	q.once.Do(func() { close(q.quit) })
	return nil
}

// ServeHTTP holds r until it has been answered or its client has disconnected.
func (q *requestQueue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	req := &Request{Request: r.WithContext(ctx), cancel: cancel, verdict: make(chan verdict, 1)}
	trailersTo(req.Request, r.Body)
	req.src, req.body = newBody(w, r)
	defer req.body.settle()
	select {
	case <-q.quit: // if several cases are ready, select picks one at random
		req.end(verdict{refused: true})
	default:
		select {
		case q.ch <- req:
		case <-q.quit:
			req.end(verdict{refused: true})
		case <-ctx.Done():
			req.end(verdict{gone: true})
		}
	}
	q.conclude(w, r, req)
}

// conclude waits for the verdict on req and carries it out.
func (q *requestQueue) conclude(w http.ResponseWriter, r *http.Request, req *Request) {
	var v verdict
	select {
	case v = <-req.verdict:
	case <-r.Context().Done():
		req.end(verdict{gone: true})
		v = <-req.verdict // possibly an earlier verdict
	}
	req.body.settle()
	if req.Trailer != nil {
		r.Trailer = req.Trailer // for middleware
	}
	switch {
	case v.gone, v.aborted:
		cut()
	case v.refused:
		w.Header().Set("Retry-After", strconv.FormatInt(int64((q.retry+time.Second-1)/time.Second), 10))
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	default:
		answer(w, r, v.resp, v.err)
	}
}

// verdict is the outcome of a request.
type verdict struct {
	resp    Response
	err     error
	aborted bool
	refused bool
	gone    bool
}

// Request is a request received from [Requests]. It is ended once, by Reply, Fail, Abort or Close; later calls do
// nothing and return an error. Its context ends then, and when the client has disconnected. All methods are safe for
// concurrent use. The embedded Request, including its Body, and In must not be used after the end, except while Abort
// cuts it short. Reply, Fail and Close remove the files of a form that the receiver has parsed, also after the end.
type Request struct {
	*http.Request

	src     *chanio.Source[[]byte]
	body    *bodySource
	cancel  context.CancelCauseFunc
	once    sync.Once
	verdict chan verdict
	how     error // the error of a late Reply
}

// ErrAnswered is returned by Reply for a request that has already been answered or closed.
var ErrAnswered = errors.New("httpd: the request has been answered")

// In returns the body as a Source, as [Body] does.
func (req *Request) In() *chanio.Source[[]byte] { return req.src }

// Reply answers the request with resp, which the handler's goroutine sends; Reply does not wait for that. It returns
// [ErrAnswered] if the request has been ended before, and [ErrClientGone] if its client has disconnected; resp is then
// closed.
func (req *Request) Reply(resp Response) error {
	err := req.end(verdict{resp: resp})
	if err != nil {
		_ = resp.Close() // the reason why it was not sent matters more
	}
	return err
}

// Fail answers the request like an error returned by a [Reply] handler. It returns the same errors as Reply.
func (req *Request) Fail(err error) error {
	if err == nil {
		err = errUnanswered
	}
	return req.end(verdict{err: err})
}

var errUnanswered = errors.New("httpd: a request was closed without an answer")

// Abort resets the connection, or the stream on HTTP/2, without a reply.
func (req *Request) Abort() { _ = req.end(verdict{aborted: true}) }

// Close answers 500 if the request has not been ended. It returns nil.
func (req *Request) Close() error {
	_ = req.end(verdict{err: errUnanswered}) // it may have ended before
	return nil
}

// end ends the request with v. It returns an error if the request has ended before or its client has disconnected.
func (req *Request) end(v verdict) error {
	if !v.gone && !v.aborted { // the receiver calls: it may have parsed a form, and does not parse one now
		removeForm(req.Request)
	}
	var late error
	ended := true
	req.once.Do(func() {
		ended = false
		if ctx := req.Context(); !v.gone && ctx.Err() != nil {
			v, late = verdict{gone: true}, goneBecause(ctx)
		}
		if req.how = ErrAnswered; v.gone {
			req.how = goneBecause(req.Context())
		}
		req.cancel(req.how)
		req.verdict <- v
	})
	if ended {
		return req.how
	}
	return late
}
