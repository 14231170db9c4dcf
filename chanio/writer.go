package chanio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
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

// ToWriter returns a Sink that writes to w, one value after the other, in the goroutine of the sender: a value counts
// as accepted when w has taken it, and what makes a Send wait is another's Write. ctx bounds that wait; a Write under
// way goes on. The first error of w ends the Sink. What w itself buffers leaves with Flush and Close, if w has a method
// Flush, as *bufio.Writer and http.ResponseWriters have.
//
// w stays the caller's. What closes it, if anything does, is given as closers: they are called once, after Close has
// drained, when w has failed, or at once by Abort, also beside a Write. A Write that does not return keeps Close
// waiting for the linger bound; Abort ends it only by way of the closers, or of SetWriteDeadline if w has that. TrySend
// does not wait for another's Write, but for its own it must (G5, TrySend: as far as w allows).
//
// ToWriter starts no goroutine. It is byte-streams' conversion of an OutputStream; over io.Discard it is its dev-null.
func ToWriter(w io.Writer, closers ...func() error) *Sink[[]byte] {
	if w == nil {
		panic("chanio: ToWriter: w is nil")
	}
	s := &writerSink{
		w: w, turn: make(chan struct{}, 1), quit: make(chan struct{}), aborted: make(chan struct{}),
		closers: onceClosers{funcs: closers},
	}
	s.sink = NewSink(SinkHooks[[]byte]{
		Send: s.send, TrySend: s.trySend, Flush: s.flush, Close: s.close, Abort: s.abort, Bytes: s,
		Describe: func() Description { return Description{Kind: "chanio.ToWriter", Senders: len(s.turn)} },
	})
	return s.sink
}

// writerSink is a ByteSink over an io.Writer.
type writerSink struct {
	w       io.Writer
	closers onceClosers
	sink    *Sink[[]byte]
	turn    chan struct{} // full while somebody uses w
	buf     []byte        // of Begin; owned with the turn
	failed  error         // why w is used no more; owned with the turn

	once  sync.Once
	quit  chan struct{} // closed when nothing more is accepted
	cause error         // why; written before

	aborting sync.Once
	aborted  chan struct{}
}

func (s *writerSink) send(ctx context.Context, p []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.write(p)
}

func (s *writerSink) trySend(p []byte) (bool, error) {
	ok, err := s.tryAcquire()
	if !ok {
		return false, err
	}
	defer s.release()
	err = s.write(p)
	return err == nil, err
}

func (s *writerSink) Begin(ctx context.Context, wait bool) (dst []byte, ok bool, err error) {
	if wait {
		err = s.acquire(ctx)
		ok = err == nil
	} else {
		ok, err = s.tryAcquire()
	}
	if !ok {
		return nil, false, err
	}
	if s.buf == nil {
		s.buf = make([]byte, 0, 512)
	}
	return s.buf, true, nil
}

func (s *writerSink) End(_ context.Context, dst, body []byte) error {
	defer s.release()
	if dst == nil {
		return nil
	}
	if s.buf = dst[:0]; cap(dst) > blockSize {
		s.buf = nil
	}
	if len(dst) > 0 {
		if err := s.write(dst); err != nil {
			return err
		}
	}
	if len(body) > 0 {
		return s.write(body)
	}
	return nil
}

// acquire waits for the turn to use w.
func (s *writerSink) acquire(ctx context.Context) error {
	if ok, err := s.tryAcquire(); ok || err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		if isClosed(s.quit) {
			s.release()
			return s.cause
		}
		return nil
	case <-s.quit:
		return s.cause
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *writerSink) tryAcquire() (bool, error) {
	if isClosed(s.quit) {
		return false, s.cause
	}
	select {
	case s.turn <- struct{}{}:
		return true, nil
	default:
		return false, nil
	}
}

func (s *writerSink) release() { <-s.turn }

// write writes p, by whoever has the turn.
func (s *writerSink) write(p []byte) error {
	return s.use(func() error {
		n, err := s.w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
}

func (s *writerSink) flushW() error {
	switch w := s.w.(type) {
	case interface{ Flush() error }:
		return s.use(w.Flush)
	case interface{ Flush() }:
		return s.use(func() error {
			w.Flush()
			return nil
		})
	}
	return nil
}

// use does something with w. If that fails or panics the stream has ended.
func (s *writerSink) use(do func() error) error {
	if s.failed != nil {
		return s.failed
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		s.fail(Recovered(v))
		if v != nil {
			panic(v)
		}
	}()
	err := do()
	returned = true
	if err != nil {
		s.fail(err)
	}
	return err
}

func (s *writerSink) fail(err error) {
	s.failed = err
	s.end(err)
	s.sink.finish(ended, err)
	_ = s.closers.close() // the failure is what matters
}

// end refuses values from now on, those that wait for their turn included.
func (s *writerSink) end(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.quit)
	})
}

func (s *writerSink) flush(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.flushW()
}

func (s *writerSink) close() error {
	s.end(net.ErrClosed)
	linger := time.NewTimer(DefaultLinger)
	defer linger.Stop()
	select {
	case s.turn <- struct{}{}:
	case <-linger.C:
		err := lingerError(DefaultLinger)
		s.sink.Abort(err)
		return err
	case <-s.aborted:
		return s.sink.Err()
	}
	defer s.release()
	err := s.flushW()
	if err == nil {
		err = s.failed
	}
	return errors.Join(err, s.closers.close())
}

func (s *writerSink) abort(cause error) {
	s.end(cause)
	s.aborting.Do(func() { close(s.aborted) })
	if d, ok := s.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(longAgo)
	}
	_ = s.closers.close() // cause is what matters
}
