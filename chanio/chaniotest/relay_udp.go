package chaniotest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// PacketFaults describes what a [PacketRelay] does to the datagrams of one direction. The zero value forwards each at
// once. Probabilities range from 0, never, to 1, always, and apply to each datagram independently.
type PacketFaults struct {
	Latency   time.Duration // the delay of each datagram
	Jitter    time.Duration // the largest additional delay, which lets some overtake others
	Bandwidth int           // bytes of payload per second; 0 means no limit
	Queue     int           // how many may be in transit before more are dropped; 0 means 1024
	MaxSize   int           // the largest payload forwarded, as on a path with a small MTU; 0 means any
	Hole      bool          // everything is dropped without an error

	Loss      float64 // the probability of being dropped
	Duplicate float64 // of being forwarded twice
	Reorder   float64 // of changing places with the next datagram, or of being 20 ms late if none comes
	Corrupt   float64 // of one bit being flipped; real networks hide this from programs by checksums
}

// check panics if a chance is not from 0 to 1.
func (f *PacketFaults) check() {
	for _, chance := range []struct {
		name string
		of   float64
	}{{"Loss", f.Loss}, {"Duplicate", f.Duplicate}, {"Reorder", f.Reorder}, {"Corrupt", f.Corrupt}} {
		if !(chance.of >= 0 && chance.of <= 1) {
			panic(fmt.Sprintf("chaniotest: %s must be from 0 to 1, got %v", chance.name, chance.of))
		}
	}
}

// PacketCounts counts the datagrams of all clients in one direction. Each that came was forwarded or lost, or is still
// in transit.
type PacketCounts struct {
	Came       int
	Passed     int // each counts once, even if it was duplicated
	Lost       int // for whatever reason
	Duplicated int
	Reordered  int
	Corrupted  int
}

// PacketRelay forwards datagrams between clients and a server, with the faults of a bad network. Each client has its
// own socket towards the server, so that the server can tell them apart. Its methods may be called by any goroutine.
//
// The fate of the n-th datagram of the k-th client, in each direction, depends only on the seed, n and k. So a run can
// be repeated as exactly as the clients behave.
type PacketRelay struct {
	front net.PacketConn
	dial  func() (net.Conn, error)
	seed  uint64
	work  sync.WaitGroup

	mu     sync.Mutex
	faults [2]PacketFaults // by direction
	counts [2]PacketCounts
	lines  map[string]*packetLine // by client
	closed bool
}

// The two directions.
const (
	toServer = iota
	toClient
)

// NewPacketRelay starts a relay to the UDP socket at target, on a free loopback port. It ends with t.
func NewPacketRelay(t testing.TB, target net.Addr, seed uint64) *PacketRelay {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("chaniotest: relay: %v", err)
	}
	return StartPacketRelay(t, front, func() (net.Conn, error) {
		return net.Dial("udp", target.String())
	}, seed)
}

// StartPacketRelay is [NewPacketRelay] between any datagram socket, which it owns, and what dial connects to: each Read
// and Write of that is one datagram. With sockets in memory it works in a testing/synctest bubble, where times are
// exact.
func StartPacketRelay(t testing.TB, front net.PacketConn, dial func() (net.Conn, error), seed uint64) *PacketRelay {
	r := &PacketRelay{front: front, dial: dial, seed: seed, lines: map[string]*packetLine{}}
	r.work.Go(r.listen)
	t.Cleanup(func() {
		r.close()
		r.work.Wait()
	})
	return r
}

// Addr returns the address that clients send to.
func (r *PacketRelay) Addr() net.Addr { return r.front.LocalAddr() }

// Set applies f, in both directions, to the datagrams that come from now on, not to those in transit. It panics if a
// probability is not from 0 to 1.
func (r *PacketRelay) Set(f PacketFaults) { r.SetEach(f, f) }

// SetEach is [PacketRelay.Set] with different faults for each direction.
func (r *PacketRelay) SetEach(there, back PacketFaults) {
	there.check()
	back.check()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = [2]PacketFaults{toServer: there, toClient: back}
}

// Counts returns the counts so far of the datagrams to the server and to the clients.
func (r *PacketRelay) Counts() (there, back PacketCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[toServer], r.counts[toClient]
}

func (r *PacketRelay) close() {
	_ = r.front.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, l := range r.lines {
		l.end()
	}
}

const datagramMax = 64 << 10

// listen reads the datagrams of the clients.
func (r *PacketRelay) listen() {
	buf := make([]byte, datagramMax)
	for {
		n, client, err := r.front.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // reports a datagram to a client that is gone
		}
		if l := r.line(client); l != nil {
			l.ways[toServer].take(buf[:n])
		}
	}
}

// line returns the line of a client. It creates one if needed, and returns nil if it cannot.
func (r *PacketRelay) line(client net.Addr) *packetLine {
	r.mu.Lock()
	l, known := r.lines[client.String()], len(r.lines)
	r.mu.Unlock()
	if l != nil {
		return l
	}
	far, err := r.dial()
	if err != nil {
		return nil // there is no server; a client of datagrams does not learn that
	}
	l = newPacketLine(r, far, client, uint64(known))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = far.Close()
		return nil
	}
	r.lines[client.String()] = l
	r.work.Go(l.listen)
	r.work.Go(l.ways[toServer].run)
	r.work.Go(l.ways[toClient].run)
	return l
}

// note changes the counts of a direction and returns its faults.
func (r *PacketRelay) note(way int, change func(c *PacketCounts)) PacketFaults {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts[way])
	return r.faults[way]
}

// packetLine is one client of a PacketRelay.
type packetLine struct {
	far  net.Conn // to the server
	ways [2]*packetWay
	over chan struct{}
}

func newPacketLine(r *PacketRelay, far net.Conn, client net.Addr, number uint64) *packetLine {
	l := &packetLine{far: far, over: make(chan struct{})}
	l.ways[toServer] = newPacketWay(r, toServer, number, l.over, func(p []byte) {
		_ = twice(func() error {
			_, err := far.Write(p)
			return err
		})
	})
	l.ways[toClient] = newPacketWay(r, toClient, number, l.over, func(p []byte) {
		_ = twice(func() error {
			_, err := r.front.WriteTo(p, client)
			return err
		})
	})
	return l
}

// twice calls f again if it fails, because a socket may report the failure of an earlier datagram.
func twice(f func() error) error {
	if f() == nil {
		return nil
	}
	return f()
}

// end is called once.
func (l *packetLine) end() {
	close(l.over)
	_ = l.far.Close()
}

// listen reads the datagrams of the server.
func (l *packetLine) listen() {
	buf := make([]byte, datagramMax)
	for {
		n, err := l.far.Read(buf)
		if errors.Is(err, net.ErrClosed) || err == io.EOF {
			return
		}
		if err != nil {
			continue // reports a datagram to a server that is gone
		}
		l.ways[toClient].take(buf[:n])
	}
}
