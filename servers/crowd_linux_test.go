package servers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// A crowd of peers, of which every fifth misbehaves: the others are answered exactly, memory is bounded, and a shutdown
// answers what has arrived and ends all connections. With WEIR_LONG=1 the crowd has 10,000 peers, or 2,000 with the
// race detector, which takes five times as long and allows 8,128 goroutines.
func TestG8ACrowdIsServedWhateverSomeOfItDo(t *testing.T) {
	size, rounds := 500, 4
	if os.Getenv("WEIR_LONG") == "1" {
		size, rounds = 10_000, 6
	}
	if raceEnabled {
		size = min(size, 2000)
	}
	size = min(size, descriptors(t)-spare)
	s := newCrowdServer()
	ln := listen(t, &servers.Config{Hooks: &servers.Hooks{Closed: s.noteClosed}})
	before := settledMemory()
	result := serveOn(t, t.Context(), ln, s.answer)
	crowd := startCrowd(t, ln.Addr(), size, rounds)

	crowd.await("connected", func(c census) int { return c.size })
	await(t, ln, size)
	idle := settledMemory() - before
	crowd.tell("begin")
	crowd.await("answered", func(c census) int { return c.count(healthy) * rounds })
	crowd.await("slowly", func(c census) int { return c.count(slow) })
	crowd.await("flooding", func(c census) int { return c.count(flooding) })
	s.awaitClosed(crowd.count(vanishing))
	require.EqualValues(t, crowd.count(healthy)*rounds, s.asked.Load(), "each request came once")
	require.Equal(t, size-crowd.count(vanishing), open(t, ln), "nobody else was disconnected")
	busy := leastMemory() - before
	t.Logf("%d connections: %d KiB of heap and stack each when idle, %d KiB during the flood", size, idle>>10/int64(size), busy>>10/int64(size))
	if !raceEnabled {
		require.Less(t, idle, int64(size)*idleBound)
		require.Less(t, busy, int64(size)*idleBound+int64(crowd.count(clogged)+crowd.count(flooding))*busyBound+garbage)
	}

	crowd.tell("finish") // two more requests each; the server receives only one before it shuts down
	crowd.await("asked", func(c census) int { return c.count(healthy) })
	ctx, cancel := context.WithCancelCause(t.Context())
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(ctx) }()
	awaitRefusal(t, ln.Addr())
	close(s.shutting)
	crowd.await("finished", func(c census) int { return c.count(healthy) })
	enough := errors.New("the rest had its time")
	cancel(enough)
	require.Equal(t, enough, <-down)
	require.NoError(t, <-result)
	require.Zero(t, open(t, ln))
	s.awaitClosed(size)
	crowd.end()
}

const (
	spare     = 500       // descriptors for everything else
	idleBound = 10 << 10  // bytes of a waiting connection
	busyBound = 192 << 10 // of an active one: at most 64 KiB in each direction, and the data being echoed
	garbage   = 32 << 20  // sent by the flooding peers while memory is measured
)

// leastMemory is settledMemory while others allocate.
func leastMemory() int64 {
	least := settledMemory()
	for range 4 {
		least = min(least, settledMemory())
	}
	return least
}

func descriptors(t testing.TB) int {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int(limit.Cur) // the runtime has raised it to the hard limit
}

// crowdServer echoes frames.
type crowdServer struct {
	asked    atomic.Int64 // requests of the healthy
	shutting chan struct{}

	mu      sync.Mutex
	closed  int // connections, also those of awaitRefusal
	changed sync.Cond
}

func newCrowdServer() *crowdServer {
	s := &crowdServer{shutting: make(chan struct{})}
	s.changed.L = &s.mu
	return s
}

func (s *crowdServer) noteClosed(*chanio.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	s.changed.Broadcast()
}

// awaitClosed returns when n connections have been closed since the start.
func (s *crowdServer) awaitClosed(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.closed < n {
		s.changed.Wait()
	}
}

func (s *crowdServer) answer(ctx context.Context, c *chanio.Conn) error {
	frames := codec.Frame(c, codec.Prefixed(codec.Uint32, codec.Bytes))
	for request := range frames.In.All(ctx) {
		switch kind(request[0]) {
		case healthy:
			s.asked.Add(1)
		case last:
			<-s.shutting
		}
		if err := frames.Out.Send(ctx, request); err != nil {
			return err
		}
	}
	return frames.In.Err()
}

// awaitRefusal returns when connections to addr are refused.
func awaitRefusal(t testing.TB, addr net.Addr) {
	for {
		nc, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			return
		}
		require.NoError(t, nc.Close())
	}
}

// crowd is the processes of the peers. One process does not have enough descriptors for both sides.
type crowd struct {
	testing.TB
	parts []*crowdPart
}

type crowdPart struct {
	census
	in    io.WriteCloser
	lines *bufio.Scanner
	wait  func()
}

func startCrowd(t *testing.T, addr net.Addr, size, rounds int) *crowd {
	crowd := &crowd{TB: t}
	const most = 5000 // more processes get a larger share of the processors
	for first := 0; first < size; first += most {
		part := &crowdPart{census: census{size: min(most, size-first)}}
		cmd := child(t, "TestChildIsACrowd")
		cmd.Env = append(cmd.Env, fmt.Sprintf("WEIR_TEST_CROWD=%s %d %d %d", addr, first, part.size, rounds))
		var err error
		part.in, err = cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		part.lines = bufio.NewScanner(out)
		part.wait = sync.OnceFunc(func() {
			for part.lines.Scan() {
			}
			require.NoError(t, cmd.Wait())
		})
		crowd.parts = append(crowd.parts, part)
	}
	return crowd
}

func (c *crowd) tell(what string) {
	for _, part := range c.parts {
		_, err := fmt.Fprintln(part.in, what)
		require.NoError(c, err)
	}
}

// await returns when each process has reported want of its peers in that state.
func (c *crowd) await(what string, want func(census) int) {
	c.Helper()
	for _, part := range c.parts {
		for said := ""; said != fmt.Sprintf("%s %d", what, want(part.census)); said = part.lines.Text() {
			if !part.lines.Scan() {
				require.FailNow(c, "a crowd has gone", "%s %d; it last said %q", what, want(part.census), said)
			}
			if part.lines.Text() == "--- FAIL: TestChildIsACrowd" {
				require.FailNow(c, "a crowd has failed")
			}
		}
	}
}

func (c *crowd) count(k kind) (n int) {
	for _, part := range c.parts {
		n += part.count(k)
	}
	return n
}

func (c *crowd) end() {
	for _, part := range c.parts {
		require.NoError(c, part.in.Close())
		part.wait()
	}
}
