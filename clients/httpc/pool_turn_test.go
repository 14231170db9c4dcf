package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

// TestOtherHostsGetTheConnectionsThatBecomeIdle checks that a request that waits because of MaxConns does not wait for
// the idle timeout of a connection to another host.
func TestOtherHostsGetTheConnectionsThatBecomeIdle(t *testing.T) {
	slow := func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			time.Sleep(time.Second)
			_, _ = io.WriteString(nc, hello)
		}
	}
	inBubble(t, Config{MaxConns: 1}, slow, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		start := time.Now()
		first := c.Go(t.Context(), &Request{URL: "http://a"})
		synctest.Wait()
		second := c.Go(t.Context(), &Request{URL: "http://b"})
		for _, f := range []interface{ Done() <-chan struct{} }{first, second} {
			<-f.Done()
		}
		require.Equal(t, 2*time.Second, time.Since(start))
		require.EqualValues(t, 2, accepted.Load())
	})
}

// TestOtherHostsGetTheirTurnInOrder checks that requests to different hosts that wait because of MaxConns are served in
// the order of their calls.
func TestOtherHostsGetTheirTurnInOrder(t *testing.T) {
	hosts := []string{"a", "b", "c", "d", "e", "f", "g"}
	var mu sync.Mutex
	var asked []string
	slow := func(nc net.Conn, in *bufio.Reader) {
		for r := readRequest(in); r != nil; r = readRequest(in) {
			mu.Lock()
			asked = append(asked, r.Host)
			mu.Unlock()
			time.Sleep(time.Minute)
			_, _ = io.WriteString(nc, hello)
		}
	}
	inBubble(t, Config{MaxConns: 1}, slow, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for _, host := range hosts {
			c.Go(t.Context(), &Request{URL: "http://" + host})
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, hosts, asked)
	})
}

// TestOtherHostsGetTheirTurnWhenADialFails checks that a failed dial makes room for a request to another host.
func TestOtherHostsGetTheirTurnWhenADialFails(t *testing.T) {
	fail := func(ctx context.Context, addr string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
		time.Sleep(time.Second)
		return nil, errors.New(addr)
	}
	inBubble(t, Config{MaxConns: 1, Dial: fail}, says(hello), func(t *testing.T, c *Client, _ *atomic.Int64) {
		start := time.Now()
		first := c.Go(t.Context(), &Request{URL: "http://a"})
		synctest.Wait()
		second := c.Go(t.Context(), &Request{URL: "http://b"})
		_, err := first.Await(t.Context())
		require.ErrorContains(t, err, "a:80")
		_, err = second.Await(t.Context())
		require.ErrorContains(t, err, "b:80")
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

// takesTunnels is an HTTP/2 server that answers requests and accepts tunnels.
func takesTunnels(t *testing.T) *rawServer {
	return rawFrames(t, func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField) {
		switch h, ok := frame.(*frames.HeadersFrame); {
		case !ok:
		case strings.Contains(headers(fields), ":method=CONNECT"):
			writeHead(f, h.StreamID, false, ":status", "200")
		default:
			answers200(f, h.StreamID)
		}
	})
}

// TestConnectionsWithTunnelsMakeNoRoom uses a connection with a tunnel, which has been without a request for longest,
// and an idle one. A request to a third host replaces the idle one.
func TestConnectionsWithTunnelsMakeNoRoom(t *testing.T) {
	tunnelled, idle, third := takesTunnels(t), takesTunnels(t), takesTunnels(t)
	c := newClient(t, &Config{Protocols: h2c(), MaxConns: 2})
	tunnel, err := c.Connect(t.Context(), tunnelled.url, "a.example:443")
	require.NoError(t, err)
	require.Zero(t, c.Stats()[0].Idle)
	text(t, c, idle.url)
	require.Eventually(t, func() bool { // the end of the stream is on its way
		for _, s := range c.Stats() {
			if s.Idle == 1 {
				return true
			}
		}
		return false
	}, testPatience, 1e6)
	text(t, c, third.url)
	text(t, c, tunnelled.url)
	require.Equal(t, 1, tunnelled.accepted(), "the connection of the tunnel still takes requests")
	for _, s := range c.Stats() {
		require.Equal(t, map[bool]uint64{true: 1}[strings.HasPrefix(s.Target, idle.url)], s.Evicted, s.Target)
	}
	tunnel.Abort(nil)
}

// TestEndOfATunnelMakesRoom lets a request wait for the place of a connection with a tunnel.
func TestEndOfATunnelMakesRoom(t *testing.T) {
	tunnelled, other := takesTunnels(t), takesTunnels(t)
	c := newClient(t, &Config{Protocols: h2c(), MaxConns: 1})
	tunnel, err := c.Connect(t.Context(), tunnelled.url, "a.example:443")
	require.NoError(t, err)
	waits := c.Go(t.Context(), &Request{URL: other.url})
	require.Eventually(t, func() bool {
		stats := c.Stats()
		return len(stats) == 2 && stats[0].Waiting+stats[1].Waiting == 1
	}, testPatience, 1e6)
	tunnel.Abort(nil)
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	resp, err := waits.Await(ctx)
	require.NoError(t, err)
	require.NoError(t, resp.Close())
}

// TestDialWhoseCallerLeftServesTheNext uses a dial of one second, with a first caller that leaves earlier.
func TestDialWhoseCallerLeftServesTheNext(t *testing.T) {
	var network chaniotest.Network
	var dials atomic.Int64
	slow := func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		dials.Add(1)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		nc, err := network.DialContext(ctx, "mem", "other")
		if err != nil {
			return nil, err
		}
		return chanio.NewConn(nc, conn), nil
	}
	inBubble(t, Config{MaxPerHost: 1, Dial: slow}, says(hello), func(t *testing.T, c *Client, _ *atomic.Int64) {
		ln, err := network.Listen("other")
		require.NoError(t, err)
		served := make(chan struct{})
		go func() {
			defer close(served)
			nc, err := ln.Accept()
			if err == nil {
				says(hello)(nc, bufio.NewReader(nc))
				_ = nc.Close()
			}
		}()
		start := time.Now()
		ctx, leave := context.WithCancel(t.Context())
		first := c.Go(ctx, &Request{URL: "http://a"})
		synctest.Wait()
		second := c.Go(t.Context(), &Request{URL: "http://a"})
		time.Sleep(time.Second / 2)
		leave()
		_, err = first.Await(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		resp, err := second.Await(t.Context())
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		require.Equal(t, time.Second, time.Since(start))
		require.EqualValues(t, 1, dials.Load())
		require.NoError(t, c.Close())
		require.NoError(t, ln.Close())
		<-served
	})
}

// TestOtherHostsGetTheirTurnWhenNobodyWaitsForADialAnyMore uses a dial that returns an HTTP/2 connection without a
// waiter.
func TestOtherHostsGetTheirTurnWhenNobodyWaitsForADialAnyMore(t *testing.T) {
	left, other := takesTunnels(t), takesTunnels(t)
	dialling, goOn := make(chan struct{}), make(chan struct{})
	dial := func(_ context.Context, addr string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
		if strings.HasSuffix(left.url, addr) {
			close(dialling)
			<-goOn
		}
		return clients.DialTCP(context.Background(), addr, nil)
	}
	c := newClient(t, &Config{Protocols: h2c(), MaxConns: 1, Dial: dial})
	ctx, cancel := context.WithCancel(t.Context())
	first := c.Go(ctx, &Request{URL: left.url})
	<-dialling
	second := c.Go(t.Context(), &Request{URL: other.url})
	require.Eventually(t, func() bool { return len(c.Stats()) == 2 }, testPatience, time.Millisecond)
	cancel()
	_, err := first.Await(t.Context())
	require.ErrorIs(t, err, context.Canceled)
	close(goOn)
	within, stop := context.WithTimeout(t.Context(), testPatience)
	defer stop()
	_, err = second.Await(within)
	require.NoError(t, err)
}

// TestConnectionThatComesTooLateIsPassedOn grants a connection to a waiter that gives up at the same time.
func TestConnectionThatComesTooLateIsPassedOn(t *testing.T) {
	url := serveBoth(t, echo)
	for name, cfg := range map[string]*Config{"HTTP/1": nil, "HTTP/2": {Protocols: h2c()}} {
		c := newClient(t, cfg)
		p := c.t.pool
		text(t, c, url)
		x := mustPrepare(t, c, newRequest(t, "GET", url, nil))
		w := &waiter{x: x, granted: make(chan grant, 1)}
		got, _, _ := p.take(x)
		require.Equal(t, 0, c.Stats()[0].Idle, name)
		p.mu.Lock()
		place := p.groupLocked(x.to).waiters.PushBack(w)
		p.groupLocked(x.to).waiters.Remove(place)
		w.granted <- got
		p.mu.Unlock()
		p.leave(x, w, place)
		require.Equal(t, 1, c.Stats()[0].Idle, name)
	}
}

// TestABusyHostDoesNotStarveASecondAttempt keeps all connections in use while a request waits for a new one, because a used
// one has failed it. A request to another host behind it does not wait for ever either.
func TestABusyHostDoesNotStarveASecondAttempt(t *testing.T) {
	cutting := func(nc net.Conn, in *bufio.Reader) {
		for used := false; ; used = true {
			r := readRequest(in)
			time.Sleep(10 * time.Millisecond)
			if r == nil || used && r.URL.Path == "/cut" {
				return
			}
			_, _ = io.WriteString(nc, hello)
		}
	}
	for _, cfg := range []Config{{MaxConns: 1}, {MaxConns: 2}, {MaxPerHost: 1}} {
		inBubble(t, cfg, cutting, func(t *testing.T, c *Client, _ *atomic.Int64) {
			get := func(ctx context.Context, url string) error {
				resp, err := c.Get(ctx, url)
				if err == nil {
					_, err = resp.Text(ctx)
				}
				return err
			}
			busy, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for busy.Err() == nil {
						_ = get(busy, "http://a")
					}
				})
			}
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			all.Go(func() { assert.NoError(t, get(ctx, "http://a/cut")) })
			time.Sleep(50 * time.Millisecond)
			assert.NoError(t, get(ctx, "http://b"))
			time.Sleep(time.Second)
			stop()
			all.Wait()
		})
	}
}
