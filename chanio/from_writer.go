package chanio

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// FromWriter returns a Source of the bytes that are written to a [Writer], for code that wants an io.Writer. At most
// limit bytes that were written have not been asked for; a Write that is larger, or comes sooner, waits (G8). Codecs
// run straight on the buffer. It is io.Pipe with a buffer: a small Write does not wait for the receiver.
//
// Closing the Source makes Write return net.ErrClosed at once, also one that waits (G3). FromWriter starts no
// goroutine, and as with io.Pipe the writing and the receiving are usually done by two. It is byte-streams' conversion
// to an OutputStream, and its pushback-stream.
func FromWriter(limit int) (*Source[[]byte], *Writer) {
	if limit < 1 {
		panic(fmt.Sprintf("chanio: FromWriter: limit must be at least 1, got %d", limit))
	}
	q := &byteQueue{
		limit: limit, turn: make(chan struct{}, 1),
		data: make(chan struct{}, 1), room: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	return NewSource(SourceHooks[[]byte]{
		Next: q.next, Close: q.drop, OnWait: q.setOnWait, Bytes: q, Describe: q.describe,
	}), &Writer{q}
}

// Writer is the io.Writer end of [FromWriter]. Its methods are for any goroutine at any time; the bytes of one Write
// are not mixed with another's.
type Writer struct{ q *byteQueue }

// Write waits until all of p has been accepted, and copies it. Once either end has been closed it returns net.ErrClosed
// and how much was accepted before.
func (w *Writer) Write(p []byte) (int, error) { return w.q.write(p) }

// Close ends the stream: the Source yields what was accepted, then io.EOF. It waits for nothing and returns nil.
func (w *Writer) Close() error { return w.CloseWithError(nil) }

// CloseWithError ends the stream with a failure: the Source yields what was accepted, then err; a nil err is Close.
// Only the first end counts. It returns nil.
func (w *Writer) CloseWithError(err error) error {
	if err == nil {
		err = io.EOF
	}
	w.q.finish(err, false)
	return nil
}

// byteQueue is a buffer between writers and the receiver of a ByteSource.
type byteQueue struct {
	limit int
	turn  chan struct{} // full while somebody writes

	mu   sync.Mutex
	buf  []byte        // accepted, not asked for
	end  error         // what comes after it, once nothing more is accepted
	data chan struct{} // full if there may be something to receive
	room chan struct{} // full if there may be room
	quit chan struct{} // closed when nothing more is accepted

	// Owned by the receiver.
	win    []byte // asked for
	off    int    // win[:off] was discarded
	small  block  // for its arena
	onWait func()
}

func (q *byteQueue) write(p []byte) (n int, err error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-q.quit:
		return 0, net.ErrClosed
	}
	for {
		m, err := q.put(p[n:])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
		select {
		case <-q.room:
		case <-q.quit:
			return n, net.ErrClosed
		}
	}
}

// put accepts as much of p as there is room for.
func (q *byteQueue) put(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return 0, net.ErrClosed
	}
	p = p[:min(len(p), q.limit-len(q.buf))]
	q.buf = append(q.buf, p...)
	if len(p) > 0 {
		signal(q.data)
	}
	return len(p), nil
}

// signal fills a channel of capacity 1, if it is not full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// finish ends the stream with err; with drop it also drops what was accepted.
func (q *byteQueue) finish(err error, drop bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if drop {
		q.buf = nil
	}
	if q.end == nil {
		q.end = err
		close(q.quit)
	}
}

// drop is Source.Close.
func (q *byteQueue) drop() error {
	q.finish(net.ErrClosed, true)
	return nil
}

func (q *byteQueue) next(ctx context.Context) ([]byte, error) {
	if len(q.Buffered()) == 0 {
		if err := q.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	chunk := q.Clone(q.Buffered())
	q.Discard(len(chunk))
	return chunk, nil
}

func (q *byteQueue) setOnWait(f func()) bool {
	q.onWait = f
	return true
}

func (q *byteQueue) Buffered() []byte { return q.win[q.off:] }

func (q *byteQueue) Clone(p []byte) []byte { return q.small.clone(p) }

func (q *byteQueue) Discard(n int) { q.off += n }

func (q *byteQueue) Fill(ctx context.Context, _ int) error {
	if ok, err := q.take(); ok || err != nil {
		return err
	}
	if q.onWait != nil {
		q.onWait()
	}
	for {
		if ok, err := q.take(); ok || err != nil {
			return err
		}
		select {
		case <-q.data:
		case <-q.quit:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take moves what was accepted into the window, and reports whether there was something. The two exchange their memory.
func (q *byteQueue) take() (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buf) == 0 {
		return false, q.end
	}
	if q.off == len(q.win) {
		q.win, q.buf = q.buf, q.win[:0]
	} else {
		q.win = append(append(q.win[:0], q.win[q.off:]...), q.buf...)
		q.buf = q.buf[:0]
	}
	q.off = 0
	signal(q.room)
	return true, nil
}

func (q *byteQueue) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(q.Buffered()) == 0 {
		if err := q.Fill(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, q.Buffered())
	q.Discard(n)
	return n, nil
}

func (q *byteQueue) describe() Description {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Description{Kind: "chanio.FromWriter", Capacity: q.limit, Queued: len(q.buf), Senders: len(q.turn)}
}
