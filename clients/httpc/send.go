package httpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// sender sends a body in a goroutine while the response is read. The exchange stops it if the server does not want the
// rest.
type sender struct {
	out  outgoing
	x    *exchange
	body io.ReadCloser
	ctx  context.Context
	stop context.CancelFunc
	done chan struct{} // closed when the body has been sent, or will not be

	last atomic.Bool // the whole body has been read, and its last bytes are being written

	mu     sync.Mutex // guards the fields below
	headed bool       // the head of the response has arrived
	unfit  bool       // the body failed, or does not match its length
	err    error      // why the body was not sent; valid when done is closed
}

// pieces holds the buffers of senders.
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
		if !returned { // the body panicked or called runtime.Goexit
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
		s.setErr(errHalted)
	}
	s.x.wrote(err)
	returned = true
}

// finished starts HeadTimeout.
func (s *sender) finished() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.headed {
		s.out.headWithin(s.x.t.cfg.HeadTimeout)
	}
}

// gotHead stops HeadTimeout.
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

// fail records err and ends the connection, so that an incomplete body never looks complete. If the server has stopped
// reading, the connection stays for a while, since a response may say why.
func (s *sender) fail(err error) {
	s.setErr(err)
	if !s.out.ended() {
		s.out.cut(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.headed {
		s.out.headWithin(s.x.t.cfg.lastWords())
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

// refuse records that the body failed or does not match its length, so that another attempt would fail too.
func (s *sender) refuse(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unfit = true
	return err
}

// isUnfit reports whether refuse was called.
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

// trailers returns the trailers, whose values are valid at the end of the body.
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

// patience limits how long complete waits for the last bytes of a body to be written.
const patience = 50 * time.Millisecond

// complete reports whether the whole request has been sent. Otherwise it stops the sender, and the connection must not be
// reused.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil
}

// halt stops the sender. It interrupts its write, and its read if the type of the body permits that.
func (s *sender) halt() {
	if s == nil {
		return
	}
	s.stop()
	interrupt(s.body)
}

// interrupt ends the Read in progress of a body, if its type permits that.
func interrupt(body io.ReadCloser) {
	switch body := body.(type) {
	case *io.PipeReader, *os.File, *sourceBody:
		_ = body.Close() // may run concurrently with Read
	case *progress:
		interrupt(body.ReadCloser)
	case *dumpBody:
		interrupt(body.ReadCloser)
	case *multipartReader:
		body.interrupt()
	}
}

// errHalted is the error of a sender that was stopped. The reason for that is known elsewhere.
var errHalted = errors.New("httpc: the rest of the body is not wanted")

// failure returns why the body could not be sent, or nil if it was sent, is being sent, or is not wanted.
func (s *sender) failure() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == errHalted {
		return nil
	}
	return s.err
}

// isDone reports whether the sender has read the whole body.
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
