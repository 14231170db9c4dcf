package http2

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// input is what the Framer reads: the bytes of the connection, through its window.
type input struct {
	c     *Conn
	until time.Time // for the first SETTINGS, or the header block that is being read, if there is one
	err   error     // why reading has ended
	held  []byte    // a payload that was not in the window as a whole
}

func (in *input) Read(p []byte) (int, error) {
	c := in.c
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.src.Buffered()) == 0 {
		limit := in.until
		if limit.IsZero() {
			limit = deadline.In(c.cfg.FrameTimeout)
		}
		if err := in.fill(limit, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.src.Buffered())
	c.src.Discard(n)
	return n, nil
}

// fill waits for bytes until limit.
func (in *input) fill(limit time.Time, n int) error {
	in.c.changeNow()
	_ = in.c.nc.SetReadDeadline(limit)
	err := in.c.src.Fill(in.c.ctx, n)
	if err != nil {
		in.err = err
	}
	return err
}

// changeSoonLocked is s.changeLocked as soon as a frame of another stream has come, or nothing more has: what follows a head
// is mostly at hand, and who waits for the head is woken once for both.
func (c *Conn) changeSoonLocked(s *Stream) {
	if c.changed != nil && c.changed != s {
		c.changed.changeLocked()
	}
	c.changed = s
}

// changeNow does what changeSoonLocked has put off.
func (c *Conn) changeNow() {
	if c.changed == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.changeLocked()
	c.changed = nil
}

// whole returns a payload of n bytes, which are valid until more is read.
func (in *input) whole(n int) ([]byte, error) {
	if p := in.c.src.Buffered(); len(p) >= n {
		in.c.src.Discard(n)
		return p[:n], nil
	}
	in.held = slices.Grow(in.held[:0], n)[:n]
	_, err := io.ReadFull(in, in.held)
	return in.held, err
}

// Reading ended, as readFrame returns it.
func (c *Conn) inputError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ConnError{Code: NoError, Reason: "frame not complete in time"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// readPreface reads the connection preface of a client, RFC 9113 3.4.
func (c *Conn) readPreface() error {
	for n := 0; ; {
		p := c.src.Buffered()
		n = min(len(p), len(frames.ClientPreface))
		if string(p[:n]) != frames.ClientPreface[:n] {
			return protocolError("no connection preface")
		}
		if n == len(frames.ClientPreface) {
			c.src.Discard(n)
			return nil
		}
		if err := c.input.fill(c.input.until, len(frames.ClientPreface)); err != nil {
			return c.inputError(err)
		}
	}
}

// readFrame waits for a frame, for as long as the connection may be silent, and acts on it.
func (c *Conn) readFrame() error {
	for len(c.src.Buffered()) == 0 {
		err := c.input.fill(c.silence(), frameHeader)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(c.ctx, err) && c.ctx.Err() == nil:
			if err := c.silent(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	header, err := c.framer.ReadFrameHeader()
	if err != nil {
		return c.frameError(err)
	}
	if c.cfg.PingAfter >= 0 {
		c.heard, c.probing = time.Now(), time.Time{} // whatever comes shows that the peer lives
	}
	switch {
	case !c.first && header.Type != frames.FrameSettings:
		return protocolError("first frame is not SETTINGS")
	case !c.first:
		c.first = true
	}
	switch header.Type {
	case frames.FrameData: // those of every request are read without the Framer, which allocates
		return c.onData(header)
	case frames.FrameHeaders:
		return c.onHeaders(header)
	}
	f, err := c.framer.ReadFrameForHeader(header)
	if err != nil {
		return c.payloadError(header, err)
	}
	return c.onFrame(f)
}

// onFrame acts on a frame that is not DATA.
func (c *Conn) onFrame(f frames.Frame) error {
	switch f := f.(type) {
	case *frames.RSTStreamFrame:
		return c.onReset(f)
	case *frames.SettingsFrame:
		return c.onSettings(f)
	case *frames.PingFrame:
		return c.onPing(f)
	case *frames.GoAwayFrame:
		return c.onGoAway(f)
	case *frames.WindowUpdateFrame:
		return c.onWindowUpdate(f)
	case *frames.PriorityUpdateFrame:
		return c.onPriorityUpdate(f)
	case *frames.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return c.refuse(f.StreamID, malformed("stream that depends on itself"))
		}
	case *frames.PushPromiseFrame:
		return protocolError("PUSH_PROMISE, which nobody has asked for")
	}
	return c.countNoise("frames that say nothing")
}

// countNoise counts a frame that carries nothing.
func (c *Conn) countNoise(what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noiseLocked(what)
}

func (c *Conn) noiseLocked(what string) error {
	if !c.noise.take() {
		return calm("too many " + what)
	}
	return nil
}

// frameError is what an error of the Framer means.
func (c *Conn) frameError(err error) error {
	var code frames.ConnectionError
	switch {
	case c.input.err != nil && !c.settled && errors.Is(c.input.err, os.ErrDeadlineExceeded):
		return errNoSettings
	case c.input.err != nil:
		return c.inputError(c.input.err)
	case errors.As(err, &code):
		reason := ""
		if detail := c.framer.ErrorDetail(); detail != nil {
			reason = detail.Error()
		}
		return &ConnError{Code: Code(code), Reason: reason}
	case errors.Is(err, frames.ErrFrameTooLarge):
		return &ConnError{Code: FrameSizeError, Reason: "frame too large"}
	}
	return &ConnError{Code: FrameSizeError, Reason: "malformed frame"}
}

// payloadError is frameError for an error that may concern one stream.
func (c *Conn) payloadError(header frames.FrameHeader, err error) error {
	var one frames.StreamError
	if !errors.As(err, &one) || c.input.err != nil {
		return c.frameError(err)
	}
	c.mu.Lock()
	idle := c.idleLocked(header.StreamID)
	c.mu.Unlock()
	if idle {
		return protocolError("frame for a stream that is idle")
	}
	return c.refuse(one.StreamID, &StreamError{Code: Code(one.Code)})
}

// silence returns until when nothing need come. What happens meanwhile is looked at then.
func (c *Conn) silence() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.settled:
		return c.input.until
	case !c.probing.IsZero():
		return c.probing
	}
	return earlier(c.idleLimitLocked(), c.pingLimitLocked())
}

func (c *Conn) idleLimitLocked() time.Time {
	if c.client || c.cfg.IdleTimeout < 0 {
		return time.Time{}
	}
	since := c.busy
	if len(c.streams) > 0 || c.running > 0 {
		since = time.Now()
	}
	return since.Add(c.cfg.IdleTimeout)
}

func (c *Conn) pingLimitLocked() time.Time {
	if c.cfg.PingAfter < 0 {
		return time.Time{}
	}
	since := c.heard
	if len(c.streams) == 0 {
		since = time.Now()
	} else if c.busy.After(since) {
		since = c.busy
	}
	return since.Add(c.cfg.PingAfter)
}

// silent is called when nothing has come for as long as silence said.
func (c *Conn) silent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.settled {
		return errNoSettings
	}
	if !c.probing.IsZero() {
		if now.Before(c.probing) {
			return nil
		}
		return &ConnError{Code: NoError, Reason: "no answer to a ping"}
	}
	if limit := c.idleLimitLocked(); !limit.IsZero() && !now.Before(limit) {
		return errIdle
	}
	if limit := c.pingLimitLocked(); !limit.IsZero() && !now.Before(limit) {
		c.probing = now.Add(max(c.cfg.PingTimeout, 0))
		c.out = appendPing(c.outLocked(), 0, probe)
		c.pushLocked()
	}
	return nil
}

// earlier returns the earlier of two times, of which either may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// waitLocked waits, unlocked, until anything changes for the connection, or ctx ends.
func (c *Conn) waitLocked(ctx context.Context) error {
	news := c.newsLocked()
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}
