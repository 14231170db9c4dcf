package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Body returns the body of r as a Source of bytes, in chunks that the receiver owns, for a handler of any server. It
// replaces r.Body. It reads only when a receiver asks, so a handler that does not receive makes the client wait. It
// fails as a Read of r.Body does: with io.ErrUnexpectedEOF if the client disconnected within the body.
//
// On the server of this package, a ctx that ends during a Recv leaves the body unchanged. On other servers it ends the
// body, and the next Recv fails. If neither w nor what it unwraps to has SetReadDeadline, ctx and Close take effect
// only between two reads.
//
// Body starts no goroutine. The Source must not be used after the handler has returned.
func Body(w http.ResponseWriter, r *http.Request) *chanio.Source[[]byte] {
	src, _ := newBody(w, r)
	return src
}

func newBody(w http.ResponseWriter, r *http.Request) (*chanio.Source[[]byte], *bodySource) {
	s := &bodySource{body: r.Body, turn: make(chan struct{}, 1)}
	if s.body == nil {
		s.body = http.NoBody
	}
	s.Once = s.read
	s.own, _ = s.body.(contextReader)
	s.closing, s.closeNow = context.WithCancel(context.Background())
	rc := http.NewResponseController(w)
	s.deadline.Init(deadline.Func(func(t time.Time) error {
		_ = rc.SetReadDeadline(t) // without it, reads are not interrupted
		return nil
	}))
	return chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: s.Next, TryNext: s.TryNext, Close: s.close, Bytes: s,
		Describe: func() chanio.Description { return chanio.Description{Kind: "httpd.Body"} },
	}), s
}

// bodySource is a ByteSource over the body of a request.
type bodySource struct {
	body io.Reader
	own  contextReader // body, if it belongs to this package's server
	turn chan struct{} // full while a goroutine reads
	stream.Window

	deadline deadline.Deadline // for the reads of another server's body

	closing  context.Context // ends when the Source is closed
	closeNow context.CancelFunc
	bound    <-chan struct{} // the Done channel of the ctx that inner is derived from
	inner    context.Context // bounds the reads of own
	release  func()          // cancels inner
}

// errInterrupted is the error of a stream on another server after a ctx has ended within a call.
var errInterrupted = errors.New("httpd: a context ended within a call, and on this server the stream cannot go on after that")

// read returns the result of one Read: at least one byte, or an error.
func (s *bodySource) read(ctx context.Context, p []byte) (n int, err error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.own != nil {
		n, err = s.readOwn(ctx, p)
	} else {
		n, err = s.readForeign(ctx, p)
	}
	if n > 0 {
		if err != nil && !chanio.Resumable(ctx, err) {
			s.Err = err // returned after the bytes
		}
		return n, nil
	}
	if err != nil && ctx.Err() == nil && !chanio.Resumable(ctx, err) {
		s.Err = err
	}
	return 0, err
}

// readOwn reads a body of this package's server. ctx may interrupt it.
func (s *bodySource) readOwn(ctx context.Context, p []byte) (int, error) {
	if s.inner == nil || s.bound != ctx.Done() {
		s.bind(ctx)
	}
	if s.closing.Err() != nil {
		return 0, net.ErrClosed
	}
	n, err := s.own.readContext(s.inner, p)
	if n == 0 && s.closing.Err() != nil {
		return 0, net.ErrClosed
	}
	return n, err
}

// bind creates the context for reads, which ends with ctx or when the Source is closed. It is reused for all calls with
// the same ctx.
func (s *bodySource) bind(ctx context.Context) {
	s.unbind()
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closing, cancel)
	s.bound, s.inner = ctx.Done(), inner
	s.release = func() {
		stop()
		cancel()
	}
}

func (s *bodySource) unbind() {
	if s.release != nil {
		s.release()
		s.release, s.inner = nil, nil
	}
}

// readForeign reads a body of another server. If ctx ends meanwhile, the next call fails, because the bodies of
// net/http keep the deadline that interrupts a Read.
func (s *bodySource) readForeign(ctx context.Context, p []byte) (int, error) {
	if err := s.deadline.Enter(ctx, time.Time{}); err != nil {
		return 0, err
	}
	defer s.deadline.Leave()
	for range stream.MaxEmpty {
		if err := s.deadline.Arm(); err != nil {
			return 0, err
		}
		n, err := s.body.Read(p)
		if n == 0 && err != nil && ctx.Err() != nil {
			s.Err = errInterrupted
			return 0, chanio.Cause(ctx)
		}
		if closed := s.deadline.Closed(); closed != nil && n == 0 {
			return 0, closed
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

func (s *bodySource) close() error {
	s.deadline.Close(net.ErrClosed)
	s.closeNow()
	return nil
}

// settle closes the Source and waits until no goroutine reads. It leaves the buffered bytes alone, because the receiver
// may be using them.
func (s *bodySource) settle() {
	_ = s.close()
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.unbind()
}
