package websocket

import (
	"context"
	"math/bits"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/pool"
)

// lease is pooled memory.
type lease struct {
	bytes []byte
	class int
	free  atomic.Bool
	next  *lease // the one lent before it
}

const (
	leaseMin = 10 // the smallest class is of 1<<leaseMin bytes
	leaseMax = 21 // the largest; larger ones are not pooled
)

// leases are the pools, by class.
var leases [leaseMax - leaseMin + 1]pool.Pool[lease]

// newLease returns memory of at least n bytes.
func newLease(n int) *lease {
	class := max(bits.Len(uint(max(n, 1)-1)), leaseMin) - leaseMin
	if class >= len(leases) {
		return &lease{bytes: make([]byte, n), class: -1}
	}
	if l := leases[class].Get(); l != nil {
		l.free.Store(false)
		return l
	}
	return &lease{bytes: make([]byte, 1<<(class+leaseMin)), class: class}
}

// release returns the memory. It panics the second time.
func (l *lease) release() {
	if l.free.Swap(true) {
		panic("websocket: memory of a message was released twice")
	}
	if l.class >= 0 {
		leases[l.class].Put(l)
	}
}

// release gives back what a message was leased with.
func (m Message) release() {
	if m.extra != nil && m.extra.lease != nil {
		m.extra.lease.release()
	}
}

// Leased is a message whose Data is borrowed. It is valid until Release, which must be called once.
type Leased struct {
	Message
	used *atomic.Bool // Release has been called; nil if nothing is to be released
}

// Release returns the memory of the message. It may be called by any goroutine and panics on a second call.
func (l Leased) Release() {
	if l.used == nil {
		return
	}
	if l.used.Swap(true) {
		panic("websocket: Leased.Release called twice")
	}
	l.release()
}

// Leases returns conn with messages whose memory is reused, for receivers of many large messages that need each only
// briefly. Every received message must be released, by Release or by sending it: Out releases messages that it has
// accepted or rejected for good. Leases becomes the only consumer of conn.In; conn.Out can still be used. Messages
// dropped because In was closed are released.
func Leases(conn *Conn) *chanio.Duplex[Leased, Leased] {
	up := conn.In.Claim("websocket.Leases")
	conn.setLeasing()
	in := chanio.NewSource(chanio.SourceHooks[Leased]{
		Next: func(ctx context.Context) (Leased, error) {
			m, err := up.Next(ctx)
			return leased(m), err
		},
		TryNext: func() (Leased, bool, error) {
			m, ok, err := up.TryNext()
			return leased(m), ok, err
		},
		Close: up.Close, Undelivered: Leased.Release, KeepUntaken: true, End: &conn.inEnd,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "websocket.Leases", Upstream: []chanio.Description{up.Describe()}}
		},
	})
	out := chanio.NewSink(chanio.SinkHooks[Leased]{
		Send: func(ctx context.Context, l Leased) error {
			err := conn.Out.Send(ctx, l.Message)
			if err == nil || !chanio.Resumable(ctx, err) {
				l.Release()
			}
			return err
		},
		TrySend: func(l Leased) (bool, error) {
			ok, err := conn.Out.TrySend(l.Message)
			if ok || err != nil {
				l.Release()
			}
			return ok, err
		},
		Flush: conn.Out.Flush, Close: conn.Out.Close, Abort: conn.Out.Abort, Cork: conn.Out.Cork, End: conn.Out.End(),
	})
	return &chanio.Duplex[Leased, Leased]{In: in, Out: out, Released: conn.Done()}
}

// leased returns m as a Leased.
func leased(m Message) Leased {
	if m.extra == nil || m.extra.lease == nil {
		return Leased{Message: m}
	}
	return Leased{Message: m, used: new(atomic.Bool)}
}

// setLeasing makes the messages that are read from now on leased.
func (c *Conn) setLeasing() {
	if c.beginReceive() {
		c.rd.wanted = asLeased
		c.endReceive()
	}
}
