package servers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func TestConnsIsAChannelOfConnections(t *testing.T) {
	ln := listen(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var serving, handlers sync.WaitGroup
	serving.Go(func() {
		for c := range ln.Conns.C(ctx) {
			handlers.Go(func() {
				require.NoError(t, echo(ctx, c))
				require.NoError(t, c.Close())
			})
		}
	})
	for range 20 {
		nc := dial(t, ln)
		say(t, nc, "hello")
		require.NoError(t, nc.Close())
	}
	handlers.Wait()
	cancel()
	serving.Wait()
	require.ErrorIs(t, ln.Conns.Err(), context.Canceled)
	require.Zero(t, cap(ln.Conns.C(ctx)))
}

func TestConnectionThatNobodyTookIsAborted(t *testing.T) {
	ln := listen(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	conns := ln.Conns.C(ctx)
	nc := dial(t, ln)
	await(t, ln, 1) // it waits for a receiver
	cancel()
	_, err := nc.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, ok := <-conns
	require.False(t, ok)
	await(t, ln, 0)

	require.Equal(t, "next", func() string {
		nc := dial(t, ln)
		c, err := ln.Conns.Recv(t.Context())
		require.NoError(t, err)
		go func() { _ = echo(t.Context(), c) }()
		defer func() { require.NoError(t, nc.Close()); <-c.Done() }()
		return say(t, nc, "next")
	}(), "the Listener lives")
}

func TestG2CancelledRecvOfConnsHasTakenNone(t *testing.T) {
	ln := listen(t, nil)
	for range 50 {
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("changed my mind")
		dialled := make(chan net.Conn, 1)
		go func() { dialled <- dial(t, ln) }()
		go cancel(reason)
		c, err := ln.Conns.Recv(ctx)
		if err != nil {
			require.Equal(t, reason, err)
			c, err = ln.Conns.Recv(t.Context())
		}
		require.NoError(t, err)
		nc := <-dialled
		require.Equal(t, nc.LocalAddr().String(), c.RemoteAddr().String())
		require.NoError(t, nc.Close())
		require.NoError(t, c.Close())
	}
}

func TestG17NothingIsAcceptedBeforeSomebodyAsks(t *testing.T) {
	ln := listen(t, nil)
	nc := dial(t, ln)
	require.Zero(t, open(t, ln))
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, open(t, ln))
	dial(t, ln)
	require.Equal(t, 1, open(t, ln))
	require.NoError(t, nc.Close())
	require.NoError(t, c.Close())
}

func TestClosingConnsStopsAcceptingOnly(t *testing.T) {
	ln, result := serve(t, nil, echo)
	nc := dial(t, ln)
	say(t, nc, "one")
	require.NoError(t, ln.Conns.Close())
	require.Equal(t, "two", say(t, nc, "two"))
	require.Contains(t, ln.String(), "(not accepting, 1 open)")
	require.NoError(t, nc.Close())
	require.NoError(t, <-result)
}

func TestMaxConnsHoldsBackAndGoesOn(t *testing.T) {
	ln, _ := serve(t, &servers.Config{MaxConns: 2}, echo)
	a, b, c := dial(t, ln), dial(t, ln), dial(t, ln)
	say(t, a, "a")
	say(t, b, "b")
	_, err := io.WriteString(c, "c") // the kernel has accepted it
	require.NoError(t, err)
	require.Equal(t, 2, open(t, ln))
	require.NoError(t, a.CloseWrite())
	_, err = io.ReadAll(a)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	reply := make([]byte, 1)
	_, err = io.ReadFull(c, reply)
	require.NoError(t, err)
	require.Equal(t, "c", string(reply))
	require.NoError(t, b.Close())
	require.NoError(t, c.Close())
}

func TestMaxConnsHoldsForTheChannelToo(t *testing.T) {
	ln := listen(t, &servers.Config{MaxConns: 1})
	one, two := dial(t, ln), dial(t, ln)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error, 1)
	go func() { _, err := ln.Conns.Recv(ctx); refused <- err }()
	cancel()
	require.ErrorIs(t, <-refused, context.Canceled)
	c.Out.Abort(nil) // released
	c, err = ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, two.LocalAddr().String(), c.RemoteAddr().String())
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
	require.NoError(t, c.Close())
}

func TestMaxConnsCountsNoAcceptThatHasEnded(t *testing.T) {
	ln := listen(t, &servers.Config{MaxConns: 1})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := ln.Conns.Recv(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	nc := dial(t, ln)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	c.Abort(nil)
	require.NoError(t, nc.Close())
}

func TestStringTellsAddressAndState(t *testing.T) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.Equal(t, "tcp "+addr+" (listening, 0 open)", ln.String())
	nc := dial(t, ln)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "tcp "+addr+" (listening, 1 open)", ln.String())
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(t.Context()) }()
	_, _ = c.In.Recv(t.Context())
	require.Equal(t, "tcp "+addr+" (shutting down, 1 open)", ln.String())
	require.NoError(t, nc.Close())
	require.NoError(t, c.Close())
	require.NoError(t, <-down)
	require.Equal(t, "tcp "+addr+" (closed, 0 open)", ln.String())
	require.Equal(t, addr, ln.Addr().String())
}

func TestConnConfigOfTheCallerIsKept(t *testing.T) {
	released := make(chan *chanio.Conn, 1)
	ln := listen(t, &servers.Config{Conn: chanio.ConnConfig{OnRelease: func(c *chanio.Conn) { released <- c }}})
	dial(t, ln)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	c.Out.Abort(nil)
	require.Same(t, c, <-released)
}

func TestG15ErrorsOfListeningSayWhatToDo(t *testing.T) {
	busy := listen(t, nil).Addr().String()
	_, port, err := net.SplitHostPort(busy)
	require.NoError(t, err)
	for _, c := range []struct {
		addr, hint string
		is         error
	}{
		{busy, "something listens there already", syscall.EADDRINUSE},
		{"192.0.2.1:" + port, "no interface of this machine has that address", syscall.EADDRNOTAVAIL},
		{"localhost", "an address is host:port", nil},
		{"localhost:99999", "the port at most 65535", nil},
		{"no.such.host.invalid:0", "is the name right?", nil},
	} {
		_, err := servers.ListenTCP(c.addr, nil)
		require.ErrorContains(t, err, "servers: listen tcp")
		require.ErrorContains(t, err, c.hint)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		if c.is != nil {
			require.ErrorIs(t, err, c.is)
		}
	}
}

func TestControlIsCalledAndMayRefuse(t *testing.T) {
	refusal := errors.New("not today")
	_, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{
		Control: func(network, address string, _ syscall.RawConn) error {
			return fmt.Errorf("%s %s: %w", network, address, refusal)
		},
	})
	require.ErrorIs(t, err, refusal)
}

// open returns the number of open connections that ln reports.
func open(t testing.TB, ln *servers.Listener) (n int) {
	text := ln.String()
	_, err := fmt.Sscanf(text[strings.LastIndex(text, ", ")+2:], "%d open", &n)
	require.NoError(t, err)
	return n
}
