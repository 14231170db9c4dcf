package chaniotest

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestPipe(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() },
	})
}

func TestPipeInABubble(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() },
		Facts:   Facts{Bubble: true},
	})
}

func TestTCP(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			a, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			b, err := ln.Accept()
			require.NoError(t, err)
			cfg := &chanio.ConnConfig{Linger: 200 * time.Millisecond}
			return chanio.NewConn(a, cfg), chanio.NewConn(b, cfg)
		},
		Facts: Facts{Linger: 200 * time.Millisecond},
	})
}
