package websocket

import (
	"context"
	"errors"
	"io"
	"math"
	"math/bits"

	"github.com/weir-go/weir/chanio"
)

// reader is the receiving half of a [Conn]: the state of the current frame and message, and what was read ahead. Only the
// goroutine that has the turn uses it, so it needs no lock. Conn.skips, which says that pieces are to be dropped, may be
// set by others.
type reader struct {
	conn  *Conn
	src   chanio.ByteSource
	given int32 // bytes of messages that atHand has returned: they count as at hand until the next call
	tried int32 // bytes at hand that tryNext has found to be no whole message

	left int64  // bytes of the present frame's payload that were not taken, or noFrame
	key  uint32 // for the next of them

	at         phase
	wanted     form // of messages
	fin        bool // of the present frame
	compressed bool // the present message

	kind      Kind
	text      textCheck
	fragments int32
	budget    int32 // bytes of messages that may be read, or unbounded
	size      int64 // bytes of the message so far
	buf       []byte
	lease     *lease // where buf lies, if it is leased
	lent      *lease // of the message that was lent last; the others follow it

	queue []Message // what was read ahead

	err       error // sticky: what comes after the last message
	most      int64
	inflating *inflating // what is left of a compressed message that is read in pieces
}

// phase is where a reader is in a message.
//
//	between    -> collecting  beginFrame: the first frame
//	collecting -> between     whole, wholeCompressed: the last frame has ended
//	           -> streaming   announce: the message is wanted in pieces; the first has what was collected
//	           -> unpacking   inflateByParts: the same for a compressed message, whose last frame has ended
//	           -> collected   wholeCompressed: reading ahead has found it too large
//	streaming  -> between     part: the last piece
//	collected  -> unpacking   inflateByParts
//	unpacking  -> between     inflatedPart: the last piece; dropInflating: nobody wants the others
//	any        -> over        judge
type phase uint8

const (
	between    phase = iota // of two messages
	collecting              // its bytes are in buf
	streaming               // its bytes are returned as they come
	collected               // its compressed form is in buf, whole
	unpacking               // its bytes are returned as they are uncompressed
	over                    // there are no more: err says why
)

// form is how the receiver wants messages.
type form uint8

const (
	asOwned  form = iota
	asLeased      // in leased memory
	asPieces      // the next one in pieces, until its first has been returned
)

// noFrame is the left of a reader between two frames.
const noFrame = -1

var (
	errWouldWait = errors.New("websocket: the message is not at hand")
	errNoBudget  = errors.New("websocket: enough has been read ahead")
)

const unbounded = -1

// hasMore reports whether message has something to return without more bytes.
func (r *reader) hasMore() bool {
	return r.at >= collected || r.announces()
}

// announces reports whether the first piece of a message is due. That a message has begun suffices.
func (r *reader) announces() bool {
	return r.at == collecting && r.wanted == asPieces && !r.compressed
}

// quickly reports whether the messages that are at hand can be taken without the phases.
func (r *reader) quickly() bool { return r.at == between && r.wanted == asOwned }

// settle discards the bytes of the messages that atHand has returned.
func (r *reader) settle() {
	if r.given > 0 {
		r.src.Discard(int(r.given))
		r.given, r.tried = 0, 0
	}
}

// message reads the next message and answers control frames. If wait is false it returns errWouldWait instead of
// waiting for bytes. If ctx ends, the bytes read so far are kept for the next call.
func (r *reader) message(ctx context.Context, wait bool) (m Message, err error) {
	r.settle()
	r.tried = 0
	if r.err != nil {
		return m, r.err
	}
	for err == nil && m.Kind == 0 {
		switch {
		case r.at == unpacking:
			if ctx.Err() != nil { // skipping a long message calls this again and again
				return m, chanio.Cause(ctx)
			}
			m, err = r.uncompress(r.inflatedPart)
		case r.at == collected:
			m, err = r.whole()
		case r.announces():
			m, err = r.announce()
		case r.left != noFrame:
			m, err = r.payload(ctx, wait)
		default:
			err = r.frame(ctx, wait)
		}
	}
	if err != nil {
		return Message{}, r.judge(ctx, err)
	}
	return m, nil
}

// judge returns the error of a read. An error that concerns more than the one call is kept and ends the connection.
func (r *reader) judge(ctx context.Context, err error) error {
	c := r.conn
	if err == errWouldWait || err == errNoBudget {
		return err
	}
	var end *CloseError
	_, _, closed := c.CloseStatus()
	switch {
	case err == io.EOF && closed: // a Close frame that ended well
	case errors.As(err, &end):
	case chanio.Resumable(ctx, err):
		return err
	default:
		err = r.cutOff(ctx, err)
	}
	r.at, r.err = over, err
	r.left, r.buf, r.inflating = noFrame, nil, nil
	r.drop()
	c.readEnded(err)
	return err
}

// cutOff returns the error of a connection that ended without a Close frame.
func (r *reader) cutOff(ctx context.Context, err error) error {
	c := r.conn
	err = c.up.Fail(ctx, err)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &CloseError{Code: Abnormal, Err: err}
}

// fill waits for more bytes.
func (r *reader) fill(ctx context.Context, wait bool, want int) error {
	c := r.conn
	if !wait {
		return errWouldWait
	}
	err := r.src.Fill(ctx, want)
	if err == nil {
		c.hear()
	}
	return err
}

// frame reads up to and including the header of the next data frame, and handles control frames.
func (r *reader) frame(ctx context.Context, wait bool) error {
	for {
		p := r.src.Buffered()
		h, n, err := parseHeader(p)
		if err == nil && len(p) >= 2 {
			h.masked = p[1]&bitMask != 0
			err = r.checkFrame(&h)
		}
		if err != nil {
			return err
		}
		need := maxHeader
		if n > 0 && h.op().IsControl() {
			if need = n + int(h.length); len(p) >= need {
				return r.controlFrame(&h, p[n:need], need)
			}
		} else if n > 0 {
			if err := r.beginFrame(&h); err != nil {
				return err
			}
			r.src.Discard(n)
			return nil
		}
		if err := r.fill(ctx, wait, need-len(p)); err != nil {
			return err
		}
	}
}

// checkFrame returns an error for a frame that is not valid in this place. It needs only the first two bytes.
func (r *reader) checkFrame(h *header) error {
	c := r.conn
	switch op := h.op(); {
	case h.masked == c.cfg.Client:
		if c.cfg.Client {
			return protocolError("masked frame from a server")
		}
		return protocolError("frame from a client that is not masked")
	case h.first&bitRSV1 != 0 && c.cfg.Deflate == nil:
		return protocolError("reserved bit set")
	case op.IsControl():
	case op == OpContinuation && r.at == between:
		return protocolError("continuation without a message")
	case op != OpContinuation && r.at != between:
		return protocolError("message within a message")
	}
	return nil
}

// beginFrame starts a data frame. While reading ahead it does not start one that exceeds the limits of a whole message,
// since RecvParts may want it.
func (r *reader) beginFrame(h *header) error {
	c := r.conn
	before, compressed := r.size, r.compressed
	if r.at == between {
		before, compressed = 0, h.first&bitRSV1 != 0
	}
	frame, message := c.cfg.wireLimits(compressed)
	if r.budget != unbounded && (h.length > frame || h.length > message-before) {
		return errNoBudget
	}
	if r.at == between {
		r.at, r.kind, r.compressed = collecting, Kind(h.op()), compressed
		r.fragments, r.size, r.buf = 0, 0, nil
	}
	r.fragments++
	r.size += h.length
	switch {
	case int(r.fragments) > c.cfg.MaxFragments:
		return &CloseError{Code: PolicyViolation, Reason: "message of too many fragments", Local: true, Err: ErrTooLarge}
	case r.at == streaming || r.announces():
		if err := r.checkMost(); err != nil {
			return err
		}
	case h.length > frame:
		return tooBig("frame", frame)
	case r.size > message || r.size < 0:
		return tooBig("message", int64(c.cfg.MaxMessage))
	}
	r.fin, r.left, r.key = h.fin(), h.length, h.key
	return nil
}

// wireLimits returns the limits on the frames of a message, and on their sum. A compressed message may be larger than its
// data: a literal takes up to nine bits. If only the limit of messages is set, that is so for its frames, too.
func (s *settings) wireLimits(compressed bool) (frame, message int64) {
	frame, message = int64(s.MaxFrame), int64(s.MaxMessage)
	if compressed && message < math.MaxInt64/2 {
		whole := message
		message += message/8 + 1024
		if frame == whole {
			frame = message
		}
	}
	return frame, message
}

// checkMost returns an error if the message is larger than the limit of RecvParts.
func (r *reader) checkMost() error {
	if r.most > 0 && (r.size > r.most || r.size < 0) {
		return tooBig("message", r.most)
	}
	return nil
}

// payload reads the rest of the current frame. It returns the message if that frame was its last.
func (r *reader) payload(ctx context.Context, wait bool) (m Message, err error) {
	if r.at == streaming {
		return r.part(ctx, wait)
	}
	for r.left > 0 {
		if err := r.take(ctx, wait); err != nil {
			return m, err
		}
	}
	r.left = noFrame
	if !r.fin {
		return m, nil
	}
	return r.whole()
}

const (
	firstSpace = 64 << 10 // the most that is allocated for a message because its header says so, once its first byte has come
	smallFrame = 4 << 10  // what is copied from the buffer; of more, the rest is read where it belongs
)

// take reads at least one byte of the payload.
func (r *reader) take(ctx context.Context, wait bool) error {
	c := r.conn
	p := r.src.Buffered()
	if len(p) == 0 && len(r.buf) == cap(r.buf) || len(p) == 0 && !wait {
		return r.fill(ctx, wait, int(min(r.left, firstSpace)))
	}
	if r.budget == 0 {
		return errNoBudget
	}
	if len(r.buf) == cap(r.buf) {
		r.grow()
	}
	space := r.buf[len(r.buf):cap(r.buf)]
	space = space[:min(int64(len(space)), r.left)]
	if r.budget > 0 {
		space = space[:min(len(space), int(r.budget))]
	}
	n := copy(space, p)
	if n > 0 {
		r.src.Discard(n)
	} else {
		var err error
		if n, err = r.src.Read(ctx, space); err != nil {
			return err
		}
		c.hear()
	}
	return r.got(n)
}

// got unmasks and checks n bytes that were appended to buf.
func (r *reader) got(n int) error {
	fresh := r.buf[len(r.buf) : len(r.buf)+n]
	r.buf = r.buf[:len(r.buf)+n]
	r.unmask(fresh)
	if r.budget > 0 {
		r.budget -= int32(n)
	}
	if r.kind == TextMessage && !r.compressed && !r.text.add(fresh) {
		return errNotText()
	}
	return nil
}

// unmask unmasks the next bytes of the payload.
func (r *reader) unmask(p []byte) {
	xor(p, r.key)
	r.key = bits.RotateLeft32(r.key, -8*(len(p)&3))
	r.left -= int64(len(p))
}

func errNotText() error {
	return &CloseError{Code: InvalidData, Reason: "text is not UTF-8", Local: true}
}

// grow makes room for more of the message: for the whole frame if it is small, otherwise for twice the bytes that have
// arrived. For a message of many small frames it doubles the buffer too.
func (r *reader) grow() {
	double := 2 * int64(len(r.buf))
	size := min(int64(len(r.buf))+r.left, max(double, firstSpace))
	if r.fragments > 1 {
		size = max(size, double)
	}
	if r.compressed && r.fin && size == int64(len(r.buf))+r.left {
		size += int64(len(ending)) // which newInflating appends
	}
	if r.wanted == asLeased || r.compressed && r.wanted == asOwned { // of the latter the user gets another copy
		next := newLease(int(size))
		copy(next.bytes, r.buf)
		r.drop()
		r.lease, r.buf = next, next.bytes[:len(r.buf)]
		return
	}
	next := make([]byte, len(r.buf), size)
	copy(next, r.buf)
	r.drop() // of await
	r.buf = next
}

// drop releases the lease of a message that is not delivered.
func (r *reader) drop() {
	if r.lease != nil {
		r.lease.release()
		r.lease = nil
	}
}

// whole returns the complete message.
func (r *reader) whole() (m Message, err error) {
	if r.compressed {
		return r.uncompress(r.wholeCompressed)
	}
	m = Message{Kind: r.kind, Data: r.buf}
	lease := r.lease
	r.at, r.buf, r.lease = between, nil, nil
	if m.Data == nil {
		m.Data = []byte{}
	}
	if m.Kind == TextMessage && !r.text.done() {
		return m, errNotText()
	}
	if lease != nil && r.wanted == asLeased {
		m.extra = &extra{lease: lease}
	}
	return m, nil
}
