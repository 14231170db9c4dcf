package servers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

// The server has read next to nothing when it is asked to shut down, and still answers all that has arrived.
func TestG18ShutdownLosesNothingThatHasArrived(t *testing.T) {
	const peers, size = 8, 64 << 10 // the loopback buffers this much without a reader
	shutting := make(chan struct{})
	ends := make(chan error, peers)
	ln, result := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		first, err := c.In.Recv(ctx)
		if err != nil {
			return err
		}
		<-shutting
		for v := range c.In.All(ctx) {
			first = append(first, v...)
		}
		ends <- c.In.Err()
		return c.Out.Send(ctx, first) // Out and ctx are still usable
	})
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	conns := make([]net.Conn, peers)
	for i := range conns {
		conns[i] = dial(t, ln)
		_, err := conns[i].Write(sent)
		require.NoError(t, err)
	}
	await(t, ln, peers) // connections in the kernel's backlog are not accepted
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(t.Context()) }()
	for {
		if nc, err := net.Dial("tcp", ln.Addr().String()); err != nil {
			break // accepting has stopped
		} else {
			_ = nc.Close()
		}
	}
	close(shutting)
	for _, nc := range conns {
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent, got), "%d of %d bytes", len(got), len(sent))
		require.ErrorIs(t, <-ends, servers.ErrShutdown)
		require.NoError(t, nc.Close())
	}
	require.NoError(t, <-down)
	require.NoError(t, <-result)
}

func TestG18ShutdownReachesAnIdleConnectionAtOnce(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan error, 1)
	ln, result := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		close(waiting)
		_, err := c.In.Recv(ctx)
		ended <- err
		return err
	})
	nc := dial(t, ln)
	<-waiting
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(t.Context()) }()
	require.ErrorIs(t, <-ended, servers.ErrShutdown)
	rest, err := io.ReadAll(nc) // a clean end, which the client answers
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, nc.Close())
	require.NoError(t, <-down)
	require.NoError(t, <-result)
}

func TestG18ShutdownAbortsAtTheEndOfItsContext(t *testing.T) {
	var log logbook
	causes := make(chan error, 2)
	ln, result := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		_, err := c.Out.TrySend([]byte("too late"))
		causes <- err
		return err
	})
	nc := dial(t, ln)
	await(t, ln, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("patience has an end")
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(ctx) }()
	cancel(reason)
	require.Equal(t, reason, <-down)
	require.Equal(t, reason, <-causes)
	<-causes // reason, or nil if the handler returned before the abort
	_, err := io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.NoError(t, <-result)
	require.NoError(t, ln.Shutdown(t.Context()), "nothing is left")
	require.Empty(t, log.lines(), "the caller has been told")
}

// stuckConn is a net.Conn whose Close blocks.
type stuckConn struct {
	net.Conn
	free chan struct{}
}

func (c stuckConn) Close() error {
	<-c.free
	return c.Conn.Close()
}

func TestG18ShutdownDoesNotWaitForACloseThatBlocks(t *testing.T) {
	free, ready := make(chan struct{}), make(chan struct{})
	wrap := func(nc net.Conn) net.Conn { return stuckConn{nc, free} }
	ln, result := serve(t, &servers.Config{Wrap: wrap}, func(ctx context.Context, _ *chanio.Conn) error {
		close(ready)
		<-ctx.Done()
		return nil
	})
	dial(t, ln)
	<-ready
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("patience has an end")
	cancel(reason)
	require.Equal(t, reason, ln.Shutdown(ctx))
	select {
	case <-result:
		t.Error("Serve has not waited for the connection")
	default:
	}
	close(free)
	require.NoError(t, <-result)
	require.NoError(t, ln.Shutdown(t.Context()), "nothing is left")
}

// lastListener is a net.Listener whose Close waits for its connections.
type lastListener struct {
	net.Listener
	open sync.WaitGroup
}

func (ln *lastListener) Accept() (net.Conn, error) {
	nc, err := ln.Listener.Accept()
	if err != nil {
		return nil, err
	}
	ln.open.Add(1)
	return &lastConn{nc, sync.OnceFunc(ln.open.Done)}, nil
}

func (ln *lastListener) Close() error {
	defer ln.open.Wait()
	return ln.Listener.Close()
}

type lastConn struct {
	net.Conn
	left func()
}

func (c *lastConn) Close() error {
	defer c.left()
	return c.Conn.Close()
}

func TestG18ShutdownAsksConnectionsForWhichTheNetListenerWaits(t *testing.T) {
	for name, end := range map[string]func(*servers.Listener) error{
		"Shutdown": func(ln *servers.Listener) error { return ln.Shutdown(context.Background()) },
		"Close":    (*servers.Listener).Close,
	} {
		synctest.Test(t, func(t *testing.T) {
			var network chaniotest.Network
			nl, err := network.Listen("server")
			require.NoError(t, err)
			ln, err := servers.Listen(&lastListener{Listener: nl}, nil)
			require.NoError(t, err)
			input := make(chan error, 1)
			result := serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
				_, err := c.In.Recv(ctx)
				input <- err
				return nil
			})
			nc, err := network.DialContext(t.Context(), "mem", "server")
			require.NoError(t, err)
			defer func() { _ = nc.Close() }()
			synctest.Wait()
			asked := time.Now()
			ended := make(chan error, 1)
			go func() { ended <- end(ln) }()
			require.Equal(t, servers.ErrShutdown, <-input, name)
			require.Less(t, time.Since(asked), time.Second, name)
			require.NoError(t, <-ended, name)
			require.NoError(t, <-result)
		})
	}
}

func TestG18ShutdownCoversConnectionsOfTheChannel(t *testing.T) {
	ln := listen(t, nil)
	nc := dial(t, ln)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(t.Context()) }()
	_, err = c.In.Recv(t.Context())
	require.ErrorIs(t, err, servers.ErrShutdown)
	require.NoError(t, c.Out.Send(t.Context(), []byte("bye")))
	var closing sync.WaitGroup
	closing.Go(func() { require.NoError(t, c.Close()) })
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "bye", string(got))
	require.NoError(t, nc.Close())
	closing.Wait()
	require.NoError(t, <-down)
	_, err = ln.Conns.Recv(t.Context())
	require.Equal(t, io.EOF, err)
}

// A peer that keeps sending to a slower handler must not prevent a clean shutdown.
func TestG18ShutdownEndsTheInputOfAPeerThatSendsOn(t *testing.T) {
	busy, ended := make(chan struct{}), make(chan error, 1)
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		start := sync.OnceFunc(func() { close(busy) })
		for chunk := range c.In.All(ctx) {
			start()
			for range 100 {
				sha256.Sum256(chunk)
			}
		}
		ended <- c.In.Err()
		return nil
	})
	nc := dial(t, ln)
	var sending sync.WaitGroup
	sending.Go(func() {
		for {
			if _, err := nc.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	down := make(chan error, 1)
	go func() { down <- ln.Shutdown(ctx) }()
	require.ErrorIs(t, <-ended, servers.ErrShutdown)
	cancel()
	<-down
	sending.Wait()
}

func TestG5CloseSaysThatItHadToAbort(t *testing.T) {
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Conn: chanio.ConnConfig{Linger: time.Millisecond}})
	require.NoError(t, err)
	result := serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		<-ctx.Done() // ignores its connection
		return nil
	})
	dial(t, ln)
	await(t, ln, 1)
	err = ln.Close()
	require.ErrorContains(t, err, "aborted connections still open after 1ms")
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.NoError(t, <-result)
	require.NoError(t, ln.Close(), "nothing is left")
}

func TestG4CloseIsIdempotentFromAnywhere(t *testing.T) {
	ln, result := serve(t, nil, echo)
	var closing sync.WaitGroup
	for range 8 {
		closing.Go(func() { require.NoError(t, ln.Close()) })
		closing.Go(func() { require.NoError(t, ln.Conns.Close()) })
		closing.Go(func() { require.NoError(t, ln.Shutdown(t.Context())) })
	}
	closing.Wait()
	require.NoError(t, <-result)
}

// await returns when n connections are open.
func await(t testing.TB, ln *servers.Listener, n int) {
	for open(t, ln) != n {
	}
}

// slowToClose is a listener whose Close takes until may is closed.
type slowToClose struct {
	net.Listener
	may chan struct{}
}

func (l slowToClose) Close() error {
	err := l.Listener.Close()
	<-l.may
	return err
}

// Nothing is left of an idle Listener, also if ctx has ended, unless the net.Listener cannot be closed.
func TestShutdownOfAnIdleListenerAfterTheEndOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var network chaniotest.Network
		for _, stuck := range []bool{false, true} {
			nl, err := network.Listen("server")
			require.NoError(t, err)
			may := make(chan struct{})
			ln, err := servers.Listen(slowToClose{nl, may}, nil)
			require.NoError(t, err)
			if !stuck {
				close(may)
				require.NoError(t, ln.Shutdown(ctx))
				continue
			}
			require.Equal(t, context.Canceled, ln.Shutdown(ctx))
			close(may)
			require.NoError(t, ln.Shutdown(t.Context()))
		}
	})
}

// The address is free when Serve has returned.
func TestServeReturnsAfterTheNetListenerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		may := make(chan struct{})
		ln, err := servers.Listen(slowToClose{nl, may}, nil)
		require.NoError(t, err)
		result := serveOn(t, t.Context(), ln, echo)
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- ln.Close() }()
		synctest.Wait()
		require.Empty(t, result)
		close(may)
		require.NoError(t, <-result)
		require.NoError(t, <-closed)
	})
}

// Nobody serves the connection, so no end of a ctx ends it.
func TestG18ShutdownAbortsConnectionsOfTheChannelToo(t *testing.T) {
	ln := listen(t, nil)
	nc := dial(t, ln)
	_, err := nc.Write([]byte("hello"))
	require.NoError(t, err)
	c, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	_, err = c.In.Recv(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("patience has an end")
	cancel(reason)
	require.Equal(t, reason, ln.Shutdown(ctx))
	<-c.Done()
	require.Equal(t, reason, c.Out.Send(t.Context(), []byte("too late")))
	_, err = io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// The handlers return because of the abort, and none of them ends its connection cleanly before that reaches it.
func TestG18AnAbortIsNoCleanEndForAnybody(t *testing.T) {
	const peers = 128
	ln, result := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		_, err := c.In.Recv(ctx)
		<-ctx.Done()
		return err
	})
	conns := make([]net.Conn, peers)
	for i := range conns {
		conns[i] = dial(t, ln)
		_, err := conns[i].Write([]byte("hello"))
		require.NoError(t, err)
	}
	await(t, ln, peers)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("patience has an end")
	cancel(reason)
	require.Equal(t, reason, ln.Shutdown(ctx))
	for _, nc := range conns {
		_, err := io.ReadAll(nc)
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	require.NoError(t, <-result)
}

// The abort comes between the accept of a connection and its delivery.
func TestG18AConnectionThatComesDuringAnAbortIsNotServed(t *testing.T) {
	reason := errors.New("patience has an end")
	down := make(chan error, 1)
	var ln *servers.Listener
	cfg := &servers.Config{Wrap: func(nc net.Conn) net.Conn {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(reason)
		down <- ln.Shutdown(ctx)
		return nc
	}}
	ln = listen(t, cfg)
	result := serveOn(t, t.Context(), ln, func(context.Context, *chanio.Conn) error {
		t.Error("served after the abort")
		return nil
	})
	nc := dial(t, ln)
	require.Equal(t, reason, <-down)
	require.NoError(t, <-result)
	_, err := io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// gatedListener is a net.Listener whose Close waits for the gate.
type gatedListener struct {
	net.Listener
	gate chan struct{}
}

func (l *gatedListener) Close() error {
	<-l.gate
	return l.Listener.Close()
}

// When any of several calls has succeeded, the address is free.
func TestShutdownReturnsAfterTheListenerIsClosedByAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		gated := &gatedListener{nl, make(chan struct{})}
		ln, err := servers.Listen(gated, nil)
		require.NoError(t, err)
		first := shutdown(t, ln, time.Minute)
		synctest.Wait()
		second := shutdown(t, ln, time.Minute)
		synctest.Wait()
		select {
		case err := <-second:
			t.Error("it has returned while the listener is being closed", err)
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, ln.Shutdown(ctx), context.DeadlineExceeded, "the wait is bounded")
		close(gated.gate)
		require.NoError(t, <-first)
		require.NoError(t, <-second)
	})
}

func TestNegativeLingerWaitsForNoPeer(t *testing.T) {
	for linger, want := range map[time.Duration]time.Duration{0: chanio.DefaultLinger, time.Second: time.Second, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			ln, connect := listenInMemory(t, &servers.Config{Conn: chanio.ConnConfig{Linger: linger}})
			result := serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
				var err error
				for sent := true; sent && err == nil; {
					sent, err = c.Out.TrySend(make([]byte, 10_000))
				}
				returned := time.Now()
				go func() {
					<-c.Done()
					if waited := time.Since(returned); waited < want || waited > want*5/4 {
						t.Errorf("linger %v: released after %v", linger, waited)
					}
				}()
				return err
			})
			nc := connect() // reads nothing
			time.Sleep(time.Minute)
			require.NoError(t, ln.Close())
			require.NoError(t, <-result)
			_ = nc.Close()
		})
	}
}
