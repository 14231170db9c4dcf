package http2

import (
	"context"
)

// onResponse handles a header block of a server: a head, or trailers.
func (rc *receiver) onResponse(id uint32, end bool) error {
	c := rc.c
	c.mu.Lock()
	s := c.streams[id]
	if s == nil {
		defer c.mu.Unlock()
		if c.idleLocked(id) {
			return protocolError("HEADERS for a stream that is idle")
		}
		return rc.lateHeadersLocked(id)
	}
	final := s.final
	if !final {
		s.heads += rc.block.size
	}
	tooBig := rc.block.tooBig || s.heads > c.cfg.Limits.Head
	c.mu.Unlock()
	if final {
		return rc.onTrailers(s, end)
	}
	if tooBig {
		return c.refuse(id, &StreamError{Code: Cancel, cause: errHeadLong})
	}
	h, err := parseHead(rc.block.fields, end, c.cfg.Limits)
	if err != nil {
		return c.refuse(id, err)
	}
	return rc.answered(s, h)
}

// answered adds a head to its stream.
func (rc *receiver) answered(s *Stream, h Head) error {
	c := rc.c
	c.mu.Lock()
	if h.Informational() {
		if s.informal++; s.informal > c.cfg.MaxInformational && c.cfg.MaxInformational >= 0 {
			c.mu.Unlock()
			return c.refuse(s.id, &StreamError{Code: EnhanceYourCalm, cause: errInformational})
		}
	} else {
		if s.tunnel && h.Status < 300 {
			h.Length = -1 // RFC 9110 9.3.6
		}
		s.declared = h.Length
		s.noBody = s.noBody || h.Status == 204 || h.Status == 304
	}
	if h.End && !s.complete() {
		c.mu.Unlock()
		return c.refuse(s.id, malformed("body shorter than its content-length"))
	}
	if h.Informational() {
		own := h
		s.informed = append(s.informed, &own)
	} else {
		s.head, s.final = h, true
	}
	if h.End {
		s.recvEndLocked()
	} else {
		rc.changeSoonLocked(s)
	}
	c.endIfOverAndUnlock()
	return nil
}

// Head returns the next head of the response: informational ones first, then the final one.
func (s *Stream) Head(ctx context.Context) (*Head, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for {
		switch {
		case len(s.informed) > 0:
			h := s.informed[0]
			s.informed = s.informed[1:]
			return h, nil
		case s.final && !s.headed:
			s.headed = true
			return &s.head, nil
		case s.err != nil:
			return nil, s.err
		case s.final:
			return nil, errDone
		}
		if err := s.waitLocked(ctx, s.In.deadline, noTime); err != nil {
			return nil, err
		}
	}
}
