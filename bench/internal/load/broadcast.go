package load

import (
	"context"
	"io"
	"net"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Broadcasts is the result of Broadcast.
type Broadcasts struct {
	Received uint64        `json:"received"` // messages, over all connections
	Time     time.Duration `json:"time"`
}

// Broadcast connects to a room of WebSockets, and has one connection say something for about spec.Time: the next message
// when all connections have the one before. The first message of each connection must come back to it alone.
func Broadcast(ctx context.Context, spec Spec) (b Broadcasts, err error) {
	spec.Window, spec.Zeros = 1, true // so that the messages of all are alike
	if err := spec.Check(); err != nil {
		return b, err
	}
	ep, err := parseEndpoint(spec)
	if err != nil {
		return b, err
	}
	r := &run{spec: spec, endpoint: ep, rec: newRecorder(spec), over: make(chan struct{})}
	defer r.close()
	defer context.AfterFunc(ctx, r.close)()
	if err := r.open(ctx); err != nil {
		return b, err
	}
	defer r.reset()
	for i := range r.workers {
		if err := r.workers[i].echoOne(); err != nil {
			return b, r.workers[i].failed(err)
		}
	}
	r.settleAll(spec.Time + spec.timeout())
	began := time.Now()
	for b.Time < spec.Time && ctx.Err() == nil {
		if err := r.round(); err != nil {
			return b, err
		}
		b.Received, b.Time = b.Received+uint64(len(r.workers)), time.Since(began)
	}
	return b, context.Cause(ctx)
}

func (r *run) settleAll(within time.Duration) {
	for i := range r.workers {
		r.workers[i].settle(within)
	}
}

// round has the first connection say something, and all hear it. A few goroutines read from one connection after the other:
// what the generator does is to cost little beside what the server does.
func (r *run) round() error {
	if err := r.workers[0].send(1); err != nil {
		return err
	}
	var group errgroup.Group
	readers := runtime.GOMAXPROCS(0)
	for part := range readers {
		group.Go(func() error {
			for i := part; i < len(r.workers); i += readers {
				if err := r.workers[i].hear(); err != nil {
					return r.workers[i].failed(err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// hear reads one message of the room, which is to be the next of the first connection's.
func (w *worker) hear() error {
	p := w.buf[:w.msgs.reply]
	if _, err := io.ReadFull(w.conn, p); err != nil {
		return w.cut(err, 1)
	}
	_, err := w.msgs.check(p)
	return err
}

// reset has the connections end with a reset, so that none stays behind for a minute.
func (r *run) reset() {
	for i := range r.workers {
		if tcp, ok := r.workers[i].conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
}
