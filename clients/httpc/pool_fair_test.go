package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// If another request takes the connection dialled for a waiter, and that request's dial fails, the waiter gets a new
// dial.
func TestWaiterIsNotStrandedByTheFailedDialOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		var served sync.WaitGroup
		served.Go(func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				served.Go(func() {
					in := bufio.NewReader(nc)
					for readRequest(in) != nil {
						_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
					}
					_ = nc.Close()
				})
			}
		})
		var dials atomic.Int64
		fail := make(chan struct{})
		c := New(&Config{MaxPerHost: 2, Dial: func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			if dials.Add(1) == 1 {
				<-fail
				return nil, errors.New("unreachable")
			}
			nc, err := network.DialContext(ctx, "mem", "server")
			if err != nil {
				return nil, err
			}
			return chanio.NewConn(nc, conn), nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		type result struct {
			resp *Response
			err  error
		}
		results := make(chan result, 2)
		for range 2 {
			go func() {
				resp, err := c.Do(ctx, &Request{URL: "http://a"})
				results <- result{resp, err}
			}()
			synctest.Wait() // keeps the order
		}
		first := <-results // holds the connection of the second dial
		require.NoError(t, first.err)
		close(fail)
		synctest.Wait()
		require.Len(t, results, 1, "the second waits for ever")
		second := <-results
		require.NoError(t, second.err)
		require.NoError(t, first.resp.Close())
		require.NoError(t, second.resp.Close())
		cancel()
		require.NoError(t, c.Close())
		_ = ln.Close()
		served.Wait()
	})
}

// All requests that wait for the first HTTP/2 connection are served, even if they exceed its streams.
func TestWaitersBeyondTheStreamsOfAConnectionAreServed(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	begin := make(chan struct{})
	to, err := url.Parse(srv.URL)
	require.NoError(t, err)
	c := newClient(t, &Config{Protocols: srv.Config.Protocols, MaxPerHost: 1, Dial: func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		<-begin
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", to.Host)
		if err != nil {
			return nil, err
		}
		return chanio.NewConn(nc, conn), nil
	}})
	const n = 300
	done := make(chan error, n)
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	for range n {
		go func() {
			_, err := c.Get(ctx, srv.URL)
			done <- err
		}()
	}
	require.Eventually(t, func() bool {
		stats := c.Stats()
		return len(stats) == 1 && stats[0].Waiting == n
	}, testPatience, 1e6)
	close(begin)
	for range n {
		require.NoError(t, <-done)
	}
}

func TestUnixSocketsLeadToNoOtherSocket(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.sock")
	path := filepath.Join(t.TempDir(), "s.sock")
	for _, p := range []string{other, path} {
		ln, err := net.Listen("unix", p)
		require.NoError(t, err)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to := r.URL.Query().Get("to"); to != "" {
				w.Header().Set("Location", to)
				w.WriteHeader(302)
			}
		})}
		go func() { _ = srv.Serve(ln) }() // returns after Close
		t.Cleanup(func() { _ = srv.Close() })
	}
	for name, do := range bothClients {
		t.Run(name, func(t *testing.T) {
			_, err := do(t, newClient(t, nil), "http+unix:"+path+":/?to=http%2Bunix:"+url.QueryEscape(other)+":/x", nil)
			var refused *RedirectError
			require.ErrorAs(t, err, &refused)
		})
	}
}
