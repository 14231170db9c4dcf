package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-go/weir/bench/internal/child"
)

// settle is how long the replies still due may take when a run is over.
const settle = 5 * time.Second

// Closed keeps spec.Window requests in flight on each connection: a reply makes room for the next request. It returns
// when every request has been answered and the target has ended each connection after the half-close.
func Closed(ctx context.Context, spec Spec) (Result, error) {
	network, address, err := spec.check()
	if err != nil {
		return Result{}, err
	}
	run := &closed{spec: spec, workers: make([]worker, spec.Conns)}
	defer run.close()
	for i := range run.workers {
		if err := run.workers[i].dial(ctx, network, address, run, i); err != nil {
			return Result{}, err
		}
	}
	return run.do(ctx)
}

// closed is a run of a closed loop.
type closed struct {
	spec    Spec
	workers []worker
	stop    atomic.Bool
}

func (c *closed) do(ctx context.Context) (result Result, err error) {
	group, running := errgroup.WithContext(ctx)
	defer context.AfterFunc(running, c.close)()
	for i := range c.workers {
		group.Go(c.workers[i].work)
	}
	group.Go(func() error {
		defer c.finish()
		result = c.measure(running)
		return nil
	})
	err = group.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx) // and not what that did to the connections
	}
	result.Total = c.replies()
	return result, err
}

// measure counts the replies that arrive between the warm-up and the end.
func (c *closed) measure(ctx context.Context) Result {
	pause(ctx, c.spec.Warmup)
	began, before, used := time.Now(), c.replies(), child.Use(false)
	pause(ctx, c.spec.Time)
	after, took, now := c.replies(), time.Since(began), child.Use(false)
	return Result{Replies: after - before, Time: took, CPU: now.CPU - used.CPU, Mallocs: now.Mallocs - used.Mallocs}
}

func (c *closed) replies() (n uint64) {
	for i := range c.workers {
		n += c.workers[i].replies.Load()
	}
	return n
}

// finish has the workers send no more and gives the target some time for the rest.
func (c *closed) finish() {
	c.stop.Store(true)
	for i := range c.workers {
		_ = c.workers[i].conn.SetDeadline(time.Now().Add(settle))
	}
}

func (c *closed) close() {
	for i := range c.workers {
		if conn := c.workers[i].conn; conn != nil {
			_ = conn.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// worker is one connection.
type worker struct {
	run   *closed
	id    int
	conn  net.Conn
	msgs  *messages
	buf   []byte
	slots chan int // requests that the writer may send, if there is one

	_       [64]byte // replies is read by another goroutine
	replies atomic.Uint64
	_       [64]byte
}

// bigWindow is how many bytes may be in flight before the worker needs a writer beside it: a target that waits for its
// replies to be read does not read requests.
const bigWindow = 32 << 10

func (w *worker) dial(ctx context.Context, network, address string, run *closed, id int) (err error) {
	w.run, w.id, w.msgs = run, id, newMessages(run.spec, id)
	w.buf = make([]byte, w.msgs.size*max(1, slotBytes/w.msgs.size))
	var d net.Dialer
	w.conn, err = d.DialContext(ctx, network, address)
	return err
}

func (w *worker) work() error {
	err := w.exchange()
	if err != nil {
		return fmt.Errorf("load: connection %d of %d: %w", w.id+1, w.run.spec.Conns, err)
	}
	return nil
}

func (w *worker) exchange() error {
	if w.run.spec.Window*w.msgs.size <= bigWindow {
		return w.converse(w.send)
	}
	w.slots = make(chan int, w.run.spec.Window)
	var group errgroup.Group
	group.Go(w.write)
	group.Go(func() error {
		defer close(w.slots)
		err := w.converse(func(n int) error {
			w.slots <- n // never more than the window: there is always room
			return nil
		})
		if err != nil {
			_ = w.conn.Close() // so that write ends
		}
		return err
	})
	return group.Wait()
}

// write sends what converse allows.
func (w *worker) write() error {
	for n := range w.slots {
		if err := w.send(n); err != nil {
			_ = w.conn.Close() // so that converse ends
			return err
		}
	}
	return nil
}

// converse sends a window of requests, then one for each reply, until the run is over; then it reads what is due.
func (w *worker) converse(send func(n int) error) error {
	due := w.run.spec.Window
	if err := send(due); err != nil {
		return err
	}
	for have := 0; due > 0; {
		n, err := w.conn.Read(w.buf[have:])
		have += n
		if err != nil {
			return w.lost(err)
		}
		got, err := w.msgs.check(w.buf[:have])
		if err != nil {
			return err
		}
		have = copy(w.buf, w.buf[got*w.msgs.size:have])
		w.replies.Add(uint64(got))
		if w.run.stop.Load() {
			due -= got
		} else if got > 0 {
			if err := send(got); err != nil {
				return err
			}
		}
	}
	return w.part()
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

// part ends the connection in order: the target is to notice the end of the stream and to end its own.
func (w *worker) part() error {
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
	return nil
}

func (w *worker) lost(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
