package http2

import (
	"time"

	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/internal/deadline"
)

// idleLocked reports whether a stream has never been opened.
func (c *Conn) idleLocked(id uint32) bool {
	if c.client {
		return id%2 == 0 || id >= c.nextOut
	}
	return id%2 == 0 || id > c.lastIn
}

// onHeaders reads a header block and handles it.
func (rc *receiver) onHeaders(header frames.FrameHeader) error {
	c := rc.c
	rc.input.until = deadline.In(c.cfg.HeadTimeout)
	itself, err := rc.readBlock(header)
	rc.input.until = time.Time{}
	if err != nil {
		return err
	}
	id, end := header.StreamID, header.Flags.Has(frames.FlagHeadersEndStream)
	if itself {
		if !c.client && c.accept.newID(id) {
			c.accept.noteID(id)
		}
		return c.refuse(id, malformed("stream that depends on itself"))
	}
	if c.client {
		return rc.onResponse(id, end)
	}
	return c.accept.onRequest(id, end)
}

// readBlock decodes a header block. It reports whether the stream depends on itself.
func (rc *receiver) readBlock(header frames.FrameHeader) (itself bool, err error) {
	rc.block.begin()
	p, err := rc.input.whole(int(header.Length))
	if err != nil {
		return false, rc.frameError(err)
	}
	fragment, itself, err := fragmentOf(header, p)
	if err != nil {
		return false, err
	}
	last := header.Flags.Has(frames.FlagHeadersEndHeaders)
	err = rc.block.add(fragment, last)
	if err == nil && !last {
		err = rc.readContinuations()
	}
	return itself, err
}

// readContinuations decodes the rest of a header block.
func (rc *receiver) readContinuations() error {
	c := rc.c
	for last := false; !last; {
		header, err := rc.framer.ReadFrameHeader()
		if err != nil {
			return rc.frameError(err)
		}
		if rc.block.parts > c.cfg.MaxBlocks {
			return calm("too many CONTINUATION frames")
		}
		next, err := rc.framer.ReadFrameForHeader(header)
		if err != nil {
			return rc.frameError(err)
		}
		more := next.(*frames.ContinuationFrame) // the Framer ensures it
		last = more.HeadersEnded()
		if err := rc.block.add(more.HeaderBlockFragment(), last); err != nil {
			return err
		}
	}
	return nil
}

// newID reports whether a client may open a stream with that id.
func (a *acceptor) newID(id uint32) bool {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	return id%2 == 1 && id > c.lastIn
}

func (a *acceptor) noteID(id uint32) {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastIn = id
}

// onTrailers handles a header block after a body.
func (rc *receiver) onTrailers(s *Stream, end bool) error {
	c := rc.c
	c.mu.Lock()
	ended, connected := s.recvEnd, s.tunnel && (!c.client || s.head.Status < 300)
	c.mu.Unlock()
	switch {
	case ended:
		return c.refuse(s.id, &StreamError{Code: StreamClosed})
	case connected:
		return c.refuse(s.id, malformed("HEADERS within a tunnel")) // RFC 9113 8.5
	case !end:
		return c.refuse(s.id, malformed("second head"))
	case rc.block.tooBig:
		return c.refuse(s.id, &StreamError{Code: EnhanceYourCalm, cause: errTrailers})
	}
	if err := checkTrailers(rc.block.fields, c.cfg.Limits); err != nil {
		return c.refuse(s.id, err)
	}
	c.mu.Lock()
	if !s.complete() {
		c.mu.Unlock()
		return c.refuse(s.id, malformed("body shorter than its content-length"))
	}
	s.trailers = append([]Field(nil), rc.block.fields...)
	s.recvEndLocked()
	c.endIfOverAndUnlock()
	return nil
}

// recvEndLocked records that the peer has sent everything.
func (s *Stream) recvEndLocked() {
	s.recvEnd = true
	s.changeLocked()
	s.checkDoneLocked()
}

// complete reports whether the body is as long as its Content-Length.
func (s *Stream) complete() bool { return s.declared < 0 || s.noBody || s.arrived == s.declared }

// lateHeadersLocked handles a header block of a stream that is over. One that ended so long ago that it is forgotten
// may have been reset here; RFC 9113 5.1 requires that such frames are ignored.
func (rc *receiver) lateHeadersLocked(id uint32) error {
	c := rc.c
	if c.past.mayBeForgotten(id) {
		return rc.forgottenLocked(id)
	}
	switch c.past.how(id) {
	case resetHere:
		return nil // sent before it knew
	case unknown:
		return protocolError("stream id that was passed over")
	}
	return &ConnError{Code: StreamClosed, Reason: "HEADERS for a stream that is over"}
}

// forgottenLocked handles the first late frame of a forgotten stream; later ones are ignored. A client that sends many
// runs out of its allowance.
func (rc *receiver) forgottenLocked(id uint32) error {
	c := rc.c
	c.past.add(id, resetHere)
	if c.client {
		return nil
	}
	return c.noiseLocked("frames for streams that are over")
}
