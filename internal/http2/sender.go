package http2

import (
	"context"
	"runtime"

	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/line"
)

const (
	gatherMax  = 32 << 10 // bytes that are handed over at once
	bulkMin    = 16 << 10 // bytes that a sink writes in place; more of them make its buffer grow
	pieceMin   = 256      // the shortest DATA frame that is worth while when there is more
	maxWaiting = 64 << 10 // bytes of frames beside DATA, beyond which heads wait
)

// sender gathers the frames to send, and passes them to the sink of the connection. The lock of the
// connection guards its fields.
type sender struct {
	c        *Conn
	sink     chanio.ByteSink
	out      []byte // frames to send, in order
	owed     int    // acknowledgements and RST_STREAM frames in out, which the peer may have caused
	encoder  *hpack.Encoder
	encoded  appender
	maxFrame int       // that the peer accepts
	line     line.Line // of streams that wait until not too many frames are in out
	ready    queue     // streams with DATA
	window   int64     // that the peer has opened for the connection
	sent     int64     // bytes of DATA, ever
	grants   int       // WINDOW_UPDATE frames that are not noise
	writing  bool
	stuck    bool   // and waits for room in the sink
	gathered uint64 // how often output has been gathered
	accepted uint64 // and handed over
	broken   bool   // nothing can be written any more
	lost     error  // why, while a client still reads
}

func (sd *sender) init(c *Conn) {
	sd.c, sd.sink = c, chanio.BytesTo(c.nc.Out)
	sd.encoder = hpack.NewEncoder(&sd.encoded)
	sd.encoder.SetMaxDynamicTableSizeLimit(maxTable)
	sd.maxFrame, sd.window = 16<<10, defaultWindow
}

// appender is the writer of the HPACK encoder.
type appender struct{ p []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.p = append(a.p, p...)
	return len(p), nil
}

// outLocked returns the buffer of the frames to send.
func (sd *sender) outLocked() []byte {
	if sd.out == nil {
		sd.out = sd.sink.Begin()
	}
	return sd.out
}

// push sends the output.
func (sd *sender) push() {
	sd.c.mu.Lock()
	defer sd.c.mu.Unlock()
	sd.pushLocked()
}

func (sd *sender) hasOutputLocked() bool {
	return len(sd.out) > 0 || sd.ready.count > 0 && sd.window > 0
}

// pushLocked passes the output to the sink, unlocked and without waiting for room, unless another goroutine is
// doing that.
func (sd *sender) pushLocked() {
	c := sd.c
	if sd.writing || sd.broken || !sd.hasOutputLocked() {
		return
	}
	sd.writing = true
	for sd.hasOutputLocked() && !sd.broken {
		p := sd.gatherLocked()
		taken := len(p) < bulkMin
		if taken {
			var err error
			c.mu.Unlock()
			if taken, err = sd.sink.TryEnd(p, nil); err != nil {
				c.failWrites(err)
			}
			c.mu.Lock()
			taken = taken || err != nil
		}
		if !taken {
			sd.stuck = true
			go sd.writeOn(p) // run waits for it, in awaitWritten
			return
		}
		sd.handedOverLocked()
	}
	sd.writing = false
	c.changeLocked()
	if c.checkOverLocked() { // what was handed over has ended the last stream
		c.endIfOverAndUnlock()
		c.mu.Lock()
	}
}

// pushSoonLocked is pushLocked after other goroutines that are about to add to the output have run. Frames that arrive
// together wake many goroutines at once, so their heads leave together too.
func (sd *sender) pushSoonLocked() {
	c := sd.c
	if sd.writing {
		return
	}
	if c.running > 1 || c.client && len(c.streams) > 1 {
		sd.writing = true
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		sd.writing = false
		c.changeLocked()
	}
	sd.pushLocked()
}

// writeOn is pushLocked for a sink that has no room, and for output so large that the sink writes it in place. It
// waits.
func (sd *sender) writeOn(p []byte) {
	c := sd.c
	for {
		if err := sd.write(p); err != nil {
			c.failWrites(err)
		}
		c.mu.Lock()
		sd.handedOverLocked()
		if sd.broken || !sd.hasOutputLocked() {
			break
		}
		p = sd.gatherLocked()
		c.mu.Unlock()
	}
	sd.writing, sd.stuck = false, false
	c.changeLocked()
	c.endIfOverAndUnlock()
}

// write passes p, which came from the sink, to the sink. An abort of the connection ends it.
func (sd *sender) write(p []byte) error {
	if len(p) < bulkMin {
		return sd.sink.End(context.Background(), p, nil)
	}
	err := sd.sink.End(context.Background(), nil, p)
	_, _ = sd.sink.TryEnd(p[:0], nil) // is scratch again
	return err
}

func (sd *sender) handedOverLocked() {
	sd.accepted = sd.gathered
	sd.c.changeLocked()
}

// gatherLocked returns the next output: all frames but DATA, then DATA by priority. There is always room for some DATA, or
// a connection on which heads pile up would send none.
func (sd *sender) gatherLocked() []byte {
	most := max(gatherMax, len(sd.outLocked())+bulkMin)
	for sd.window > 0 {
		room := most - frameHeader - len(sd.out)
		if room < pieceMin {
			break
		}
		s := sd.ready.next()
		if s == nil {
			break
		}
		s.dataLocked(room)
	}
	p := sd.out
	sd.out, sd.owed = nil, 0
	sd.gathered++
	return p
}

// passLocked appends what a stream has to send directly to the output, as far as there is room and no other stream is
// queued, so that its sender does not wait. While the sink has no room all streams are queued, so that the most urgent
// one is next.
func (s *Stream) passLocked() {
	c, w := s.c, &s.Out
	c.send.outLocked()
	for c.send.ready.count == 0 && !c.send.stuck && len(w.pending) > 0 && s.window > 0 && c.send.window > 0 {
		room := gatherMax - frameHeader - len(c.send.out)
		if room < min(pieceMin, len(w.pending)) {
			return
		}
		s.dataLocked(room)
	}
}

// dataLocked appends a DATA frame of at most room bytes.
func (s *Stream) dataLocked(room int) {
	c, w := s.c, &s.Out
	n := int(min(int64(len(w.pending)), s.window, c.send.window, int64(c.send.maxFrame), int64(room)))
	last := n == len(w.pending) && len(w.rest) == 0
	var flags frames.Flags
	if last && w.ends && w.trailers == nil {
		flags = frames.FlagDataEndStream
	}
	c.send.out = append(appendFrame(c.send.out, n, frames.FrameData, flags, s.id), w.pending[:n]...)
	w.pending = w.pending[n:]
	s.window -= int64(n)
	c.send.window -= int64(n)
	w.sent += int64(n)
	c.send.sent += int64(n)
	c.send.grants += updatesPerData
	if len(w.pending) == 0 {
		w.pending, w.rest = w.rest, nil
	}
	if len(w.pending) == 0 || s.window <= 0 {
		c.send.ready.remove(s)
	}
	if last {
		w.drainedLocked()
	}
	s.changeLocked()
}

// headersLocked appends a header block, as one frame or more.
func (sd *sender) headersLocked(id uint32, fields []Field, end bool) {
	p := sd.outLocked()
	at := len(p)
	sd.encoded.p = append(p, make([]byte, frameHeader)...)
	for _, f := range fields {
		f.Sensitive = f.Sensitive || isSecret(&f)
		_ = sd.encoder.WriteField(f) // an appender does not fail
	}
	sd.out, sd.encoded.p = sd.encoded.p, nil
	var flags frames.Flags
	if end {
		flags = frames.FlagHeadersEndStream
	}
	n := len(sd.out) - at - frameHeader
	if n <= sd.maxFrame {
		putFrame(sd.out[at:at+frameHeader:at+frameHeader], n, frames.FrameHeaders, flags|frames.FlagHeadersEndHeaders, id)
		return
	}
	sd.splitLocked(id, at, flags)
}

// splitLocked splits the header block after at into a HEADERS frame and CONTINUATION frames.
func (sd *sender) splitLocked(id uint32, at int, flags frames.Flags) {
	block := append([]byte(nil), sd.out[at+frameHeader:]...)
	sd.out = sd.out[:at]
	for kind := frames.FrameHeaders; ; kind, flags = frames.FrameContinuation, 0 {
		n := min(len(block), sd.maxFrame)
		if n == len(block) {
			flags |= frames.FlagHeadersEndHeaders
		}
		sd.out = append(appendFrame(sd.out, n, kind, flags, id), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return
		}
	}
}

// acknowledgeLocked sends out, to which the caller has appended an acknowledgement.
func (sd *sender) acknowledgeLocked(out []byte) error {
	sd.out = out
	sd.owed++
	if err := sd.checkOwedLocked(); err != nil {
		return err
	}
	sd.pushLocked()
	return nil
}

// checkOwedLocked returns an error if the frames that the peer has caused pile up because it does not read.
func (sd *sender) checkOwedLocked() error {
	if sd.owed > maxOwed {
		return calm("too many frames that must be answered")
	}
	return nil
}

// addResetLocked appends a RST_STREAM. owed says that the peer may have caused it.
func (sd *sender) addResetLocked(id uint32, code Code, owed bool) {
	sd.out = appendReset(sd.outLocked(), id, code)
	if owed {
		sd.owed++
	}
}
