package datagram

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// each runs a test on both ways to cross.
func each(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("batched", func(t *testing.T) { test(t, Config{}) })
	t.Run("plain", func(t *testing.T) { test(t, Config{plain: true}) })
}

// open returns a Conn on a free port of the loopback, which is aborted when the test ends.
func open(t testing.TB, cfg Config) *Conn {
	t.Helper()
	uc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	_ = uc.SetReadBuffer(4 << 20)
	c := New(uc, cfg)
	t.Cleanup(func() { c.Out.Abort(nil) })
	return c
}

// plainSocket returns a socket of the net package, so that the tested code does not test itself.
func plainSocket(t testing.TB) *net.UDPConn {
	t.Helper()
	uc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	_ = uc.SetReadBuffer(4 << 20)
	t.Cleanup(func() { _ = uc.Close() })
	return uc
}

// receive returns the payloads of the next n packets.
func receive(t testing.TB, c *Conn, n int) (got []string) {
	t.Helper()
	for range n {
		p, err := c.In.Recv(t.Context())
		require.NoError(t, err)
		got = append(got, string(p.Data))
	}
	return got
}

func send(t testing.TB, c *Conn, to *Conn, payloads ...string) {
	t.Helper()
	for _, s := range payloads {
		require.NoError(t, c.Out.Send(t.Context(), chanio.Packet{Addr: to.addr, Data: []byte(s)}))
	}
}

// counted counts the calls of a RawConn and reports each.
type counted struct {
	syscall.RawConn
	reads, writes atomic.Int32 // calls of the functions given, each of which makes one system call

	waits chan struct{} // one of them found that it has to wait
	wrote chan struct{} // a write was tried
}

func newCounted(raw syscall.RawConn) *counted {
	return &counted{RawConn: raw, waits: make(chan struct{}, 1), wrote: make(chan struct{}, 1000)}
}

func (c *counted) Read(f func(uintptr) bool) error {
	return c.RawConn.Read(func(fd uintptr) bool {
		c.reads.Add(1)
		return c.noted(f(fd))
	})
}

func (c *counted) Write(f func(uintptr) bool) error {
	return c.RawConn.Write(func(fd uintptr) bool {
		c.writes.Add(1)
		signal(c.wrote)
		return c.noted(f(fd))
	})
}

func (c *counted) noted(done bool) bool {
	if !done {
		signal(c.waits)
	}
	return done
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
