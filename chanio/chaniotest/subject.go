package chaniotest

import (
	"net"
	"testing"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Facts tell the suite what to expect of an endpoint. The zero value is right for one that behaves like TCP.
type Facts struct {
	// Bubble has each case run in a testing/synctest bubble, where it sees a deadlock at once and the exact time. The
	// endpoint then does without sockets. Time-outs of minutes cost nothing.
	Bubble bool

	// NoHalfClose says that Out cannot end while In goes on: Out.Close is then to return errors.ErrUnsupported.
	NoHalfClose bool

	// NoReset says that the transport cannot tell the peer of an Abort, which then looks like a clean end. So it is with
	// Unix sockets.
	NoReset bool

	// Datagrams says that values may be lost, that the peer does not see an end, and that there is no back-pressure.
	Datagrams bool

	// Reliable says that there is back-pressure although these are Datagrams, and that none is lost. So it is with those
	// of Unix sockets.
	Reliable bool

	// Direct says that what was accepted has arrived, as with a queue in memory: Flush and Close wait for nobody.
	Direct bool

	// Linger is the linger bound of the ends. The case that waits for it needs Bubble, or a bound set here; the case of a
	// slow reader needs Bubble, or a bound of at least a second. 0 means [chanio.DefaultLinger].
	Linger time.Duration

	// Bound is how many values may be accepted while the peer reads none, before a Send has to wait. 0 means 65536.
	Bound int

	// Patience is when a case is taken to hang. 0 means half a minute, in a bubble an hour of its time.
	Patience time.Duration
}

// Conns is what [TestConn] needs.
type Conns struct {
	// Connect returns two ends of a new connection. The suite ends both; what else is to be ended, such as a listener,
	// t.Cleanup does.
	Connect func(t testing.TB) (near, far *chanio.Conn)

	Facts
}

// Duplexes is what [TestDuplex] needs.
type Duplexes[T any] struct {
	// Connect returns two ends of a new connection: what one sends the other receives. The suite ends both; what else
	// is to be ended, such as a listener, t.Cleanup does.
	Connect func(t testing.TB) (near, far *chanio.Duplex[T, T])

	// Make returns the value that stands for i, which is below 2³⁰ and not negative. Where much is buffered between the
	// ends, values of a KiB or so make the suite quicker.
	Make func(i int) T

	// Number returns what v stands for, and a negative number if v is not as Make made it.
	Number func(v T) int

	// Raw, if the values travel as bytes, returns an end whose peer is the net.Conn that carries them, and their
	// encoding. It is for the case that cancels in the middle of a value.
	Raw func(t testing.TB) (near *chanio.Duplex[T, T], peer net.Conn, encode func(v T) []byte)

	Facts
}

// Streams is what [TestStream] needs: the fields are as in [Duplexes].
type Streams[T any] struct {
	// Connect returns both ends of a new stream: what is sent to the Sink the Source yields.
	Connect func(t testing.TB) (*chanio.Sink[T], *chanio.Source[T])

	Make   func(i int) T
	Number func(v T) int

	Facts
}

// TestConn runs the suite on connections that carry bytes, as subtests of t named conformance/<case>. The ends are used
// as [chanio.Duplex] of []byte; how they divide the bytes into chunks is not looked at. It does not run beside parallel
// tests, since it looks at what goroutines do.
func TestConn(t *testing.T, c Conns) {
	t.Helper()
	s := subject[[]byte]{
		connect: func(t testing.TB) (near, far *chanio.Duplex[[]byte, []byte]) {
			a, b := c.Connect(t)
			return &a.Duplex, &b.Duplex
		},
		make: makeRecord, reader: recordReader, fingerprint: fingerprintBytes, scribble: scribbleBytes,
		size: func(p []byte) int { return len(p) }, unit: recordSize, large: manyRecords, facts: c.Facts,
	}
	s.test(t)
}

// TestDuplex is [TestConn] for typed values.
func TestDuplex[T any](t *testing.T, d Duplexes[T]) {
	t.Helper()
	s := typed(d.Make, d.Number, d.Facts)
	s.connect, s.raw = d.Connect, d.Raw
	s.test(t)
}

// TestStream runs those cases of [TestDuplex] that one direction is enough for: on a Sink and on the Source that yields
// what was sent.
func TestStream[T any](t *testing.T, d Streams[T]) {
	t.Helper()
	s := typed(d.Make, d.Number, d.Facts)
	s.oneWay = true
	s.connect = func(t testing.TB) (near, far *chanio.Duplex[T, T]) {
		sink, source := d.Connect(t)
		return &chanio.Duplex[T, T]{Out: sink}, &chanio.Duplex[T, T]{In: source}
	}
	s.test(t)
}

// subject is an endpoint under test.
type subject[T any] struct {
	connect func(t testing.TB) (near, far *chanio.Duplex[T, T])
	raw     func(t testing.TB) (near *chanio.Duplex[T, T], peer net.Conn, encode func(v T) []byte)
	oneWay  bool // near has no In and far no Out

	make        func(i int) T
	reader      func() func(v T) []int // a new reader: returns the numbers that v completes
	fingerprint func(v T) uint64       // differs when v was changed
	scribble    func(v T)              // overwrites the memory that v owns, also beyond its length; nil if there is none
	size        func(v T) int          // adds up to unit for each number
	unit        int
	large       func() (v T, n int) // one value of n numbers, from 0 on; nil if there is none

	facts Facts
}

func typed[T any](mk func(int) T, number func(T) int, facts Facts) *subject[T] {
	return &subject[T]{
		make:        mk,
		reader:      func() func(T) []int { return func(v T) []int { return []int{number(v)} } },
		fingerprint: func(v T) uint64 { return uint64(number(v)) },
		size:        func(T) int { return 1 },
		unit:        1,
		facts:       facts,
	}
}
