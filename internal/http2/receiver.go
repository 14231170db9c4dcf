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

// receiver reads frames and acts on them, in the goroutine that serves or runs the connection. Only that goroutine uses
// its fields, except the windows, which the lock of the connection guards.
type receiver struct {
	c       *Conn
	src     chanio.ByteSource
	ctx     context.Context
	input   input
	framer  *frames.Framer
	block   block
	changed *Stream   // has a new head, and its waiters have not been woken
	first   bool      // the first SETTINGS have arrived
	heard   time.Time // when the last frame arrived
	probing time.Time // when the answer to a ping of silence is due, if one was sent

	window   int64 // what the peer may still send
	received int64 // bytes whose credit has not been returned
}

func (rc *receiver) init(c *Conn, src chanio.ByteSource) {
	rc.c, rc.src = c, src
	rc.input.rc = rc
	rc.framer = frames.NewFramer(nil, &rc.input)
	rc.framer.SetMaxReadFrameSize(uint32(c.cfg.MaxFrame))
	rc.block.init(c.cfg.Limits.Head)
	rc.window, rc.heard = defaultWindow, time.Now()
}

// input is the reader of the Framer. It reads the bytes of the connection through its buffer.
type input struct {
	rc    *receiver
	until time.Time // for the first SETTINGS, or the header block that is being read, if there is one
	err   error     // why reading has ended
	held  []byte    // a payload that was not in the window as a whole
}

func (in *input) Read(p []byte) (int, error) {
	rc := in.rc
	if len(p) == 0 {
		return 0, nil
	}
	if len(rc.src.Buffered()) == 0 {
		limit := in.until
		if limit.IsZero() {
			limit = rc.frameLimit()
		}
		if err := in.fill(limit, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, rc.src.Buffered())
	rc.src.Discard(n)
	return n, nil
}

// fill waits for bytes until limit.
func (in *input) fill(limit time.Time, n int) error {
	in.rc.changeNow()
	_ = in.rc.c.nc.SetReadDeadline(limit)
	err := in.rc.src.Fill(in.rc.ctx, n)
	if err != nil {
		in.err = err
	}
	return err
}

// changeSoonLocked calls s.changeLocked when a frame of another stream arrives, or when nothing more is buffered. What
// follows a head is usually at hand, so a goroutine that waits for the head is woken once for both.
func (rc *receiver) changeSoonLocked(s *Stream) {
	if rc.changed != nil && rc.changed != s {
		rc.changed.changeLocked()
	}
	rc.changed = s
}

// changeNow makes the call that changeSoonLocked has put off.
func (rc *receiver) changeNow() {
	c := rc.c
	if rc.changed == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rc.changed.changeLocked()
	rc.changed = nil
}

// whole returns a payload of n bytes. It is valid until the next read.
func (in *input) whole(n int) ([]byte, error) {
	if p := in.rc.src.Buffered(); len(p) >= n {
		in.rc.src.Discard(n)
		return p[:n], nil
	}
	in.held = slices.Grow(in.held[:0], n)[:n]
	_, err := io.ReadFull(in, in.held)
	return in.held, err
}

// inputError returns the error of a connection for an error of its input.
func (rc *receiver) inputError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ConnError{Code: NoError, Reason: "frame not complete in time"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// readPreface reads the connection preface of a client, RFC 9113 3.4.
func (rc *receiver) readPreface() error {
	for n := 0; ; {
		p := rc.src.Buffered()
		n = min(len(p), len(frames.ClientPreface))
		if string(p[:n]) != frames.ClientPreface[:n] {
			return protocolError("no connection preface")
		}
		if n == len(frames.ClientPreface) {
			rc.src.Discard(n)
			rc.input.until = deadline.In(rc.c.cfg.PrefaceTimeout) // for the SETTINGS
			return nil
		}
		if err := rc.input.fill(rc.input.until, len(frames.ClientPreface)); err != nil {
			return rc.inputError(err)
		}
	}
}

// read reads until the connection ends.
func (rc *receiver) read() error {
	c := rc.c
	if !c.client {
		if err := rc.readPreface(); err != nil {
			return err
		}
	}
	for {
		if err := rc.readFrame(); err != nil {
			return err
		}
	}
}

// readFrame waits for a frame, as long as the connection may be silent, and acts on it.
func (rc *receiver) readFrame() error {
	c := rc.c
	for len(rc.src.Buffered()) == 0 {
		err := rc.input.fill(rc.silence(), frameHeader)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(rc.ctx, err) && rc.ctx.Err() == nil:
			if err := rc.silent(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	header, err := rc.framer.ReadFrameHeader()
	if err != nil {
		return rc.frameError(err)
	}
	if c.cfg.PingAfter >= 0 {
		rc.heard, rc.probing = time.Now(), time.Time{} // whatever comes shows that the peer lives
	}
	switch {
	case !rc.first && (header.Type != frames.FrameSettings || header.Flags.Has(frames.FlagSettingsAck)):
		return protocolError("first frame is not SETTINGS")
	case !rc.first:
		rc.first = true
	}
	switch header.Type {
	case frames.FrameData: // those of every request are read without the Framer, which allocates
		return rc.onData(header)
	case frames.FrameHeaders:
		return rc.onHeaders(header)
	}
	f, err := rc.framer.ReadFrameForHeader(header)
	if err != nil {
		return rc.payloadError(err)
	}
	return rc.onFrame(f)
}

// onFrame acts on a frame that is not DATA.
func (rc *receiver) onFrame(f frames.Frame) error {
	c := rc.c
	switch f := f.(type) {
	case *frames.RSTStreamFrame:
		return rc.onReset(f)
	case *frames.SettingsFrame:
		return rc.onSettings(f)
	case *frames.PingFrame:
		return rc.onPing(f)
	case *frames.GoAwayFrame:
		return rc.onGoAway(f)
	case *frames.WindowUpdateFrame:
		return rc.onWindowUpdate(f)
	case *frames.PriorityUpdateFrame:
		return c.accept.onPriorityUpdate(f)
	case *frames.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return c.refuse(f.StreamID, malformed("stream that depends on itself"))
		}
	case *frames.PushPromiseFrame:
		return protocolError("PUSH_PROMISE, which nobody has asked for")
	}
	return rc.countNoise("frames that say nothing")
}

// countNoise counts a frame that carries nothing.
func (rc *receiver) countNoise(what string) error {
	c := rc.c
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

// frameError returns the error of the connection for an error of the Framer.
func (rc *receiver) frameError(err error) error {
	c := rc.c
	var code frames.ConnectionError
	switch {
	case rc.input.err != nil && !c.peer.settled && errors.Is(rc.input.err, os.ErrDeadlineExceeded):
		return errNoSettings
	case rc.input.err != nil:
		return rc.inputError(rc.input.err)
	case errors.As(err, &code):
		reason := ""
		if detail := rc.framer.ErrorDetail(); detail != nil {
			reason = detail.Error()
		}
		return &ConnError{Code: Code(code), Reason: reason}
	case errors.Is(err, frames.ErrFrameTooLarge):
		return &ConnError{Code: FrameSizeError, Reason: "frame too large"}
	}
	return &ConnError{Code: FrameSizeError, Reason: "malformed frame"}
}

// payloadError is frameError for errors that may belong to one stream.
func (rc *receiver) payloadError(err error) error {
	var one frames.StreamError
	if !errors.As(err, &one) || rc.input.err != nil {
		return rc.frameError(err)
	}
	return rc.c.refuse(one.StreamID, &StreamError{Code: Code(one.Code)})
}
