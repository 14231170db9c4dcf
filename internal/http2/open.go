package http2

import (
	"context"
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

// onHeaders reads a header block, and acts on it.
func (c *Conn) onHeaders(header frames.FrameHeader) error {
	c.input.until = deadline.In(c.cfg.HeadTimeout)
	itself, err := c.readBlock(header)
	c.input.until = time.Time{}
	if err != nil {
		return err
	}
	id, end := header.StreamID, header.Flags.Has(frames.FlagHeadersEndStream)
	if itself {
		if !c.client && c.newID(id) {
			c.noteID(id)
		}
		return c.refuse(id, malformed("stream that depends on itself"))
	}
	if c.client {
		return c.onResponse(id, end)
	}
	return c.onRequest(id, end)
}

// readBlock decodes a header block. It reports whether its stream is said to depend on itself.
func (c *Conn) readBlock(header frames.FrameHeader) (itself bool, err error) {
	c.block.begin()
	p, err := c.input.whole(int(header.Length))
	if err != nil {
		return false, c.frameError(err)
	}
	fragment, itself, err := fragmentOf(header, p)
	if err != nil {
		return false, err
	}
	last := header.Flags.Has(frames.FlagHeadersEndHeaders)
	err = c.block.add(fragment, last)
	if err == nil && !last {
		err = c.readContinuations()
	}
	return itself, err
}

// readContinuations decodes the rest of a header block.
func (c *Conn) readContinuations() error {
	for last := false; !last; {
		header, err := c.framer.ReadFrameHeader()
		if err != nil {
			return c.frameError(err)
		}
		if c.block.parts > c.cfg.MaxBlocks {
			return calm("too many CONTINUATION frames")
		}
		next, err := c.framer.ReadFrameForHeader(header)
		if err != nil {
			return c.frameError(err)
		}
		more := next.(*frames.ContinuationFrame) // the Framer has seen to that
		last = more.HeadersEnded()
		if err := c.block.add(more.HeaderBlockFragment(), last); err != nil {
			return err
		}
	}
	return nil
}

// newID reports whether a client may open a stream of that id.
func (c *Conn) newID(id uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return id%2 == 1 && id > c.lastIn
}

func (c *Conn) noteID(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastIn = id
}

// onRequest acts on a header block from a client: a request, or trailers.
func (c *Conn) onRequest(id uint32, end bool) error {
	if id%2 == 0 {
		return protocolError("stream of a client with an even id")
	}
	c.mu.Lock()
	s := c.streams[id]
	if s != nil {
		c.mu.Unlock()
		return c.onTrailers(s, end)
	}
	if id <= c.lastIn {
		defer c.mu.Unlock()
		return c.lateHeadersLocked(id)
	}
	c.lastIn = id
	if c.leaving == leftover {
		c.past.add(id, resetHere) // the client has been told that this is not looked at
		c.mu.Unlock()
		return nil
	}
	full := len(c.streams) >= c.cfg.MaxStreams || c.zombies >= maxZombies
	c.mu.Unlock()
	if full {
		return c.refuse(id, &StreamError{Code: RefusedStream})
	}
	r := &c.request
	*r = Request{End: end, Length: -1}
	if err := r.parse(c.block.fields, c.cfg.Limits, !c.cfg.NoConnect); err != nil && !c.block.tooBig {
		return c.refuse(id, err)
	}
	if c.block.tooBig {
		r.Refused, r.Fields = 431, nil
	}
	if end && r.Length > 0 && r.Refused == 0 {
		return c.refuse(id, malformed("content-length without a body"))
	}
	c.accept(id, r)
	return nil
}

// accept opens a stream for a request, and has it served.
func (c *Conn) accept(id uint32, r *Request) {
	c.mu.Lock()
	s := c.newStream(id)
	s.recvEnd, s.declared = r.End, r.Length
	c.prioritizeLocked(s, r)
	c.streams[id] = s
	c.mu.Unlock()
	h := c.server.Accept(s, r)
	if h == nil {
		s.Reset(RefusedStream, nil)
		return
	}
	c.mu.Lock()
	s.handler, s.serving = h, true
	c.running++
	gone := s.err
	if gone != nil { // meanwhile
		s.zombie = true
		c.zombies++
	}
	c.mu.Unlock()
	if gone != nil {
		h.Gone(gone)
	}
	c.workers.Add(1)
	go s.serve(h)
}

// prioritizeLocked gives a stream the priority that its request has, or that has been announced for it. RFC 9218 5, 7.
func (c *Conn) prioritizeLocked(s *Stream, r *Request) {
	for i := range r.Fields {
		if r.Fields[i].Name == "priority" {
			c.aware = true
			s.prio = parsePriority(r.Fields[i].Value)
		}
	}
	if p, ok := c.early[s.id]; ok {
		s.prio = p
		delete(c.early, s.id)
	}
}

// lateHeadersLocked is for a header block of a stream that is over. One that ended so long ago that it is forgotten may have
// been reset here: RFC 9113 5.1 has that ignored.
func (c *Conn) lateHeadersLocked(id uint32) error {
	if c.past.mayBeForgotten(id) {
		return c.forgottenLocked(id)
	}
	switch c.past.how(id) {
	case resetHere:
		return nil // sent before it knew
	case unknown:
		return protocolError("stream id that was passed over")
	}
	return &ConnError{Code: StreamClosed, Reason: "HEADERS for a stream that is over"}
}

// forgottenLocked is for the first late frame of a stream that has been forgotten: others are ignored from then on. A client
// that makes that a habit runs out of its allowance.
func (c *Conn) forgottenLocked(id uint32) error {
	c.past.add(id, resetHere)
	if c.client {
		return nil
	}
	return c.noiseLocked("frames for streams that are over")
}

// onTrailers acts on a header block behind a body.
func (c *Conn) onTrailers(s *Stream, end bool) error {
	c.mu.Lock()
	ended := s.recvEnd
	c.mu.Unlock()
	switch {
	case ended:
		return c.refuse(s.id, &StreamError{Code: StreamClosed})
	case !end:
		return c.refuse(s.id, malformed("second head"))
	case c.block.tooBig:
		return c.refuse(s.id, &StreamError{Code: EnhanceYourCalm, cause: errTrailers})
	}
	if err := checkTrailers(c.block.fields, c.cfg.Limits); err != nil {
		return c.refuse(s.id, err)
	}
	c.mu.Lock()
	if !s.complete() {
		c.mu.Unlock()
		return c.refuse(s.id, malformed("body shorter than its content-length"))
	}
	s.trailers = append([]Field(nil), c.block.fields...)
	s.recvEndLocked()
	c.endIfOverAndUnlock()
	return nil
}

// recvEndLocked notes that the peer has sent everything.
func (s *Stream) recvEndLocked() {
	s.recvEnd = true
	s.changeLocked()
	s.checkDoneLocked()
}

// complete reports whether as much has come as was announced.
func (s *Stream) complete() bool { return s.declared < 0 || s.noBody || s.arrived == s.declared }

// onResponse acts on a header block from a server: a head, or trailers.
func (c *Conn) onResponse(id uint32, end bool) error {
	c.mu.Lock()
	s := c.streams[id]
	if s == nil {
		defer c.mu.Unlock()
		if c.idleLocked(id) {
			return protocolError("HEADERS for a stream that is idle")
		}
		return c.lateHeadersLocked(id)
	}
	final := s.final
	c.mu.Unlock()
	if final {
		return c.onTrailers(s, end)
	}
	if c.block.tooBig {
		return c.refuse(id, &StreamError{Code: Cancel, cause: errHeadLong})
	}
	h, err := parseHead(c.block.fields, end, c.cfg.Limits)
	if err != nil {
		return c.refuse(id, err)
	}
	return c.answered(s, h)
}

// answered notes a head.
func (c *Conn) answered(s *Stream, h Head) error {
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
		c.changeSoonLocked(s)
	}
	c.endIfOverAndUnlock()
	return nil
}

// refuse resets a stream because of what the peer sent, which counts as if the peer had reset it.
func (c *Conn) refuse(id uint32, why *StreamError) error {
	c.mu.Lock()
	if !c.client && !c.resets.take() {
		c.mu.Unlock()
		return calm("too many streams that had to be reset")
	}
	s := c.streams[id]
	told := false
	if s != nil {
		told = s.resetLocked(why)
	} else {
		c.out = appendReset(c.outLocked(), id, why.Code)
		if c.past.how(id) == unknown {
			c.past.add(id, resetHere)
		}
	}
	c.pushLocked()
	c.endIfOverAndUnlock()
	if told {
		s.tellHandler()
	}
	return nil
}

// onReset notes that the peer has reset a stream.
func (c *Conn) onReset(f *frames.RSTStreamFrame) error {
	c.mu.Lock()
	if c.idleLocked(f.StreamID) {
		c.mu.Unlock()
		return protocolError("RST_STREAM for a stream that is idle")
	}
	if !c.client && !c.resets.take() {
		c.mu.Unlock()
		return calm("too many streams that were reset")
	}
	s := c.streams[f.StreamID]
	if s == nil {
		c.mu.Unlock()
		return nil
	}
	s.endLocked(&StreamError{Code: Code(f.ErrCode), Remote: true})
	c.dropLocked(s, resetByPeer)
	c.endIfOverAndUnlock()
	s.tellHandler()
	return nil
}

// onPriorityUpdate changes the priority of a stream, which may not have been opened yet. RFC 9218 7.1.
func (c *Conn) onPriorityUpdate(f *frames.PriorityUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client {
		return protocolError("PRIORITY_UPDATE from a server")
	}
	if err := c.noiseLocked("PRIORITY_UPDATE frames"); err != nil {
		return err
	}
	c.aware = true
	p := parsePriority(f.Priority)
	id := f.PrioritizedStreamID
	switch s := c.streams[id]; {
	case s != nil:
		c.ready.remove(s)
		s.prio = p
		s.scheduleLocked()
	case id%2 == 0:
		return protocolError("PRIORITY_UPDATE for a push")
	case id > c.lastIn && len(c.early) < c.cfg.MaxStreams:
		if c.early == nil {
			c.early = make(map[uint32]priority)
		}
		c.early[id] = p
	}
	return nil
}

// Open opens a stream with the header list of a request; end says that no body follows. It waits while the peer allows no
// more streams. If the connection takes none any more the error is a [*StreamError] that is Unprocessed.
func (c *Conn) Open(ctx context.Context, fields []Field, end bool) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.closedLocked(); err != nil {
			return nil, &StreamError{Code: RefusedStream, unprocessed: true, cause: err}
		}
		if len(c.streams) < c.maxOpen && len(c.out) <= maxWaiting {
			break
		}
		if err := c.waitLocked(ctx); err != nil {
			return nil, err
		}
	}
	s := c.newStream(c.nextOut)
	c.nextOut += 2
	if c.nextOut > 1<<31-1 {
		c.sayLeavingLocked()
	}
	if len(c.streams) == 0 {
		c.busy = time.Now()
	}
	c.streams[s.id] = s
	method := methodOf(fields)
	s.noBody, s.tunnel = method == "HEAD", method == "CONNECT"
	c.headersLocked(s.id, fields, end)
	if end {
		s.Out.ends, s.sentEnd = true, true
	}
	c.pushSoonLocked()
	return s, nil
}

// Free returns how many streams can be opened now without waiting.
func (c *Conn) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closedLocked() != nil {
		return 0
	}
	return max(c.maxOpen-len(c.streams), 0)
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

// methodOf returns the method of a request.
func methodOf(fields []Field) string {
	for i := range fields {
		if fields[i].Name == ":method" {
			return fields[i].Value
		}
	}
	return ""
}
