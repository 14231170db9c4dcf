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

// Broadcast connects to a room of WebSockets and makes one connection send messages for about spec.Time. It sends the
// next message when all connections have received the previous one. The first message of each connection must come back
// to that connection alone.
func Broadcast(ctx context.Context, spec Spec) (b Broadcasts, err error) {
	spec.Window, spec.Zeros = 1, true // so that all connections have the same messages
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

// round makes the first connection send a message and all others receive it. A few goroutines read from the connections
// in turn, because the generator must cost little compared with the server.
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

// hear reads one message of the room, which must be the next one of the first connection.
func (w *worker) hear() error {
	p := w.buf[:w.msgs.reply]
	if _, err := io.ReadFull(w.conn, p); err != nil {
		return w.cut(err, 1)
	}
	_, err := w.msgs.check(p)
	return err
}

// reset resets the connections, so that none remains in TIME_WAIT for a minute.
func (r *run) reset() {
	for i := range r.workers {
		if tcp, ok := r.workers[i].conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
}
