package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

// inMemory serves in a bubble. dial connects to it.
func inMemory(
	t *testing.T, cfg servers.Config, handle handler, test func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error),
) {
	synctest.Test(t, func(t *testing.T) {
		ln, connect := listenInMemory(t, &cfg)
		result := serveOn(t, context.Background(), ln, handle)
		test(t, ln, func() net.Conn {
			nc := connect()
			synctest.Wait() // it has been accepted
			return nc
		}, result)
		require.NoError(t, ln.Close())
	})
}

// shutdown starts a Shutdown with a deadline.
func shutdown(t *testing.T, ln *servers.Listener, within time.Duration) <-chan error {
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		down <- ln.Shutdown(ctx)
	}()
	synctest.Wait()
	return down
}

// A connection is served whatever its state when a shutdown starts: in its handshake, in its header, or silent for less
// than FirstByte.
func TestG18ShutdownServesWhatIsStillBeginning(t *testing.T) {
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	answer := func(ctx context.Context, c *chanio.Conn) error {
		chunk, err := c.In.Recv(ctx)
		if err != nil {
			return err
		}
		return c.Out.Send(ctx, chunk)
	}
	hello := func(t *testing.T, nc net.Conn) {
		time.Sleep(10 * time.Millisecond)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
	}
	for name, c := range map[string]struct {
		cfg   servers.Config
		first string
		begin func(t *testing.T, nc net.Conn) net.Conn
	}{
		"silent": {servers.Config{}, "", func(_ *testing.T, nc net.Conn) net.Conn { return nc }},
		"silent, before TLS": {servers.Config{TLS: secure}, "", func(t *testing.T, nc net.Conn) net.Conn {
			time.Sleep(100 * time.Millisecond)
			return tls.Client(nc, config)
		}},
		"in the header": {servers.Config{ProxyAlways: true}, proxyLine[:10], func(t *testing.T, nc net.Conn) net.Conn {
			time.Sleep(3 * time.Second)
			_, err := io.WriteString(nc, proxyLine[10:])
			require.NoError(t, err)
			return nc
		}},
		"between header and TLS": {servers.Config{ProxyAlways: true, TLS: secure}, proxyLine, func(t *testing.T, nc net.Conn) net.Conn {
			time.Sleep(3 * time.Second)
			return tls.Client(nc, config)
		}},
	} {
		inMemory(t, c.cfg, answer, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
			nc := dial()
			_, err := io.WriteString(nc, c.first)
			require.NoError(t, err)
			synctest.Wait()
			down := shutdown(t, ln, time.Minute)
			hello(t, c.begin(t, nc))
			require.NoError(t, <-down, name)
			require.NoError(t, <-result)
		})
	}
}

// Silent peers delay a shutdown for FirstByte at most, and not at all if they have been silent for longer.
func TestG18ShutdownDoesNotWaitForSilence(t *testing.T) {
	secure, _ := signed(t)
	for name, c := range map[string]struct {
		cfg    servers.Config
		header string
		old    time.Duration
		want   time.Duration
	}{
		"young":           {servers.Config{}, "", 50 * time.Millisecond, 200 * time.Millisecond},
		"old":             {servers.Config{}, "", time.Second, 0},
		"of that age":     {servers.Config{}, "", 200 * time.Millisecond, 0},
		"young, own time": {servers.Config{FirstByte: time.Second}, "", 100 * time.Millisecond, time.Second},
		"no wait":         {servers.Config{FirstByte: -1}, "", 0, 0},
		"before TLS":      {servers.Config{TLS: secure}, "", time.Second, 0},
		"young, TLS":      {servers.Config{TLS: secure}, "", 50 * time.Millisecond, 200 * time.Millisecond},
		"before a header": {servers.Config{ProxyAlways: true}, "", time.Second, 0},
		"young, header":   {servers.Config{ProxyAlways: true}, "", 50 * time.Millisecond, 200 * time.Millisecond},
		"after a header":  {servers.Config{ProxyAlways: true}, anyProxy, time.Second, 0},
	} {
		inMemory(t, c.cfg, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
			nc := dial()
			_, err := io.WriteString(nc, c.header)
			require.NoError(t, err)
			time.Sleep(c.old)
			start := time.Now()
			down := shutdown(t, ln, time.Minute)
			_, _ = io.ReadAll(nc)
			require.Equal(t, c.want, time.Since(start), name)
			require.NoError(t, nc.Close())
			require.NoError(t, <-down, name)
			require.NoError(t, <-result)
		})
	}
}

// anyProxy is the header of a balancer that does not know its client.
const anyProxy = "PROXY UNKNOWN\r\n"

func TestG18ASecondShutdownDoesNotShortenTheFirst(t *testing.T) {
	inMemory(t, servers.Config{}, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		nc := dial()
		time.Sleep(50 * time.Millisecond)
		start := time.Now()
		first := shutdown(t, ln, time.Minute)
		time.Sleep(180 * time.Millisecond)
		second := shutdown(t, ln, time.Minute)
		_, _ = io.ReadAll(nc)
		require.Equal(t, 200*time.Millisecond, time.Since(start))
		require.NoError(t, nc.Close())
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.NoError(t, <-result)
	})
}

// At the deadline, pending connections are ended.
func TestG18ShutdownsDeadlineHoldsForHandshakes(t *testing.T) {
	secure, _ := signed(t)
	inMemory(t, servers.Config{TLS: secure}, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		nc := dial()
		_, err := nc.Write([]byte{22, 3})
		require.NoError(t, err)
		synctest.Wait()
		start := time.Now()
		down := shutdown(t, ln, time.Second)
		_, err = io.ReadAll(nc)
		require.Error(t, err)
		require.ErrorIs(t, <-down, context.DeadlineExceeded)
		require.NoError(t, <-result)
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, nc.Close())
	})
}

// slowClose is a net.Conn whose Close takes a second.
type slowClose struct{ net.Conn }

func (c slowClose) Close() error {
	time.Sleep(time.Second)
	return c.Conn.Close()
}

func TestShutdownAbortsAllAtOnce(t *testing.T) {
	cfg := servers.Config{Wrap: func(nc net.Conn) net.Conn { return slowClose{nc} }}
	busy := func(ctx context.Context, _ *chanio.Conn) error {
		<-ctx.Done()
		return nil
	}
	inMemory(t, cfg, busy, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		for range 50 {
			defer dial().Close()
		}
		start := time.Now()
		down := shutdown(t, ln, time.Second)
		require.ErrorIs(t, <-down, context.DeadlineExceeded)
		require.NoError(t, <-result)
		require.LessOrEqual(t, time.Since(start), 3*time.Second)
	})
}

// The pending connections will not be received.
func TestG18TLSTheEndOfConnsEndsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		secure, _ := signed(t)
		ln, err := servers.Listen(nl, &servers.Config{TLS: secure})
		require.NoError(t, err)
		received := make(chan error, 1)
		go func() {
			_, err := ln.Conns.Recv(context.Background())
			received <- err
		}()
		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		_, err = nc.Write([]byte{22, 3})
		require.NoError(t, err)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, ln.Conns.Close())
		_, _ = io.ReadAll(nc)
		require.Zero(t, time.Since(start))
		require.Error(t, <-received)
		require.NoError(t, nc.Close())
		require.NoError(t, ln.Close())
	})
}

// A long shutdown logs once what it is waiting for.
func TestShutdownSaysWhatItWaitsFor(t *testing.T) {
	var log logbook
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	busy := func(ctx context.Context, c *chanio.Conn) error {
		_, _ = c.In.Recv(ctx)
		<-ctx.Done()
		return nil
	}
	inMemory(t, servers.Config{TLS: secure, Logger: log.logger()}, busy, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		open := tls.Client(dial(), config)
		require.NoError(t, open.Handshake())
		beginning := dial()
		_, err := beginning.Write([]byte{22, 3})
		require.NoError(t, err)
		synctest.Wait()
		down := shutdown(t, ln, time.Minute)
		time.Sleep(900 * time.Millisecond)
		require.Len(t, log.lines(), 1, "about the dates of the certificate")
		time.Sleep(5 * time.Second)
		require.Len(t, log.lines(), 2)
		require.Contains(t, log.lines()[1], `level=INFO msg="servers: shutdown waits"`)
		require.Contains(t, log.lines()[1], `handlers=1 "other connections"=0 handshakes=1 oldest=`)
		require.NoError(t, open.NetConn().Close())
		require.NoError(t, beginning.Close())
		require.ErrorIs(t, <-down, context.DeadlineExceeded)
		require.NoError(t, <-result)
	})
}

// Serve does the same after the end of its ctx, but only if a handler takes long.
func TestServeSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		var log logbook
		ln, err := servers.Listen(nl, &servers.Config{Logger: log.logger()})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		leave := make(chan struct{})
		result := serveOn(t, ctx, ln, func(context.Context, *chanio.Conn) error { <-leave; return nil })
		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		synctest.Wait()
		time.Sleep(time.Minute)
		cancel()
		time.Sleep(900 * time.Millisecond)
		require.Empty(t, log.lines())
		time.Sleep(2 * time.Second)
		require.Len(t, log.lines(), 1)
		require.Contains(t, log.lines()[0], `level=INFO msg="servers: Serve waits"`)
		require.Contains(t, log.lines()[0], "handlers=1 ")
		close(leave)
		require.NoError(t, <-result)
		require.NoError(t, nc.Close())
	})
}

// Silent peers make room for others, starting with the peer that has the most.
func TestMaxHandshakesEndsTheOldestOfWhoHasTheMost(t *testing.T) {
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	failed := make(chan net.Addr, 10)
	cfg := &servers.Config{TLS: secure, MaxHandshakes: 3, Hooks: &servers.Hooks{
		HandshakeFailed: func(peer net.Addr, err error) { failed <- peer },
	}}
	ln, _ := serve(t, cfg, echo)
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		nc, err := d.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Skip("the whole of 127/8 is local on Linux only: ", err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_, err = nc.Write([]byte{22, 3})
		require.NoError(t, err)
		return nc
	}
	first := from("127.0.0.3")
	second, third := from("127.0.0.2"), from("127.0.0.2")
	_, _ = third, second
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "hello", say(t, c, "hello"))
	require.Equal(t, second.LocalAddr().String(), (<-failed).String(), "the other one is %s", first.LocalAddr())
	require.Empty(t, failed)
}

// Behind a balancer, the peer is the client that the header names.
func TestMaxHandshakesCountsByThePeerBehindTheBalancer(t *testing.T) {
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	failed := make(chan error, 10)
	cfg := servers.Config{TLS: secure, MaxHandshakes: 3, ProxyAlways: true, Hooks: &servers.Hooks{
		HandshakeFailed: func(peer net.Addr, err error) { failed <- fmt.Errorf("%s: %w", peer, err) },
	}}
	inMemory(t, cfg, echo, func(t *testing.T, _ *servers.Listener, dial func() net.Conn, _ <-chan error) {
		from := func(ip string, port int, hello string) net.Conn {
			nc := dial()
			_, err := fmt.Fprintf(nc, "PROXY TCP4 %s 192.0.2.1 %d 443\r\n%s", ip, port, hello)
			require.NoError(t, err)
			synctest.Wait()
			return nc
		}
		for port, ip := range []string{"198.51.100.3", "198.51.100.2", "198.51.100.2"} {
			defer from(ip, port, "\x16\x03").Close()
		}
		c := tls.Client(from("198.51.100.4", 4, ""), config)
		defer c.Close()
		require.Equal(t, "hello", say(t, c, "hello"))
		require.ErrorContains(t, <-failed, "198.51.100.2:1: ")
		require.Empty(t, failed)
	})
}

func TestG19ASilentBalancerHasItsOwnTime(t *testing.T) {
	requireTimeToBegin(t, servers.Config{ProxyAlways: true, ProxyTimeout: 3 * time.Second}, 3*time.Second)
}

func TestHandshakesAndBalancersHave10Seconds(t *testing.T) {
	secure, _ := signed(t)
	for name, cfg := range map[string]servers.Config{"TLS": {TLS: secure}, "PROXY": {ProxyAlways: true}} {
		t.Run(name, func(t *testing.T) { requireTimeToBegin(t, cfg, 10*time.Second) })
	}
}

// requireTimeToBegin requires that a silent peer is ended after most and not before.
func requireTimeToBegin(t *testing.T, cfg servers.Config, most time.Duration) {
	t.Helper()
	var d diary
	cfg.Hooks = &servers.Hooks{
		HandshakeFailed: func(_ net.Addr, err error) { d.note("%v", errors.Is(err, os.ErrDeadlineExceeded)) },
	}
	inMemory(t, cfg, echo, func(t *testing.T, _ *servers.Listener, dial func() net.Conn, _ <-chan error) {
		nc := dial()
		time.Sleep(most - 1)
		synctest.Wait()
		require.Empty(t, d.all())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, []string{"true"}, d.all())
		require.NoError(t, nc.Close())
	})
}

func TestNegativeTimeoutsAreNone(t *testing.T) {
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	endless := *secure
	endless.HandshakeTimeout = -1
	cfg := servers.Config{ProxyAlways: true, ProxyTimeout: -1, TLS: &endless, MaxHandshakes: -1, MaxConns: -1, MaxPerIP: -1}
	inMemory(t, cfg, echo, func(t *testing.T, _ *servers.Listener, dial func() net.Conn, _ <-chan error) {
		nc := dial()
		time.Sleep(time.Hour)
		_, err := io.WriteString(nc, proxyLine)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		c := tls.Client(nc, config)
		require.Equal(t, "hello", say(t, c, "hello"))
		require.NoError(t, nc.Close())
	})
}

// Conns.C also delivers connections that were in their handshake when Shutdown was called.
func TestG18TheChannelFormGetsWhatWasBeginning(t *testing.T) {
	secure, _ := signed(t)
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	synctest.Test(t, func(t *testing.T) {
		ln, connect := listenInMemory(t, &servers.Config{TLS: secure})
		conns := ln.Conns.C(t.Context())
		nc := connect()
		synctest.Wait()
		down := shutdown(t, ln, time.Minute)
		client := tls.Client(nc, config)
		shaken := make(chan error, 1)
		go func() { shaken <- client.Handshake() }()
		c, ok := <-conns
		require.True(t, ok)
		require.NoError(t, <-shaken)
		c.Abort(nil)
		_, ok = <-conns
		require.False(t, ok)
		require.NoError(t, <-down)
		require.NoError(t, nc.Close())
	})
}

// Functions called by the handshakes of Serve have returned when Serve returns.
func TestServeWaitsForHooksOfHandshakes(t *testing.T) {
	secure, _ := signed(t)
	var opened, goOn chan struct{} // of the bubble
	cfg := servers.Config{TLS: secure, Hooks: &servers.Hooks{Opened: func(*chanio.Conn, time.Duration) {
		close(opened)
		<-goOn
	}}}
	synctest.Test(t, func(t *testing.T) {
		opened, goOn = make(chan struct{}), make(chan struct{})
		ln, connect := listenInMemory(t, &cfg)
		ctx, cancel := context.WithCancel(t.Context())
		result := serveOn(t, ctx, ln, echo)
		nc := connect()
		client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // the bubble has its own clock
		require.NoError(t, client.Handshake())
		<-opened
		cancel()
		synctest.Wait()
		require.Empty(t, result, "Serve has returned while a hook runs")
		close(goOn)
		require.NoError(t, <-result)
		require.NoError(t, nc.Close())
	})
}

// Hooks.Closed of a connection that no handler has received has returned when Serve returns, too. The reset of a new TCP
// connection takes a moment.
func TestServeWaitsForTheEndOfRejectedConnections(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var closed atomic.Int32
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Hooks: &servers.Hooks{
		Opened: func(c *chanio.Conn, _ time.Duration) {
			c.Out.Abort(nil)
			cancel()
		},
		Closed: func(*chanio.Conn) { closed.Add(1) },
	}})
	require.NoError(t, err)
	result := serveOn(t, ctx, ln, echo)
	if nc, err := net.Dial("tcp", ln.Addr().String()); err == nil { // the reset may come before connect returns
		defer nc.Close()
	}
	require.NoError(t, <-result)
	require.EqualValues(t, 1, closed.Load())
}

// A connection whose handshake ends during a shutdown is asked to finish like the others.
func TestG18WhatBeginsDuringAShutdownIsToldOfIt(t *testing.T) {
	secure, _ := signed(t)
	heard := make(chan error, 1)
	wait := func(ctx context.Context, c *chanio.Conn) error {
		_, err := c.In.Recv(ctx)
		heard <- err
		return err
	}
	inMemory(t, servers.Config{TLS: secure}, wait, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		nc := dial()
		down := shutdown(t, ln, time.Minute)
		client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // the bubble has its own clock
		require.NoError(t, client.Handshake())
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, client.Close())
		require.NoError(t, <-down)
		require.NoError(t, <-result)
	})
	require.ErrorIs(t, <-heard, servers.ErrShutdown)
}

// A connection that waits for room is closed when no receiver will take it.
func TestWhatWaitsForRoomIsClosedAtTheEnd(t *testing.T) {
	secure, _ := signed(t)
	cfg := servers.Config{TLS: secure, MaxHandshakes: 1, MaxConns: 2, FirstByte: time.Hour}
	inMemory(t, cfg, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		silent, waiting := dial(), dial()
		require.ErrorIs(t, <-shutdown(t, ln, 500*time.Millisecond), context.DeadlineExceeded)
		require.NoError(t, <-result)
		for _, nc := range []net.Conn{silent, waiting} {
			_, err := nc.Read(make([]byte, 1))
			require.Error(t, err)
			require.NoError(t, nc.Close())
		}
	})
}
