package chaniotest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Faults describes what a [Relay] does to the bytes that pass. The zero value forwards them at once.
type Faults struct {
	Latency   time.Duration // the delay of bytes and ends, each way
	Bandwidth int           // bytes per second each way; 0 means no limit
	Slice     int           // the most bytes written at once; 0 means as they come
	Stall     bool          // nothing is forwarded, neither bytes nor ends, until the next Set
}

// Relay forwards connections between clients and a server, including half-close and reset, with the faults of a bad
// network. Its methods may be called by any goroutine.
type Relay struct {
	nl   net.Listener
	dial func(context.Context) (net.Conn, error)
	work sync.WaitGroup

	mu      sync.Mutex
	faults  Faults
	changed chan struct{} // closed by the next Set
	lines   map[*relayed]struct{}
	closed  bool
}

// NewRelay starts a relay to target, a TCP or Unix socket address, on a free loopback port. It ends with t.
func NewRelay(t testing.TB, target net.Addr) *Relay {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("chaniotest: relay: %v", err)
	}
	return StartRelay(t, nl, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, target.Network(), target.String())
	})
}

// StartRelay is [NewRelay] between any listener, which it owns, and what dial connects to. With those of a [Network] it
// works in a testing/synctest bubble, where latency and bandwidth are exact.
func StartRelay(t testing.TB, nl net.Listener, dial func(context.Context) (net.Conn, error)) *Relay {
	r := &Relay{nl: nl, dial: dial, changed: make(chan struct{}), lines: map[*relayed]struct{}{}}
	ctx, cancel := context.WithCancel(context.Background())
	r.work.Go(func() { r.accept(ctx) })
	t.Cleanup(func() {
		cancel()
		r.close()
		r.work.Wait()
	})
	return r
}

// Addr returns the address that clients connect to.
func (r *Relay) Addr() net.Addr { return r.nl.Addr() }

// Set applies f to everything not yet forwarded, and to what comes later.
func (r *Relay) Set(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
	close(r.changed)
	r.changed = make(chan struct{})
}

// Reset resets all connections, to both sides.
func (r *Relay) Reset() {
	for _, l := range r.open() {
		l.end(l.near, l.far)
	}
}

// Vanish makes the clients of all connections half-open: it resets the server's side, and the client receives nothing
// any more, as if the machine at the other end were gone. What the client sends is accepted until the kernel's buffers are
// full.
func (r *Relay) Vanish() {
	for _, l := range r.open() {
		l.end(l.far)
		_ = l.near.SetDeadline(time.Unix(1, 0))
	}
}

func (r *Relay) open() (lines []*relayed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.lines {
		lines = append(lines, l)
	}
	return lines
}

func (r *Relay) close() {
	_ = r.nl.Close()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, l := range r.open() {
		l.end(l.near, l.far)
		_ = l.near.Close() // also if it was half-open
	}
}

func (r *Relay) accept(ctx context.Context) {
	for {
		near, err := r.nl.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() {
			far, err := r.dial(ctx)
			if err != nil {
				reset(near)
				return
			}
			r.relay(&relayed{r: r, near: near, far: far, over: make(chan struct{})})
		})
	}
}

// relay forwards both ways until both have ended. A half-open connection stays with the relay.
func (r *Relay) relay(l *relayed) {
	r.mu.Lock()
	r.lines[l] = struct{}{}
	late := r.closed
	r.mu.Unlock()
	if late {
		l.end(l.near, l.far)
	}
	var ways sync.WaitGroup
	ways.Go(func() { l.pass(l.near, l.far) })
	ways.Go(func() { l.pass(l.far, l.near) })
	ways.Wait()
	select {
	case <-l.over:
	default:
		_ = l.near.Close()
		_ = l.far.Close()
		r.mu.Lock()
		delete(r.lines, l)
		r.mu.Unlock()
	}
}

// relayed is one connection through a Relay.
type relayed struct {
	r         *Relay
	near, far net.Conn
	over      chan struct{} // closed when nothing is forwarded any more
	ending    sync.Once
}

// parcel is the result of one read.
type parcel struct {
	p    []byte
	err  error
	came time.Time
}

const (
	parcelSize = 16 << 10
	inTransit  = 64 // parcels each way; then the sender waits
)

// pass reads from src. Another goroutine writes to dst at the proper time.
func (l *relayed) pass(src, dst net.Conn) {
	line := make(chan parcel, inTransit)
	var delivery sync.WaitGroup
	defer delivery.Wait()
	delivery.Go(func() { l.deliver(line, dst) })
	defer close(line)
	for {
		buf := make([]byte, parcelSize)
		n, err := src.Read(buf)
		select {
		case line <- parcel{buf[:n], err, time.Now()}:
		case <-l.over:
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *relayed) deliver(line <-chan parcel, dst net.Conn) {
	for next := range line {
		f, ok := l.await(next.came)
		if !ok {
			return
		}
		if !l.write(dst, next.p, f) {
			l.end(l.near, l.far)
			return
		}
		switch end, half := dst.(interface{ CloseWrite() error }); {
		case next.err == nil:
		case next.err == io.EOF && half:
			_ = end.CloseWrite()
		default:
			l.end(l.near, l.far)
		}
	}
}

// await returns when a parcel that was read at came may be forwarded, with the faults that apply to it.
func (l *relayed) await(came time.Time) (f Faults, ok bool) {
	for {
		l.r.mu.Lock()
		f, changed := l.r.faults, l.r.changed
		l.r.mu.Unlock()
		left := time.Until(came.Add(f.Latency))
		if left <= 0 && !f.Stall {
			return f, !isOver(l.over)
		}
		var due <-chan time.Time
		if !f.Stall {
			due = time.After(left)
		}
		select {
		case <-due:
		case <-changed:
		case <-l.over:
			return f, false
		}
	}
}

// write writes p in slices, each after the time it takes on the wire.
func (l *relayed) write(dst net.Conn, p []byte, f Faults) (ok bool) {
	size := len(p)
	if f.Slice > 0 {
		size = f.Slice
	}
	for len(p) > 0 {
		slice := p[:min(size, len(p))]
		p = p[len(slice):]
		if f.Bandwidth > 0 && !l.sleep(time.Duration(len(slice))*time.Second/time.Duration(f.Bandwidth)) {
			return false
		}
		if _, err := dst.Write(slice); err != nil {
			return false
		}
	}
	return true
}

func (l *relayed) sleep(d time.Duration) (ok bool) {
	select {
	case <-time.After(d):
		return true
	case <-l.over:
		return false
	}
}

// end stops forwarding and resets the victims.
func (l *relayed) end(victims ...net.Conn) {
	l.ending.Do(func() {
		close(l.over)
		for _, nc := range victims {
			reset(nc)
		}
	})
}

func isOver(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

// reset closes nc so that its peer sees a reset, if the transport has one.
func reset(nc net.Conn) {
	switch nc := nc.(type) {
	case interface{ Abort() }:
		nc.Abort()
	case interface{ SetLinger(sec int) error }:
		_ = nc.SetLinger(0)
	}
	_ = nc.Close()
}
