package servers_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"golang.org/x/net/nettest"
)

// The results of Conn.NetConn, on both sides, behave like any net.Conn.
func TestNetConnsAreNetConns(t *testing.T) {
	for name, connect := range transports {
		if name == "tls" {
			continue // see below
		}
		bothSides(t, name, func() (a, b net.Conn, err error) {
			near, far := connect(t)
			return near.NetConn(), far.NetConn(), nil
		})
	}
}

func TestNetConnsInMemoryAreNetConns(t *testing.T) {
	bothSides(t, "pipe", func() (a, b net.Conn, err error) {
		a, b = chaniotest.Pipe(0)
		return a, b, nil
	})
	bothSides(t, "counted", func() (a, b net.Conn, err error) {
		a, b = chaniotest.Pipe(0)
		a, _ = chaniotest.Count(a)
		return a, b, nil
	})
	bothSides(t, "network", func() (a, b net.Conn, err error) {
		var network chaniotest.Network
		nl, err := network.Listen("")
		if err != nil {
			return nil, nil, err
		}
		defer nl.Close()
		if a, err = network.DialContext(t.Context(), "mem", nl.Addr().String()); err != nil {
			return nil, nil, err
		}
		b, err = nl.Accept()
		return a, b, err
	})
}

// bothSides runs the suite of x/net with each end of a connection as the first.
func bothSides(t *testing.T, name string, connect func() (a, b net.Conn, err error)) {
	for _, turned := range []bool{false, true} {
		t.Run(fmt.Sprintf("%s turned=%t", name, turned), func(t *testing.T) {
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				if a, b, err = connect(); err != nil {
					return nil, nil, nil, err
				}
				stop = func() { _, _ = a.Close(), b.Close() }
				if turned {
					a, b = b, a
				}
				return a, b, stop, nil
			})
		})
	}
}

// For a secured connection NetConn returns the socket, which carries TLS records, so it is for options only. The TLS
// net.Conn is not handed out, because it relies on the Conn above to wait for the peer's end before it closes.
func TestTheNetConnBelowTLSIsTheSocket(t *testing.T) {
	near, far := connectTLS(t)
	for _, c := range []*chanio.Conn{near, far} {
		require.NoError(t, c.NetConn().(*net.TCPConn).SetNoDelay(false))
		require.NotNil(t, c.TLS())
	}
}
