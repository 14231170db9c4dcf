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

// PacketFaults says how a [PacketRelay] treats the datagrams that pass one way. The zero value passes each on at once.
// Chances are from 0, never, to 1, always, and are drawn for each datagram on its own.
type PacketFaults struct {
	Latency   time.Duration // how much later each is passed on
	Jitter    time.Duration // up to how much later still; because of it some overtake others
	Bandwidth int           // bytes of payload per second; 0 means no limit
	Queue     int           // how many may be under way, before those that come are dropped; 0 means 1024
	MaxSize   int           // the largest payload that gets through, as where a path has a small MTU; 0 means any
	Hole      bool          // nothing gets through, and nobody is told

	Loss      float64 // the chance to be dropped
	Duplicate float64 // to be passed on twice
	Reorder   float64 // to change places with the one that comes next, or to be 20 ms late if none does
	Corrupt   float64 // to have one bit flipped, which checksums below hide from programs: off unless set
}

// check panics if f makes no sense.
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

// PacketCounts is what became of the datagrams that came one way, of all clients. Each that came was passed on or
// lost, or is still under way.
type PacketCounts struct {
	Came       int
	Passed     int // each once, whether it was duplicated or not
	Lost       int // for whatever reason
	Duplicated int
	Reordered  int
	Corrupted  int
}

// PacketRelay stands between clients and a server that send each other datagrams, and does to those what a bad network
// would. Each client has a socket of its own towards the server, so that the server can tell them apart. Its methods
// are for any goroutine.
//
// What becomes of the n-th datagram of the k-th client, either way, depends on the seed, n and k, so a run can be
// repeated: as exactly as the clients are.
type PacketRelay struct {
	front net.PacketConn
	dial  func() (net.Conn, error)
	seed  uint64
	work  sync.WaitGroup

	mu     sync.Mutex
	faults [2]PacketFaults // by way
	counts [2]PacketCounts
	lines  map[string]*packetLine // by client
	closed bool
}

// The two directions.
const (
	toServer = iota
	toClient
)

// NewPacketRelay starts a relay to the UDP socket at target, on a free port of the loopback. It ends with t.
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

// StartPacketRelay is [NewPacketRelay] between any socket of datagrams, which it owns, and what dial connects to: each
// Read and Write of that is one datagram. With some that are in memory it works in a testing/synctest bubble, where
// times are exact.
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

// Set applies f, both ways, to what comes from now on. What is under way stays so. It panics if a chance is not from 0
// to 1.
func (r *PacketRelay) Set(f PacketFaults) { r.SetEach(f, f) }

// SetEach is [PacketRelay.Set] with faults of its own for each way.
func (r *PacketRelay) SetEach(there, back PacketFaults) {
	there.check()
	back.check()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = [2]PacketFaults{toServer: there, toClient: back}
}

// Counts returns what became of the datagrams to the server and to the clients so far.
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
			continue // about a datagram to a client that is gone
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
		return nil // so there is no server, which a client of datagrams is not told
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
			continue // about a datagram to a server that is gone
		}
		l.ways[toClient].take(buf[:n])
	}
}
