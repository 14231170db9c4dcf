package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// pieceMax is the most that one piece of a message has.
const pieceMax = 32 << 10

// piece is a piece of a message as In's hooks pass it on.
func piece(kind Kind, data []byte, last bool) Message {
	return Message{Kind: kind, Data: data, extra: &extra{parts: true, last: last}}
}

func (m Message) isPiece() bool { return m.extra != nil && m.extra.parts }

// part reads a piece of the present message.
func (r *reader) part(ctx context.Context, wait bool) (m Message, err error) {
	if r.left > 0 {
		p := r.src.Buffered()
		if len(p) == 0 {
			return m, r.fill(ctx, wait, int(min(r.left, pieceMax)))
		}
		if r.budget == 0 {
			return m, errNoBudget
		}
		n := int(min(int64(len(p)), r.left, pieceMax))
		if r.budget > 0 {
			n = min(n, int(r.budget))
			r.budget -= int32(n)
		}
		m = piece(r.kind, r.src.Clone(p[:n]), false)
		r.src.Discard(n)
		r.unmask(m.Data)
		if r.kind == TextMessage && !r.text.add(m.Data) {
			return m, errNotText()
		}
	}
	if r.left > 0 {
		return m, nil
	}
	if r.left = noFrame; !r.fin {
		return m, nil // empty if there is no data yet
	}
	r.at = between
	if r.kind == TextMessage && !r.text.done() {
		return m, errNotText()
	}
	return piece(r.kind, m.Data, true), nil
}

// RecvParts waits for the next message and returns its kind and its bytes as a Source, so that a message of any length
// needs little memory. most limits the message; 0 means no limit, and of the limits of the [Config] only MaxFragments
// applies. Receives from conn.In wait until the message has been received to its end, or its Source closed, which skips
// the rest. If ctx ends first, nothing has been consumed.
//
// A small message is one piece. The compressed form of a compressed message is collected, within the limits of the
// Config, and its uncompressed bytes are delivered piece by piece.
func (c *Conn) RecvParts(ctx context.Context, most int64) (Kind, *chanio.Source[[]byte], error) {
	up, err := c.In.Acquire(ctx, "websocket.Conn.RecvParts")
	if err != nil {
		return 0, nil, err
	}
	if small := up.AtHand(make([]Message, 0, 1)); len(small) == 1 {
		up.Release()
		return c.onePart(small[0], most)
	}
	c.want(asPieces, most)
	m, err := up.Next(ctx)
	if err != nil {
		c.want(asOwned, 0)
		up.Release()
		return 0, nil, err
	}
	if !m.isPiece() {
		c.want(asOwned, 0)
		up.Release()
		return c.onePart(m, most)
	}
	p := &parts{conn: c, up: up, first: m.Data}
	return m.Kind, chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: p.next, TryNext: p.tryNext, Close: p.close,
		Describe: func() chanio.Description { return chanio.Description{Kind: "websocket.Parts"} },
	}), nil
}

// onePart is RecvParts for a message that is at hand. One that is too large ends the connection.
func (c *Conn) onePart(m Message, most int64) (Kind, *chanio.Source[[]byte], error) {
	if most > 0 && int64(len(m.Data)) > most {
		err := tooBig("message", most)
		c.Out.Abort(err)
		return 0, nil, err
	}
	return m.Kind, chanio.FromSlice([][]byte{m.Data}), nil
}

// want says how the next message is wanted.
func (c *Conn) want(form form, most int64) {
	if c.beginReceive() {
		c.rd.wanted, c.rd.most = form, most
		c.endReceive()
	}
}

// announce returns the first piece of a message: what has been collected, which may be nothing.
func (r *reader) announce() (m Message, err error) {
	if err := r.checkMost(); err != nil {
		return m, err
	}
	r.ownBuf()
	m = piece(r.kind, r.buf, false)
	r.at, r.wanted, r.buf = streaming, asOwned, nil
	return m, nil
}

// ownBuf moves the bytes of a message that were read ahead from leased memory.
func (r *reader) ownBuf() {
	if r.lease != nil {
		r.buf = slices.Clone(r.buf)
		r.drop()
	}
}

// parts is a message that is received in pieces. It owns In until its end.
type parts struct {
	conn *Conn
	up   chanio.Upstream[Message]

	mu     sync.Mutex
	cancel context.CancelFunc // of a next that is under way
	closed bool
	over   bool   // In has been released
	first  []byte // what had been read ahead
}

// ahead returns, once, what was read ahead.
func (p *parts) ahead() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.first
	p.first = nil
	return first
}

// begin starts to receive a piece. It returns nil if there are no more.
func (p *parts) begin(ctx context.Context) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.closed {
		return nil
	}
	ctx, p.cancel = context.WithCancel(ctx)
	return ctx
}

// end ends it. last says that In is not needed any more.
func (p *parts) end(last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	p.cancel = nil
	switch {
	case last:
		p.over = true
		p.up.Release()
	case p.closed:
		p.leaveLocked()
	}
}

// leaveLocked releases In before the end of the message.
func (p *parts) leaveLocked() {
	p.over = true
	p.conn.skips.Store(true)
	p.up.Release()
}

// close skips the rest. It may run beside next.
func (p *parts) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	switch {
	case p.over:
	case p.cancel != nil:
		p.cancel()
	default:
		p.leaveLocked()
	}
	return nil
}

func (p *parts) next(ctx context.Context) ([]byte, error) {
	if first := p.ahead(); len(first) > 0 {
		return first, nil
	}
	for {
		within := p.begin(ctx)
		if within == nil {
			return nil, io.EOF
		}
		m, err := p.up.Next(within)
		if err != nil {
			return nil, p.failed(ctx, within, err)
		}
		p.end(m.extra.last)
		if len(m.Data) > 0 {
			return m.Data, nil
		}
	}
}

func (p *parts) tryNext() ([]byte, bool, error) {
	if first := p.ahead(); len(first) > 0 {
		return first, true, nil
	}
	for {
		within := p.begin(context.Background())
		if within == nil {
			return nil, false, io.EOF
		}
		m, ok, err := p.up.TryNext()
		if err != nil {
			return nil, false, p.failed(within, within, err)
		}
		p.end(ok && m.extra.last)
		if !ok || len(m.Data) > 0 {
			return m.Data, ok, nil
		}
	}
}

// failed notes an error, which is the end of the connection, within a message, unless a ctx has ended.
func (p *parts) failed(ctx, within context.Context, err error) error {
	ofCall := chanio.Resumable(within, err)
	p.end(!ofCall)
	switch {
	case ofCall && ctx.Err() != nil:
		return chanio.Cause(ctx)
	case ofCall: // closed meanwhile
		return net.ErrClosed
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// SendParts starts a message and returns a Sink of its bytes: each value is sent as one frame, and Close ends the
// message. Until then other messages wait; pings and pongs do not. SendParts waits, within ctx, for messages being
// sent. Text is checked as it is sent: a value may end within a character. Parts are not compressed. Aborting the Sink
// ends the connection, since a message cannot be withdrawn.
func (c *Conn) SendParts(ctx context.Context, kind Kind) (*chanio.Sink[[]byte], error) {
	if kind != TextMessage && kind != BinaryMessage {
		return nil, checkMessage(&Message{Kind: kind})
	}
	if !c.w.end.Open() {
		return nil, c.w.refusal()
	}
	if err := c.w.gate.enter(ctx, partsMessage); err != nil {
		return nil, c.w.sendError(err)
	}
	s := &sentParts{conn: c, op: Opcode(kind), turn: make(chan struct{}, 1)}
	s.isText = kind == TextMessage
	s.unwatch = [...]func() bool{c.w.end.OnDone(s.connEnded), c.conn.Out.OnDone(s.lowEnded)}
	return chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: s.send, Flush: c.conn.Out.Flush, Close: s.close, Abort: s.abort, Cork: c.conn.Out.Cork, End: &s.end,
		Describe: func() chanio.Description { return chanio.Description{Kind: "websocket.SendParts"} },
	}), nil
}

// sentParts is a message that is sent in pieces.
type sentParts struct {
	conn   *Conn
	turn   chan struct{} // full while a piece is sent
	op     Opcode        // of the next frame
	isText bool
	text   textCheck
	over   bool
	end    chanio.End

	unwatch [2]func() bool
}

// connEnded is called when Out accepts no more: it has ended, or is closed and waits for this message.
func (s *sentParts) connEnded() {
	if s.conn.w.end.Ended() {
		s.end.Set(s.conn.w.refusal())
	}
}

// lowEnded is called when nothing more can be sent on the connection below.
func (s *sentParts) lowEnded() {
	if err := s.conn.conn.Out.Err(); err != nil {
		s.end.Set(abnormal(err))
	}
	s.end.Set(s.conn.w.refusal())
}

// leave lets other messages follow.
func (s *sentParts) leave() {
	s.over = true
	for _, stop := range s.unwatch {
		stop()
	}
	s.conn.w.gate.leave(partsMessage)
}

func (s *sentParts) send(ctx context.Context, p []byte) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if s.over {
		return net.ErrClosed
	}
	if len(p) == 0 {
		return nil
	}
	text := s.text
	if s.isText && !text.add(p) {
		return errors.Join(ErrMessage, errors.New("websocket: text is not UTF-8"))
	}
	if err := s.conn.overdue(); err != nil {
		s.conn.Out.Abort(err)
		return err
	}
	if err := s.frame(ctx, byte(s.op), p); err != nil {
		return err
	}
	s.text, s.op = text, OpContinuation
	return nil
}

// frame sends one frame.
func (s *sentParts) frame(ctx context.Context, first byte, p []byte) error {
	c := s.conn
	if err := c.w.gate.enter(ctx, control); err != nil {
		return c.w.sendError(err)
	}
	defer c.w.gate.leave(control)
	if len(p) < bodyMin || c.cfg.Client {
		return c.w.low.End(ctx, c.w.appendFrame(c.w.low.Begin(), first, p), nil)
	}
	return c.w.low.End(ctx, appendHeader(c.w.low.Begin(), first, len(p), false, 0), p)
}

// close ends the message.
func (s *sentParts) close() error {
	ctx, stop := s.conn.w.end.Lingering()
	defer stop()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done(): // a piece waits for room
		s.abort(chanio.Cause(ctx))
		return chanio.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if s.over {
		return nil
	}
	defer s.leave()
	if s.isText && !s.text.done() {
		err := errors.Join(ErrMessage, errors.New("websocket: text ends within a character"))
		s.conn.Out.Abort(err)
		return err
	}
	err := s.frame(ctx, bitFin|byte(s.op), nil)
	if err != nil { // no other message can follow
		err = abnormal(err)
		s.conn.Out.Abort(err)
	}
	return err
}

// abort ends the connection, unless the message or the connection had ended.
func (s *sentParts) abort(cause error) {
	if s.end.Ended() && s.end.Err() == nil {
		return
	}
	if !s.conn.w.end.Ended() {
		s.conn.Out.Abort(cause)
	}
	go func() { // the abort has made a frame under way return
		s.turn <- struct{}{}
		if !s.over {
			s.leave()
		}
		<-s.turn
	}()
}
