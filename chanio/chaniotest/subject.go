package chaniotest

import (
	"net"
	"testing"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Facts describes an endpoint to the suite. The zero value describes one that behaves like TCP.
type Facts struct {
	// Bubble runs each case in a testing/synctest bubble, which detects deadlocks at once and has exact time. The
	// endpoint must not use sockets then. Timeouts of minutes cost nothing.
	Bubble bool

	// NoHalfClose means that Out cannot end before In does. Out.Close must then return errors.ErrUnsupported.
	NoHalfClose bool

	// NoReset means that the transport cannot report an Abort to the peer, which sees a clean end, as with Unix
	// sockets.
	NoReset bool

	// Datagrams means that values may be lost, that the peer does not see an end, and that there is no back-pressure.
	Datagrams bool

	// Reliable means that these Datagrams have back-pressure and are not lost, as with Unix sockets.
	Reliable bool

	// Direct means that an accepted value has arrived, as with a queue in memory, so Flush and Close do not wait.
	Direct bool

	// Linger is the linger bound of the ends. The case that waits for it needs Bubble, or a bound set here; the case of
	// a slow reader needs Bubble, or a bound of at least a second. 0 means [chanio.DefaultLinger].
	Linger time.Duration

	// Bound limits the number of values accepted before a Send waits, while the peer reads none. 0 means 65536.
	Bound int

	// Patience is how long a case may take before it is considered hung. 0 means half a minute, or an hour of a
	// bubble's time.
	Patience time.Duration
}

// Conns is what [TestConn] needs.
type Conns struct {
	// Connect returns the two ends of a new connection. The suite ends both. Use t.Cleanup to end anything else, such
	// as a listener.
	Connect func(t testing.TB) (near, far *chanio.Conn)

	Facts
}

// Duplexes is what [TestDuplex] needs.
type Duplexes[T any] struct {
	// Connect returns the two ends of a new connection: each receives what the other sends. The suite ends both. Use
	// t.Cleanup to end anything else, such as a listener.
	Connect func(t testing.TB) (near, far *chanio.Duplex[T, T])

	// Make returns the value that stands for i, which is at least 0 and below 2³⁰. If much is buffered between the
	// ends, values of about a KiB make the suite faster.
	Make func(i int) T

	// Number returns the i that v stands for, or a negative number if v is not as Make returned it.
	Number func(v T) int

	// Raw, if the values travel as bytes, returns an end whose peer is the net.Conn that carries them, and their
	// encoding. The case that cancels within a value needs it.
	Raw func(t testing.TB) (near *chanio.Duplex[T, T], peer net.Conn, encode func(v T) []byte)

	Facts
}

// Streams is what [TestStream] needs: the fields are as in [Duplexes].
type Streams[T any] struct {
	// Connect returns both ends of a new stream: the Source yields what is sent to the Sink.
	Connect func(t testing.TB) (*chanio.Sink[T], *chanio.Source[T])

	Make   func(i int) T
	Number func(v T) int

	Facts
}

// TestConn runs the suite on byte streams, as subtests of t named conformance/<case>. It uses the ends as chanio.Duplex
// of []byte and ignores chunk boundaries. It cannot run in parallel with other tests, because it inspects goroutines.
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

// TestStream runs the cases of [TestDuplex] that need only one direction, on a Sink and on the Source that yields what
// was sent.
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
	fingerprint func(v T) uint64       // differs after v was changed
	scribble    func(v T)              // overwrites the memory that v owns, up to its capacity; nil if there is none
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
