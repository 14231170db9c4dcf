package http2

import (
	"io"
	"time"

	frames "golang.org/x/net/http2"
)

// noTime is no limit.
var noTime time.Time

var (
	errHeadLong      = joined("head too long", errTooLarge)
	errInformational = joined("too many informational responses", errTooLarge)
)

// onData reads a DATA frame. Data that no stream wants is dropped.
func (rc *receiver) onData(h frames.FrameHeader) error {
	if h.StreamID == 0 {
		return protocolError("DATA frame without a stream")
	}
	n, padding := int(h.Length), 0
	if h.Flags.Has(frames.FlagDataPadded) {
		var one [1]byte
		if n == 0 {
			return &ConnError{Code: FrameSizeError, Reason: "DATA frame without its padding"}
		}
		if _, err := io.ReadFull(&rc.input, one[:]); err != nil {
			return rc.frameError(err)
		}
		if n, padding = n-1, int(one[0]); padding > n {
			return protocolError("padding longer than its frame")
		}
		n -= padding
	}
	end := h.Flags.Has(frames.FlagDataEndStream)
	s, room, err := rc.admit(h, n, end)
	if err != nil {
		return err
	}
	if err := rc.payload(room, n); err != nil {
		return err
	}
	if err := rc.skip(padding); err != nil {
		return err
	}
	if s != nil {
		return rc.arrived(s, room, end)
	}
	return nil
}

// admit counts a DATA frame. It returns the stream and, if the stream has a reader, space for n bytes. If the frame
// breaks a rule of its stream, admit resets the stream and returns nil.
func (rc *receiver) admit(h frames.FrameHeader, n int, end bool) (*Stream, []byte, error) {
	c := rc.c
	c.mu.Lock()
	id, size := h.StreamID, int64(h.Length)
	if c.idleLocked(id) {
		c.mu.Unlock()
		return nil, nil, protocolError("DATA for a stream that is idle")
	}
	if rc.window -= size; rc.window < 0 {
		c.mu.Unlock()
		return nil, nil, &ConnError{Code: FlowControlError, Reason: "more DATA than the window of the connection"}
	}
	rc.returnCreditLocked(size)
	if n == 0 && !end {
		if err := c.noiseLocked("empty DATA frames"); err != nil {
			c.mu.Unlock()
			return nil, nil, err
		}
	}
	s := c.streams[id]
	if s == nil {
		return nil, nil, rc.lateDataAndUnlock(id)
	}
	why := s.admitLocked(size, int64(n))
	var room []byte
	if why == nil && n > 0 && !s.In.closed {
		room = s.In.roomLocked(n)
	}
	c.mu.Unlock()
	if why != nil {
		return nil, nil, c.refuse(id, why)
	}
	return s, room, nil
}

// lateDataAndUnlock handles DATA of a stream that is over.
func (rc *receiver) lateDataAndUnlock(id uint32) error {
	c := rc.c
	forgotten, how := c.past.mayBeForgotten(id), c.past.how(id)
	if forgotten {
		defer c.mu.Unlock()
		return rc.forgottenLocked(id)
	}
	c.mu.Unlock()
	if how == resetHere {
		return nil // sent before it knew
	}
	return c.refuse(id, &StreamError{Code: StreamClosed})
}

// admitLocked counts n bytes of a body in a frame of that size. Padding is not held, so its credit is returned with the
// next update.
func (s *Stream) admitLocked(size, n int64) *StreamError {
	switch {
	case s.recvEnd:
		return &StreamError{Code: StreamClosed}
	case s.c.client && !s.final:
		return malformed("DATA before a head")
	}
	if s.In.window -= size; s.In.window < 0 && size > 0 {
		return &StreamError{Code: FlowControlError}
	}
	s.arrived += n
	if s.declared >= 0 && s.arrived > s.declared || s.noBody && n > 0 && s.c.client {
		return malformed("body longer than its content-length")
	}
	return nil
}

// returnCreditLocked returns the credit of the connection once it is worth a frame.
func (rc *receiver) returnCreditLocked(n int64) {
	c := rc.c
	if rc.received += n; rc.received == 0 || rc.received < int64(c.cfg.ConnWindow)/4 {
		return
	}
	rc.window += rc.received
	c.send.out = appendWindowUpdate(c.send.outLocked(), 0, rc.received)
	rc.received = 0
	c.send.pushLocked()
}

// payload reads n bytes into room, or drops them if room is nil.
func (rc *receiver) payload(room []byte, n int) error {
	if room == nil {
		return rc.skip(n)
	}
	if _, err := io.ReadFull(&rc.input, room); err != nil {
		return rc.frameError(err)
	}
	return nil
}

// arrived adds p, if the stream has a reader, and the end of the body to a stream.
func (rc *receiver) arrived(s *Stream, p []byte, end bool) error {
	c := rc.c
	c.mu.Lock()
	if len(p) > 0 && !s.In.closed && s.err == nil {
		s.In.held += int64(len(p))
		s.In.addLocked(p)
	}
	switch {
	case !end || s.gone:
		s.changeLocked()
	case !s.complete():
		c.mu.Unlock()
		return c.refuse(s.id, malformed("body shorter than its content-length"))
	default:
		s.recvEndLocked()
	}
	c.endIfOverAndUnlock()
	return nil
}

// skip reads and drops n bytes.
func (rc *receiver) skip(n int) error {
	for n > 0 {
		if len(rc.src.Buffered()) == 0 {
			if err := rc.input.fill(rc.frameLimit(), n); err != nil {
				return rc.inputError(err)
			}
		}
		some := min(n, len(rc.src.Buffered()))
		rc.src.Discard(some)
		n -= some
	}
	return nil
}

// onWindowUpdate handles a WINDOW_UPDATE of the peer.
func (rc *receiver) onWindowUpdate(f *frames.WindowUpdateFrame) error {
	c := rc.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.send.grants > 0 {
		c.send.grants--
	} else if err := c.noiseLocked("WINDOW_UPDATE frames"); err != nil {
		return err
	}
	if f.StreamID == 0 {
		if c.send.window += int64(f.Increment); c.send.window > maxWindow {
			return &ConnError{Code: FlowControlError, Reason: "window of the connection too large"}
		}
		c.send.pushLocked()
		return nil
	}
	if c.idleLocked(f.StreamID) {
		return protocolError("WINDOW_UPDATE for a stream that is idle")
	}
	s := c.streams[f.StreamID]
	if s == nil {
		return nil
	}
	if s.window += int64(f.Increment); s.window > maxWindow {
		c.mu.Unlock()
		defer c.mu.Lock()
		return c.refuse(f.StreamID, &StreamError{Code: FlowControlError})
	}
	s.scheduleLocked()
	c.send.pushLocked()
	return nil
}
