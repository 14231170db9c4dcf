package datagram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/coalesce"
)

// ends is the common part of UDP and Unix sockets: two halves, and one descriptor that is closed when both have ended.
type ends[P any] struct {
	chanio.Duplex[P, P]
	in inlet[P]

	kind          string   // its name in descriptions
	local, remote net.Addr // remote is nil unless the socket is connected
	inEnd, outEnd chanio.End
	rule          coalesce.Rule // of UDP; a Unix socket holds nothing back
	counts        counts
	shutdown      error  // how In ends after Shutdown
	closeBelow    func() // closes the descriptor

	closing  atomic.Bool
	released chan struct{} // closed when the descriptor has been closed
}

// init must be called first. linger and shutdown come from a configuration, so they may be zero.
func (s *ends[P]) init(kind string, nc net.Conn, linger time.Duration, shutdown error, closeBelow func()) {
	s.kind, s.local, s.remote = kind, nc.LocalAddr(), nc.RemoteAddr()
	s.released = make(chan struct{})
	s.outEnd.Linger, s.outEnd.Released = linger, s.released
	if s.shutdown = shutdown; shutdown == nil {
		s.shutdown = net.ErrClosed
	}
	s.closeBelow = closeBelow
	s.Released = s.released
}

// halfEnded closes the descriptor if both halves have ended. It is called, without a lock, when either has.
func (s *ends[P]) halfEnded() {
	if s.inEnd.Ended() && s.outEnd.Ended() && s.closing.CompareAndSwap(false, true) {
		s.closeBelow()
		close(s.released)
	}
}

// Done is closed when both halves have ended and the socket is closed.
func (s *ends[P]) Done() <-chan struct{} { return s.released }

// Shutdown implements [chanio.PacketSocket].
func (s *ends[P]) Shutdown(ctx context.Context) error {
	s.in.drain(s.shutdown)
	select {
	case <-s.released:
		return nil
	case <-ctx.Done():
		cause := chanio.Cause(ctx)
		s.Out.Abort(cause)
		return cause
	}
}

// state describes the socket briefly.
func (s *ends[P]) state() string {
	in, out := s.inEnd.Ended(), s.outEnd.Ended()
	switch {
	case in && out:
		return "closed"
	case out:
		return "receiving only"
	case in:
		return "sending only"
	}
	return "open"
}

// String describes the socket.
func (s *ends[P]) String() string {
	local, to := s.local.String(), ""
	if local == "" {
		local = "unnamed"
	}
	if s.remote != nil {
		to = " to " + s.remote.String()
	}
	return fmt.Sprintf("%s %s%s (%s, %d received, %d sent)",
		s.local.Network(), local, to, s.state(), s.counts.received.Load(), s.counts.sent.Load())
}

func (s *ends[P]) describeIn() chanio.Description {
	return chanio.Description{Kind: s.kind + ".In", Name: s.local.String(), Passed: s.counts.received.Load()}
}

func (s *ends[P]) describeOut() chanio.Description {
	return chanio.Description{
		Kind: s.kind + ".Out", Name: s.local.String(), Passed: s.counts.sent.Load(), Dropped: s.counts.failed.Load(),
	}
}

// opError returns err with the call that failed and its addresses. A nil address means the peer.
func (s *ends[P]) opError(op string, to net.Addr, err error) error {
	if to == nil {
		to = s.remote
	}
	return &net.OpError{Op: op, Net: s.local.Network(), Source: s.local, Addr: to, Err: err}
}

// noHalfClose is the result of Out.Close after everything has been sent: no message tells the peer about the end.
func (s *ends[P]) noHalfClose() error { return s.opError("close write", nil, errors.ErrUnsupported) }
