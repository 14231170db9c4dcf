package http2

import (
	"context"
	"runtime"

	frames "golang.org/x/net/http2"
)

const (
	gatherMax  = 32 << 10 // bytes that are handed over at once
	bulkMin    = 16 << 10 // bytes that a sink writes from where they lie; more of them make its buffer grow
	pieceMin   = 256      // the shortest DATA frame that is worth while when there is more
	maxWaiting = 64 << 10 // bytes of frames beside DATA, beyond which heads wait
)

// outLocked returns the frames that are to be sent, to append to.
func (c *Conn) outLocked() []byte {
	if c.out == nil {
		c.out = c.sink.Begin()
	}
	return c.out
}

// push sends what is to be sent.
func (c *Conn) push() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushLocked()
}

func (c *Conn) hasOutputLocked() bool { return len(c.out) > 0 || c.ready.count > 0 && c.window > 0 }

// pushLocked hands over, unlocked and without waiting for room, what is to be sent, unless somebody is doing that.
func (c *Conn) pushLocked() {
	if c.writing || c.broken || !c.hasOutputLocked() {
		return
	}
	c.writing = true
	for c.hasOutputLocked() && !c.broken {
		p := c.gatherLocked()
		taken := len(p) < bulkMin
		if taken {
			var err error
			c.mu.Unlock()
			if taken, err = c.sink.TryEnd(p, nil); err != nil {
				c.fail(err)
			}
			c.mu.Lock()
			taken = taken || err != nil
		}
		if !taken {
			c.stuck = true
			go c.writeOn(p) // finish waits for it
			return
		}
		c.handedOverLocked()
	}
	c.writing = false
	c.changeLocked()
	if c.checkOverLocked() { // what was handed over has ended the last stream
		c.endIfOverAndUnlock()
		c.mu.Lock()
	}
}

// pushSoonLocked is pushLocked by somebody who can wait for others that are about to add to the output. What has arrived
// together wakes many at once, so that heads leave together too.
func (c *Conn) pushSoonLocked() {
	if c.writing {
		return
	}
	if c.running > 1 || c.client && len(c.streams) > 1 {
		c.writing = true
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		c.writing = false
		c.changeLocked()
	}
	c.pushLocked()
}

// writeOn is pushLocked for a sink that has no room, and for what is so much that the sink writes it from where it lies. It
// waits for that.
func (c *Conn) writeOn(p []byte) {
	for {
		if err := c.write(p); err != nil {
			c.fail(err)
		}
		c.mu.Lock()
		c.handedOverLocked()
		if c.broken || !c.hasOutputLocked() {
			break
		}
		p = c.gatherLocked()
		c.mu.Unlock()
	}
	c.writing, c.stuck = false, false
	c.changeLocked()
	c.endIfOverAndUnlock()
}

// write hands p to the sink, which it comes from. An abort of the connection ends it.
func (c *Conn) write(p []byte) error {
	if len(p) < bulkMin {
		return c.sink.End(context.Background(), p, nil)
	}
	err := c.sink.End(context.Background(), nil, p)
	_, _ = c.sink.TryEnd(p[:0], nil) // is scratch again
	return err
}

func (c *Conn) handedOverLocked() {
	c.accepted = c.gathered
	c.changeLocked()
}

// gatherLocked takes frames that are to be sent: all but DATA, then DATA by priority.
func (c *Conn) gatherLocked() []byte {
	c.outLocked()
	for c.window > 0 {
		room := gatherMax - frameHeader - len(c.out)
		if room < pieceMin {
			break
		}
		s := c.ready.next()
		if s == nil {
			break
		}
		s.dataLocked(room)
	}
	p := c.out
	c.out, c.owed = nil, 0
	c.gathered++
	return p
}

// passLocked puts what a stream has to send straight into the output, as far as there is room and no other stream waits for
// its turn, so that its sender need not wait either. While the sink has no room all streams wait, for the most urgent one to
// be next.
func (s *Stream) passLocked() {
	c, w := s.c, &s.Out
	c.outLocked()
	for c.ready.count == 0 && !c.stuck && len(w.pending) > 0 && s.window > 0 && c.window > 0 {
		room := gatherMax - frameHeader - len(c.out)
		if room < min(pieceMin, len(w.pending)) {
			return
		}
		s.dataLocked(room)
	}
}

// dataLocked appends a DATA frame of at most room bytes.
func (s *Stream) dataLocked(room int) {
	c, w := s.c, &s.Out
	n := int(min(int64(len(w.pending)), s.window, c.window, int64(c.maxFrame), int64(room)))
	last := n == len(w.pending) && len(w.rest) == 0
	var flags frames.Flags
	if last && w.ends && w.trailers == nil {
		flags = frames.FlagDataEndStream
	}
	c.out = append(appendFrame(c.out, n, frames.FrameData, flags, s.id), w.pending[:n]...)
	w.pending = w.pending[n:]
	s.window -= int64(n)
	c.window -= int64(n)
	w.sent += int64(n)
	c.sent += int64(n)
	c.grants += updatesPerData
	if len(w.pending) == 0 {
		w.pending, w.rest = w.rest, nil
	}
	if len(w.pending) == 0 || s.window <= 0 {
		c.ready.remove(s)
	}
	if last {
		w.drainedLocked()
	}
	s.changeLocked()
}

// headersLocked appends a header block, as one frame or more.
func (c *Conn) headersLocked(id uint32, fields []Field, end bool) {
	p := c.outLocked()
	at := len(p)
	c.encoded.p = append(p, make([]byte, frameHeader)...)
	for _, f := range fields {
		_ = c.encoder.WriteField(f) // an appender does not fail
	}
	c.out, c.encoded.p = c.encoded.p, nil
	var flags frames.Flags
	if end {
		flags = frames.FlagHeadersEndStream
	}
	n := len(c.out) - at - frameHeader
	if n <= c.maxFrame {
		putFrame(c.out[at:at+frameHeader:at+frameHeader], n, frames.FrameHeaders, flags|frames.FlagHeadersEndHeaders, id)
		return
	}
	c.splitLocked(id, at, flags)
}

// splitLocked makes a HEADERS and CONTINUATION frames of a header block that lies behind at.
func (c *Conn) splitLocked(id uint32, at int, flags frames.Flags) {
	block := append([]byte(nil), c.out[at+frameHeader:]...)
	c.out = c.out[:at]
	for kind := frames.FrameHeaders; ; kind, flags = frames.FrameContinuation, 0 {
		n := min(len(block), c.maxFrame)
		if n == len(block) {
			flags |= frames.FlagHeadersEndHeaders
		}
		c.out = append(appendFrame(c.out, n, kind, flags, id), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return
		}
	}
}
