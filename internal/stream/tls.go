package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// Lower is the byte stream below TLS.
type Lower struct {
	In  ByteSource
	Out ByteSink

	Flush func(ctx context.Context) error // returns when everything that Out accepted has left
	Close func() error                    // drains, closes and releases; the peer's end has been waited for already
	Abort func(cause error)               // discards everything and ends both halves

	LocalAddr, RemoteAddr net.Addr

	// Progress, if not nil, is the Progress of the End of Out.
	Progress func() int64

	// Stream, if not nil, is the stream below In and Out. Its deadlines and idle timeout are removed, because the
	// Stream above has its own.
	Stream *Stream
}

// TLS is a TLS connection over a [Lower]: a net.Conn to be given to [New]. Its records go to Out of what lies below. One
// of data is made only when everything before it has been accepted there; so no write blocks, and neither records nor
// alerts ever make a read wait for a clogged peer. It may be read and written by one goroutine each at a time.
type TLS struct {
	*tls.Conn
	low      *lower
	strict   bool // an end without close_notify is an error
	writable deadline.Context
	owed     int // bytes of the next TryWrite that are already in a kept record
}

// TLSServer and TLSClient perform the handshake of their side, bounded by ctx. If that fails, the stream below is
// aborted. Its end without a close_notify is io.ErrUnexpectedEOF, unless acceptTruncation is set.
func TLSServer(ctx context.Context, low Lower, cfg *tls.Config, acceptTruncation bool) (*TLS, error) {
	return secure(ctx, low, acceptTruncation, func(nc net.Conn) *tls.Conn { return tls.Server(nc, cfg) })
}

// TLSClient is the client's side of [TLSServer].
func TLSClient(ctx context.Context, low Lower, cfg *tls.Config, acceptTruncation bool) (*TLS, error) {
	return secure(ctx, low, acceptTruncation, func(nc net.Conn) *tls.Conn { return tls.Client(nc, cfg) })
}

func secure(ctx context.Context, low Lower, truncated bool, wrap func(net.Conn) *tls.Conn) (*TLS, error) {
	l := &lower{Lower: low, turn: make(chan struct{}, 1)}
	t := &TLS{Conn: wrap(l), low: l, strict: !truncated}
	if low.Stream != nil {
		low.Stream.In.idle = -1
		low.Stream.In.SetDeadline(time.Time{})
		low.Stream.Out.SetDeadline(time.Time{})
	}
	err := t.HandshakeContext(ctx)
	if err == nil {
		err = l.handOver(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = deadline.Cause(ctx)
		}
		err = &net.OpError{Op: "tls handshake", Net: network(low.LocalAddr), Source: low.LocalAddr, Addr: low.RemoteAddr, Err: err}
		if ctx.Err() == nil {
			l.answerPlain(ctx, err)
			l.sayWhy(ctx)
		}
		low.Abort(err)
		return nil, err
	}
	l.up = true
	return t, nil
}

// sayWhy lets the alert that ended the handshake arrive. After a reset, a peer that has not read it would lose it.
func (l *lower) sayWhy(ctx context.Context) {
	if l.handOver(ctx) == nil {
		_ = l.Lower.Close() // the handshake's failure is returned instead
	}
}

func network(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.Network()
}

// recordSize is how much plain text is written at once.
const recordSize = 16 << 10

// TryWrite implements [TryWriter]. It counts only what has been accepted below, so that the Writer waits for the rest.
// The next call starts with that rest.
func (t *TLS) TryWrite(p []byte) (n int, err error) {
	for n < len(p) {
		if ok, err := t.low.tryHandOver(); !ok {
			return n, err
		}
		m := min(t.owed, len(p)-n)
		if t.owed -= m; m == 0 {
			m, err = t.Conn.Write(p[n:min(n+recordSize, len(p))])
			if err != nil {
				return n + m, err
			}
			if ok, err := t.low.tryHandOver(); !ok {
				t.owed = m
				return n, err
			}
		}
		n += m
	}
	return n, nil
}

// WaitWrite implements [TryWriter].
func (t *TLS) WaitWrite(ctx context.Context) error { return t.low.handOver(ctx) }

// Write writes p. The write deadline bounds it.
func (t *TLS) Write(p []byte) (n int, err error) {
	for {
		m, err := t.TryWrite(p[n:])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
		if err = t.WaitWrite(t.writable.Once()); err == nil {
			continue
		}
		n += t.owed // leaves with the next write
		t.owed = 0
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return n, err
	}
}

// Read reads the data of the next record.
func (t *TLS) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	switch {
	case err == nil:
	case t.low.isFlooded(): // the tls.Conn reports a broken record instead
		err = errFlooded
	case err == io.EOF && t.low.eof && t.strict:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// isTLS reports whether nc is a [TLS]: its Close may wait, and its TryRead does not ask the kernel.
func isTLS(nc net.Conn) bool {
	_, ok := nc.(*TLS)
	return ok
}

// TryRead implements [TryReader]: it reads the data of records that have arrived completely.
func (t *TLS) TryRead(p []byte) (n int) {
	t.low.noWait = true
	defer func() { t.low.noWait = false }()
	for n < len(p) {
		m, err := t.Conn.Read(p[n:]) // the tls.Conn keeps an error, unless it is only noWait
		if n += m; err != nil || m == 0 {
			break
		}
	}
	return n
}

// Flush implements [Flusher].
func (t *TLS) Flush(ctx context.Context) error {
	if err := t.low.handOver(ctx); err != nil {
		return err
	}
	return t.low.Flush(ctx)
}

// OutQueue returns how many bytes are in transit to the peer.
func (t *TLS) OutQueue() (n int, ok bool) {
	if t.low.Stream == nil {
		return 0, false
	}
	return t.low.Stream.OutQueue()
}

// Progress returns a number that grows while the peer takes what is sent.
func (t *TLS) Progress() int64 {
	if t.low.Progress == nil {
		return 0
	}
	return t.low.Progress()
}

// SetWriteDeadline bounds Write.
func (t *TLS) SetWriteDeadline(d time.Time) error { return t.writable.SetDeadline(d) }

// SetReadDeadline bounds Read.
func (t *TLS) SetReadDeadline(d time.Time) error { return t.low.readable.SetDeadline(d) }

// SetDeadline bounds both.
func (t *TLS) SetDeadline(d time.Time) error {
	_ = t.SetWriteDeadline(d)
	return t.SetReadDeadline(d)
}

// Close closes the stream below. Everything has been flushed before.
func (t *TLS) Close() error {
	_ = t.Conn.CloseWrite() // fails if called before, or if the connection is broken
	_, _ = t.low.tryHandOver()
	return t.low.Lower.Close()
}

// Abort resets the stream below.
func (t *TLS) Abort() { t.low.Abort(net.ErrClosed) }

// maxKept limits what lower keeps, in addition to one record, when there is no room below.
const maxKept = 16 << 10

var errFlooded = errors.New("tls: peer makes us answer and takes no answers")

// lower is the net.Conn below a tls.Conn. Its writes do not block: it keeps what finds no room below, at most one
// record of data and some protocol messages.
type lower struct {
	Lower
	readable deadline.Context
	noWait   bool // Read does not wait but returns a timeout, which a tls.Conn survives
	eof      bool // the stream below has ended
	up       bool // the handshake is done

	turn chan struct{} // held by the goroutine that hands over

	mu      sync.Mutex
	kept    []byte // not yet passed on
	flooded bool
}

func (l *lower) Read(p []byte) (n int, err error) {
	if l.isFlooded() {
		return 0, errFlooded
	}
	if len(l.In.Buffered()) == 0 {
		if l.noWait {
			return 0, os.ErrDeadlineExceeded
		}
		if err := l.beforeWait(); err != nil {
			return 0, err
		}
		if len(p) >= directRead {
			err = l.bounded(func() (err error) { n, err = l.In.Read(l.readable.Once(), p); return err })
			return n, err
		}
		if err := l.bounded(func() error { return l.In.Fill(l.readable.Once(), len(p)) }); err != nil {
			return 0, err
		}
	}
	n = copy(p, l.In.Buffered())
	l.In.Discard(n)
	return n, nil
}

// directRead is the size from which a read bypasses the buffer below, such as a read of the rest of a large record.
const directRead = 8 << 10

func (l *lower) isFlooded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flooded
}

// beforeWait passes on what is kept before a wait for an answer. During the handshake nothing else would.
func (l *lower) beforeWait() error {
	if l.up {
		_, _ = l.tryHandOver() // an error concerns the sending half
		return nil
	}
	return l.bounded(func() error { return l.handOver(l.readable.Once()) })
}

// bounded calls f, bounded by the read deadline. It returns a timeout in a form that a tls.Conn survives.
func (l *lower) bounded(f func() error) error {
	for again := false; ; again = true {
		err := f()
		late := l.readable.Err() != nil && deadline.Resumable(&l.readable, err)
		switch {
		case late:
			return os.ErrDeadlineExceeded
		case !again && errors.Is(err, context.DeadlineExceeded): // from a deadline that has been moved, or the end below
			continue
		}
		l.eof = l.eof || err == io.EOF
		return err
	}
}

// Write passes p on, or keeps it.
func (l *lower) Write(p []byte) (int, error) {
	ok, err := l.tryHandOver()
	if ok {
		ok, err = l.Out.TryEnd(nil, p)
	}
	if err != nil {
		return 0, err
	}
	if ok {
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flooded || len(l.kept) > recordSize+maxKept {
		l.flooded = true
		return 0, errFlooded
	}
	l.kept = append(l.kept, p...)
	return len(p), nil
}

// tryHandOver passes on what is kept, without waiting, and reports whether nothing is left.
func (l *lower) tryHandOver() (done bool, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	default:
		return false, nil
	}
	p := l.take()
	if len(p) == 0 {
		return true, nil
	}
	if done, err = l.Out.TryEnd(nil, p); !done {
		l.putBack(p)
	}
	return done, err
}

// handOver passes on what is kept, and returns when it has been accepted below.
func (l *lower) handOver(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return deadline.Cause(ctx)
	}
	defer func() { <-l.turn }()
	for p := l.take(); len(p) > 0; p = l.take() {
		if err := l.Out.End(ctx, nil, p); err != nil {
			l.putBack(p)
			return err
		}
	}
	return nil
}

// take removes what is kept and returns it. Only the holder of the turn may call it.
func (l *lower) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.kept
	l.kept = nil
	return p
}

func (l *lower) putBack(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(p, l.kept...)
}

// Close is called by a tls.Conn that gives up.
func (l *lower) Close() error {
	l.Abort(net.ErrClosed)
	return nil
}

func (l *lower) LocalAddr() net.Addr               { return l.Lower.LocalAddr }
func (l *lower) RemoteAddr() net.Addr              { return l.Lower.RemoteAddr }
func (l *lower) SetReadDeadline(t time.Time) error { return l.readable.SetDeadline(t) }
func (l *lower) SetWriteDeadline(time.Time) error  { return nil } // writes do not block
func (l *lower) SetDeadline(t time.Time) error     { return l.readable.SetDeadline(t) }
