package http2

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Stream is a request with its response. Any goroutine may call its methods; In has one reader at a time.
type Stream struct {
	In  Reader
	Out Writer

	c       *Conn
	id      uint32
	handler Handler // of a server, or nil
	prio    priority
	queued  bool          // in the queue of those that have something to send
	window  int64         // that the peer has opened
	moved   chan struct{} // closed when something changes; made on demand
	done    chan struct{} // closed when the stream is over; made on demand

	recvEnd bool // the peer has sent END_STREAM
	sentEnd bool // END_STREAM has been added to the output
	gone    bool // closed, and no longer in the table
	err     *StreamError

	informed []*Head // of a client: informational heads that Head has not returned
	head     Head    // the final one
	final    bool    // it has arrived
	headed   bool    // Head has returned it
	informal int     // informational heads so far
	heads    int     // their size and that of the final one, as a header list counts
	noBody   bool    // Content-Length is not the length of what arrives
	tunnel   bool    // the method is CONNECT
	declared int64   // the Content-Length, or -1
	arrived  int64   // bytes of DATA
	trailers []Field

	linger   *time.Timer // of a Conn made of the stream, when both of its halves have ended here
	lingered bool

	serving bool // the handler has not returned
	zombie  bool // and its stream was reset
}

// ID returns the number of the stream.
func (s *Stream) ID() uint32 { return s.id }

func (c *Conn) newStream(id uint32) *Stream {
	s := &Stream{c: c, id: id, window: c.peer.window0, declared: -1, prio: priority{urgency: defaultUrgency, incremental: !c.peer.aware}}
	s.In.s, s.Out.s = s, s
	s.In.window, s.In.target = int64(c.cfg.Window), int64(c.cfg.Window)
	if !c.peer.acked {
		s.In.window += c.earlyWindow()
	}
	c.send.grants += updatesPerStream
	return s
}

// newsLocked returns a channel that is closed when anything changes.
func (s *Stream) newsLocked() <-chan struct{} {
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return s.moved
}

func (s *Stream) changeLocked() {
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
}

// waitLocked waits, unlocked, until something changes or a bound is reached. set may be nil and limit zero.
func (s *Stream) waitLocked(ctx context.Context, set *deadline.Context, limit time.Time) error {
	news := s.newsLocked()
	s.c.mu.Unlock()
	defer s.c.mu.Lock()
	var passed <-chan struct{}
	if set != nil {
		passed = set.Done()
	}
	var late <-chan time.Time
	if !limit.IsZero() {
		timer := time.NewTimer(time.Until(limit))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return deadline.Cause(ctx) // nil for a deadline that was moved meanwhile
	case <-passed:
		if set.Err() == nil {
			return nil
		}
		return deadline.Exceeded
	case <-late:
		return deadline.Late
	}
}

// Bytes returns how many bytes have arrived in DATA frames, and how many have been sent.
func (s *Stream) Bytes() (arrived, sent int64) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.arrived, s.Out.sent
}

// Done returns a channel that is closed when the stream is over, in both directions.
func (s *Stream) Done() <-chan struct{} {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.gone {
			close(s.done)
		}
	}
	return s.done
}

// Err returns why the stream ended before its messages were complete, or nil.
func (s *Stream) Err() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return s.err
}

// Reset ends both directions at once with a RST_STREAM, unless the stream is over. cause may be nil.
func (s *Stream) Reset(code Code, cause error) {
	c := s.c
	c.mu.Lock()
	told := s.resetLocked(&StreamError{Code: code, cause: cause})
	c.send.pushLocked()
	c.endIfOverAndUnlock()
	if told {
		s.tellHandler()
	}
}

// resetLocked sends RST_STREAM and reports whether the stream was not over.
func (s *Stream) resetLocked(why *StreamError) bool {
	if s.gone {
		return false
	}
	if !s.Out.told || !s.recvEnd { // otherwise the stream is closed for the peer: RFC 9113 5.1
		s.c.send.addResetLocked(s.id, why.Code, !s.c.client) // a client has opened the stream itself
	}
	s.endLocked(why)
	s.c.dropLocked(s, resetHere)
	return true
}

// endLocked ends the halves that have not ended, because of why.
func (s *Stream) endLocked(why *StreamError) {
	if s.err == nil {
		s.err = why
	}
	s.c.send.ready.remove(s)
	s.Out.failLocked()
	if s.serving && !s.zombie {
		s.zombie = true
		s.c.zombies++
	}
	s.changeLocked()
}

// checkDoneLocked removes the stream from the table when both directions have ended. A stream whose body has no reader
// is reset when its own side has been sent.
func (s *Stream) checkDoneLocked() {
	switch {
	case s.gone:
	case s.sentEnd && s.recvEnd:
		s.c.dropLocked(s, finished)
	case s.sentEnd && s.In.closed && s.In.ends != nil && !s.lingered:
		if s.linger == nil { // as a connection does, so that the peer can end its side
			s.linger = time.AfterFunc(stream.DefaultCloseWait, s.lingerOver)
		}
	case s.sentEnd && s.In.closed:
		code := NoError
		if s.c.client {
			code = Cancel
		}
		s.resetLocked(&StreamError{Code: code, cause: errDone})
	}
}

// lingerOver is called when the peer has not ended its side in time although its data has no reader.
func (s *Stream) lingerOver() {
	c := s.c
	c.mu.Lock()
	s.lingered = true
	s.checkDoneLocked()
	c.send.pushLocked()
	c.endIfOverAndUnlock()
}

// dropLocked removes a stream from the table.
func (c *Conn) dropLocked(s *Stream, how ending) {
	if s.gone {
		return
	}
	s.gone = true
	delete(c.streams, s.id)
	c.past.add(s.id, how)
	c.send.ready.remove(s)
	if s.done != nil {
		close(s.done)
	}
	if s.linger != nil {
		s.linger.Stop()
	}
	c.busy = time.Now()
	s.changeLocked()
	c.changeLocked()
}

// tellHandler notifies the handler of a stream that has ended.
func (s *Stream) tellHandler() {
	s.c.mu.Lock()
	h, why := s.handler, s.err
	if !s.serving {
		h = nil
	}
	s.c.mu.Unlock()
	s.setEnds(why)
	if h != nil && why != nil {
		h.Gone(why)
	}
}

// serve runs the handler.
func (s *Stream) serve(h Handler) {
	c := s.c
	defer c.workers.Done()
	returned := false
	defer func() { // also if it calls runtime.Goexit
		var cause error
		if !returned {
			cause = chanio.Recovered(recover())
		}
		s.served(cause)
	}()
	h.Serve()
	returned = true
}

// served ends what a handler has left open.
func (s *Stream) served(cause error) {
	c := s.c
	c.mu.Lock()
	c.running--
	s.serving = false
	if s.zombie {
		c.zombies--
	}
	if !s.sentEnd {
		s.resetLocked(&StreamError{Code: InternalError, cause: cause})
	} else if !s.gone {
		s.In.closeLocked()
		s.checkDoneLocked()
	}
	c.busy = time.Now()
	c.changeLocked()
	c.send.pushLocked()
	c.endIfOverAndUnlock()
}
