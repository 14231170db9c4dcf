package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// worker runs one connection of a stream, or several in succession.
type worker struct {
	run  *run
	id   int
	msgs *messages
	buf  []byte

	part    *part         // open loop: its part of the schedule
	quota   atomic.Int64  // the number of requests plus one; 0 while they are sent
	sent    chan struct{} // closed when all were sent
	patient bool          // the deadline for the replies still due is set

	begun   []int64  // closed loop: the start of each request in flight, by number modulo the window
	started uint64   // the number of requests on this connection
	opened  int64    // when this connection was opened
	slots   chan int // requests that a separate writer may send

	mu       sync.Mutex
	conn     net.Conn
	deadline time.Time // of connections to come
	shutdown bool

	_       [64]byte // another goroutine reads the next fields
	replies atomic.Uint64
	dialled atomic.Uint64
	_       [64]byte
}

func (w *worker) init(r *run, id int) {
	w.run, w.id, w.msgs = r, id, newMessages(r.spec, id)
	w.buf = make([]byte, len(w.msgs.slots)) // holds a window of replies, up to a limit
	w.begun, w.sent = make([]int64, r.spec.Window), make(chan struct{})
}

// idle reports whether the connection is one that stays idle.
func (w *worker) idle() bool { return w.id >= w.run.spec.Conns-w.run.spec.idlers() }

func (w *worker) dial(ctx context.Context) error {
	w.opened = w.run.now()
	conn, err := w.run.endpoint.dial(ctx, w.run.spec)
	if err != nil {
		return w.failed(err)
	}
	if err := w.learn(conn); err != nil {
		_ = conn.Close()
		return w.failed(err)
	}
	w.dialled.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	if !w.deadline.IsZero() {
		_ = conn.SetDeadline(w.deadline)
	}
	if w.shutdown {
		_ = conn.Close()
	}
	return nil
}

// settle sets the deadline for all replies.
func (w *worker) settle(within time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = time.Now().Add(within)
	if w.part != nil {
		_ = w.conn.SetWriteDeadline(w.deadline) // drain sets that of reads
		return
	}
	_ = w.conn.SetDeadline(w.deadline)
}

// shut closes the connection and prevents later ones.
func (w *worker) shut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shutdown = true
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// bigWindow is how many bytes may be in flight before the worker uses a separate writer. A target that waits for its
// replies to be read does not read requests.
const bigWindow = 32 << 10

// work runs the connection and its replacements.
func (w *worker) work() error {
	for {
		if err := w.exchange(); err != nil {
			return w.failed(err)
		}
		if w.run.stop.Load() || w.run.spec.Reuse == 0 {
			return nil
		}
		if err := w.dial(context.Background()); err != nil {
			return err
		}
		w.msgs.again()
		w.started = 0
	}
}

func (w *worker) failed(err error) error {
	return fmt.Errorf("load: connection %d of %d: %w", w.id+1, w.run.spec.Conns, err)
}

func (w *worker) exchange() error {
	switch {
	case w.idle():
		return w.wait()
	case w.part != nil:
		return w.both(w.sendDue, w.listen)
	case w.run.spec.Window*w.msgs.size <= bigWindow:
		return w.converse(w.send)
	}
	slots := make(chan int, w.run.spec.Window)
	w.slots = slots
	return w.both(w.write, func() error {
		defer close(slots)
		return w.converse(func(n int) error {
			slots <- n // never more than the window, so there is always room
			return nil
		})
	})
}

// both runs a writer and a reader. When one fails, the connection is closed so that the other ends; the error of the
// other is dropped.
func (w *worker) both(fns ...func() error) error {
	return firstOf(func() { _ = w.conn.Close() }, fns...)
}

// firstOf runs fns until all have returned. It calls stop after the first error, and returns that error.
func firstOf(stop func(), fns ...func() error) (first error) {
	var once sync.Once
	var group sync.WaitGroup
	for _, fn := range fns {
		group.Go(func() {
			if err := fn(); err != nil {
				once.Do(func() {
					first = err
					stop()
				})
			}
		})
	}
	group.Wait()
	return first
}

// wait sends one message, reads its echo, and then stays idle until the end of the run.
func (w *worker) wait() error {
	if err := w.echoOne(); err != nil {
		return err
	}
	<-w.run.over
	return w.leave()
}

// echoOne sends one message and reads the echo.
func (w *worker) echoOne() error {
	if err := w.send(1); err != nil {
		return err
	}
	for have, got := 0, 0; got == 0; {
		n, err := w.conn.Read(w.buf[have:])
		if err != nil {
			return w.cut(err, 1)
		}
		have += n
		if got, err = w.msgs.check(w.buf[:have]); err != nil {
			return err
		}
	}
	w.replies.Add(1)
	return nil
}

// write sends the requests that converse allows.
func (w *worker) write() error {
	for n := range w.slots {
		if err := w.send(n); err != nil {
			return err
		}
	}
	return nil
}

// converse sends a window of requests, then one for each reply, until the run is over or the connection has carried its
// share. Then it reads the replies that are due.
func (w *worker) converse(send func(n int) error) error {
	left := w.share()
	due := min(w.run.spec.Window, left)
	left -= due
	w.begin(due, w.first())
	if err := send(due); err != nil {
		return err
	}
	for have := 0; due > 0; {
		n, err := w.conn.Read(w.buf[have:])
		if err != nil {
			return w.cut(err, uint64(due))
		}
		now := w.run.now()
		have += n
		got, err := w.msgs.check(w.buf[:have])
		if err != nil {
			return err
		}
		have = copy(w.buf, w.buf[got*w.msgs.reply:have])
		w.note(got, now, func(k uint64) int64 { return w.begun[k%uint64(len(w.begun))] })
		due -= got
		more := min(got, left)
		if more == 0 || w.run.stop.Load() {
			continue
		}
		due, left = due+more, left-more
		w.begin(more, now)
		if err := send(more); err != nil {
			return err
		}
	}
	return w.leave()
}

// share returns how many requests a connection may carry.
func (w *worker) share() int {
	if n := w.run.spec.Reuse; n > 0 {
		return n
	}
	return int(^uint(0) >> 1)
}

// first returns when the first requests are due. For a connection that is made for them, this includes the dial.
func (w *worker) first() int64 {
	if w.run.spec.Reuse > 0 {
		return w.opened
	}
	return w.run.now()
}

func (w *worker) begin(n int, now int64) {
	for range n {
		w.begun[w.started%uint64(len(w.begun))] = now
		w.started++
	}
}

// note records the last got replies.
func (w *worker) note(got int, now int64, began func(k uint64) int64) {
	w.replies.Add(uint64(got))
	if got == 0 || !w.run.counting.Load() {
		return
	}
	from := w.run.from.Load()
	if w.part == nil {
		from = 0
	}
	s := w.run.rec.shard(w.id)
	defer s.mu.Unlock()
	for k := w.msgs.seen - uint64(got); k < w.msgs.seen; k++ {
		if at := began(k); at >= from {
			w.run.rec.reply(s, now-at)
		}
	}
}

func (w *worker) send(n int) error {
	for n > 0 {
		p, k := w.msgs.next(n)
		if _, err := w.conn.Write(p); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// leave ends the connection gracefully: the target must notice the end of the stream and end its own.
func (w *worker) leave() error {
	if w.msgs.frame != nil {
		return w.leaveSocket()
	}
	if half, ok := w.conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	n, err := w.conn.Read(w.buf)
	if n > 0 {
		return errors.New("more replies than requests")
	}
	if err != io.EOF {
		return fmt.Errorf("instead of the end of the stream: %w", err)
	}
	return w.conn.Close()
}

// cut returns the error of a read that failed while replies were due.
func (w *worker) cut(err error, due uint64) error {
	switch {
	case err == io.EOF && due == 0:
		return fmt.Errorf("the stream ended although requests were to come: %w", io.ErrUnexpectedEOF)
	case err == io.EOF:
		return fmt.Errorf("the stream ended with %d requests %w: %w", due, errUnanswered, io.ErrUnexpectedEOF)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return unanswered(due, w.run.spec.timeout())
	}
	return err
}
