package httpc

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// sender sends a body in a goroutine, beside the reading of the response. The holder of the response asks it to stop when
// the server does not want the rest.
type sender struct {
	out  outgoing
	x    *exchange
	body io.ReadCloser
	ctx  context.Context
	stop context.CancelFunc
	done chan struct{} // closed when the body has been sent, or will not be

	last atomic.Bool // everything has been read, and is being written

	mu     sync.Mutex // guards what follows
	headed bool       // the head of the response has come
	unfit  bool       // it is the body that cannot be sent
	err    error      // why the body was not sent; valid when done is closed
}

// pieces are what bodies are read into.
var pieces = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func send(x *exchange, out outgoing) *sender {
	s := &sender{out: out, x: x, body: x.body, done: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(x.ctx)
	x.bodyRead, x.bodyOver, x.sender = true, true, s
	go s.run() // ends with the body, or at the next piece after halt
	return s
}

func (s *sender) run() {
	defer close(s.done)
	defer s.stop()
	returned := false
	defer func() {
		if !returned { // a panic of the body, or runtime.Goexit
			s.fail(s.refuse(chanio.Recovered(recover())))
		}
	}()
	err := s.copy()
	_ = s.body.Close()
	switch {
	case err == nil:
		s.finished()
	case s.ctx.Err() == nil || s.x.ctx.Err() != nil:
		s.fail(err)
	default:
		s.setErr(err) // it was stopped
	}
	if trace := s.x.trace; trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	returned = true
}

// finished gives the response its time.
func (s *sender) finished() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.headed {
		s.out.headWithin(s.x.t.cfg.HeadTimeout)
	}
}

// gotHead says that the head of the response has come, so that it needs no more time.
func (s *sender) gotHead() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headed = true
	s.out.headWithin(0)
}

func (s *sender) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// fail ends the connection of a body that cannot be sent as a whole, so that it never looks complete. If it is the server
// that takes no more, there may be a response that says why.
func (s *sender) fail(err error) {
	s.setErr(err)
	if !s.out.ended() {
		s.out.cut(err)
	}
}

// copy sends the body.
func (s *sender) copy() error {
	buf := pieces.Get().(*[32 << 10]byte)
	defer pieces.Put(buf)
	left := s.x.framing.Length
	sized := s.x.framing.Kind == http1.Sized
	for {
		n, err := s.body.Read(buf[:])
		if s.ctx.Err() != nil {
			return chanio.Cause(s.ctx)
		}
		left -= int64(n)
		switch {
		case sized && left < 0:
			return s.refuse(http1.ErrBodyTooLong)
		case err == io.EOF && sized && left > 0:
			return s.refuse(http1.ErrBodyTooShort)
		case err == io.EOF:
			return s.finish(buf[:n])
		case err != nil:
			return s.refuse(err)
		case n == 0:
			continue
		case sized && left == 0:
			s.last.Store(true)
		}
		if err := s.out.write(s.ctx, buf[:n]); err != nil {
			return err
		}
	}
}

// refuse notes that the body is not what was announced, so that another attempt would be no better.
func (s *sender) refuse(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unfit = true
	return err
}

// isUnfit reports whether it is the body that could not be sent.
func (s *sender) isUnfit() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unfit
}

// finish sends the last piece and the trailers.
func (s *sender) finish(piece []byte) error {
	trailers, err := s.x.trailers()
	if err != nil {
		return err
	}
	s.last.Store(true)
	return s.out.finish(s.ctx, piece, trailers)
}

// trailers returns the trailers, whose values are known when the body is at its end.
func (x *exchange) trailers() (http.Header, error) {
	if x.framing.Kind != http1.Chunked {
		return nil, nil
	}
	for name, values := range x.req.Trailer {
		for _, v := range values {
			if !http1.ValidToken(name) || !http1.Lookup(name).InTrailer() || !http1.ValidValue(v) {
				return nil, invalid("invalid trailer %q", name)
			}
		}
	}
	return x.req.Trailer, nil
}

// patience is how long the end of a body that has been read is waited for when the response has ended.
const patience = 50 * time.Millisecond

// complete reports whether the request has been sent as a whole. Otherwise it stops the sender, and the connection must
// not be used again.
func (s *sender) complete() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
	default:
		if !s.last.Load() {
			s.halt()
			return false
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-s.done:
		case <-timer.C:
			s.halt()
			return false
		}
	}
	return s.failure() == nil
}

// halt stops the sender: what it is writing is cut short, and what it is reading is told to end if it can be.
func (s *sender) halt() {
	if s == nil {
		return
	}
	s.stop()
	switch body := s.body.(type) {
	case *io.PipeReader, *os.File, *sourceBody:
		_ = body.Close() // which may be done beside a Read
	}
}

// failure returns why the body was not sent, if it was not.
func (s *sender) failure() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// isDone reports whether the sender is at its end.
func (s *sender) isDone() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
		return true
	default:
		return s.last.Load()
	}
}
