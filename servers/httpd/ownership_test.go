package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/http2"
)

// TestStringsOfANativeRequestAreTheHandlers keeps them while other requests use the same memory.
func TestStringsOfANativeRequestAreTheHandlers(t *testing.T) {
	const n = 20
	kept := make(chan []string, 2*n)
	f := func(ctx context.Context, x Exchange) error {
		said := []string{x.Method(), x.Target(), x.Host(), x.Header("X-A")} // before the body is read, which discards the head
		body, err := x.ReadBody(ctx, 100)
		kept <- append(said, string(body))
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, "", nil)
	}
	native, over := startNative(t, f, nil)
	for _, addr := range []string{native, over} {
		var raw strings.Builder
		var want [][]string
		for i := range n {
			fmt.Fprintf(&raw, "M%02d /target%02d HTTP/1.1\r\nHost: host%02d\r\nX-A: value%02d\r\nContent-Length: 6\r\n\r\nbody%02d", i, i, i, i, i)
			want = append(want, []string{
				fmt.Sprintf("M%02d", i), fmt.Sprintf("/target%02d", i), fmt.Sprintf("host%02d", i), fmt.Sprintf("value%02d", i), fmt.Sprintf("body%02d", i),
			})
		}
		rawReply(t, addr, raw.String())
		var got [][]string
		for range n {
			got = append(got, <-kept)
		}
		slices.SortFunc(got, slices.Compare)
		require.Equal(t, want, got)
	}
}

// TestKeptURLAndHeaderKeepNothingElse keeps those of a request after its connection has ended.
func TestKeptURLAndHeaderKeepNothingElse(t *testing.T) {
	type kept struct {
		url     *url.URL
		header  http.Header
		request weak.Pointer[http.Request]
	}
	seen := make(chan kept, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- kept{r.URL, r.Header, weak.Make(r)}
	}), nil)
	rawReply(t, addr, "GET /path HTTP/1.1\r\nHost: h\r\nA: b\r\nConnection: close\r\n\r\n")
	k := awaitIn(t, seen)
	for end := time.Now().Add(10 * time.Second); k.request.Value() != nil && time.Now().Before(end); {
		runtime.GC()
		runtime.Gosched()
	}
	require.Nil(t, k.request.Value())
	require.Equal(t, "/path", k.url.String())
	require.Equal(t, "b", k.header.Get("A"))
}

// TestKeptRequestKeepsNoConnection keeps requests after their connection has ended.
func TestKeptRequestKeepsNoConnection(t *testing.T) {
	type kept struct {
		r  *http.Request
		on weak.Pointer[conn]
	}
	for name, raw := range map[string]string{
		"without a body": "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		"with a body":    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan kept, 1)
			addr, srv := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				seen <- kept{r, weak.Make(w.(*response).conn)}
			}), nil)
			rawReply(t, addr, raw)
			k := awaitIn(t, seen)
			for end := time.Now().Add(patience); k.on.Value() != nil && time.Now().Before(end); {
				runtime.GC()
				runtime.Gosched()
			}
			require.Nil(t, k.on.Value())
			info, ok := Info(k.r)
			require.True(t, ok)
			require.EqualValues(t, len(raw), info.Conn.BytesIn)
			require.NotZero(t, info.Conn.BytesOut)
			require.ErrorIs(t, k.r.Context().Err(), context.Canceled)
			<-k.r.Context().Done()
			require.Equal(t, addr, k.r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
			require.Same(t, srv, serverOf(k.r))
			_, err := k.r.Body.Read(make([]byte, 1))
			require.Error(t, err)
			require.NoError(t, k.r.Body.Close())
		})
	}
}

// TestKeptRequestOfHTTP2KeepsNoConnection keeps requests after their connection has ended.
func TestKeptRequestOfHTTP2KeepsNoConnection(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			var on weak.Pointer[conn]
			requests := make(chan *http.Request, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				on = weak.Make(w.(*streamResponse).conn)
				requests <- r
			}), nil)
			c := h2conn(t, addr)
			s, err := c.Open(t.Context(), ask2(method), method == "GET")
			require.NoError(t, err)
			if method == "POST" {
				require.NoError(t, s.Out.Finish(t.Context(), []byte("hello"), nil))
			}
			hears(t, s)
			r := awaitIn(t, requests)
			c.Abort(nil)
			for end := time.Now().Add(patience); on.Value() != nil && time.Now().Before(end); {
				runtime.GC()
				runtime.Gosched()
			}
			require.Nil(t, on.Value())
			info, ok := Info(r)
			require.True(t, ok)
			require.NotZero(t, info.Conn.BytesIn)
			require.ErrorIs(t, r.Context().Err(), context.Canceled)
			n, err := r.Body.Read(make([]byte, 1))
			require.Zero(t, n)
			require.Error(t, err)
			require.NoError(t, r.Body.Close())
		})
	}
}

// TestBodyIsOverWhenTheHandlerHasReturned reads it afterwards.
func TestBodyIsOverWhenTheHandlerHasReturned(t *testing.T) {
	bodies := make(chan io.ReadCloser, 3)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { bodies <- r.Body }), nil)
	replies, _ := talk(t, addr, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"+getLine, "POST", "GET")
	require.Len(t, replies, 2)
	_, err := (<-bodies).Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	<-bodies
	over2(ask2("POST"), true, hears)(t, addr)
	_, err = (<-bodies).Read(make([]byte, 1))
	require.Error(t, err)
}

// TestMaxBytesReaderLeavesAConnectionWhoseBodyIsDrained covers a case in which net/http, which recognizes its own
// reader, closes the connection.
func TestMaxBytesReaderLeavesAConnectionWhoseBodyIsDrained(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4)); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}), &Config{MaxDrain: 100})
	for n, want := range map[int]bool{5: false, 1000: true} {
		replies, ended := talk(t, addr, fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n)), "POST")
		require.Equal(t, 413, replies[0].status)
		require.Equal(t, want, ended, "%d bytes", n)
	}
}

// TestWriteDeadlineOfAHandlerHolds sets a deadline in the past, and writes to a client that reads nothing.
func TestWriteDeadlineOfAHandlerHolds(t *testing.T) {
	failures := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
		for err == nil {
			_, err = w.Write(make([]byte, 64<<10))
		}
		failures <- err
	})
	for _, addr := range []string{start(t, h, nil), startStandard(t, h)} {
		nc, _ := dial(t, addr)
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		require.ErrorIs(t, awaitIn(t, failures), os.ErrDeadlineExceeded)
	}
}

// TestPipelinedRequestsAreReadAheadAsFarAsABufferReaches has a handler that takes an hour, and a client that keeps
// sending.
func TestPipelinedRequestsAreReadAheadAsFarAsABufferReaches(t *testing.T) {
	var read atomic.Uint64
	first := true
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			time.Sleep(time.Minute)
			info, _ := Info(r)
			read.Store(uint64(info.Conn.BytesIn))
		}
	})
	inBubble(t, h, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, _ := dial()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(nc, strings.Repeat(getLine, 10_000)) // fails at the end
		}()
		time.Sleep(2 * time.Minute)
		require.NotZero(t, read.Load())
		require.LessOrEqual(t, read.Load(), uint64(64<<10))
		require.NoError(t, nc.Close())
		<-sent
	})
}

// TestAbortOfATunnelIsACancel has the handler abort the tunnel on a client's stream.
func TestAbortOfATunnelIsACancel(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Tunnel(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = c.In.Recv(r.Context())
		c.Abort(errors.New("enough"))
	}), nil)
	c := h2conn(t, addr)
	require.NoError(t, c.AwaitSettings(t.Context()))
	s, err := c.Open(t.Context(), tunnelHeads["plain"], false)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
	conn := s.Conn(nil)
	require.NoError(t, conn.Out.Send(t.Context(), []byte("x")))
	<-conn.Done()
	var reset *http2.StreamError
	require.ErrorAs(t, s.Err(), &reset)
	require.Equal(t, http2.Cancel, reset.Code)
}

// TestRequestsHaveNoQueue checks that the channel has no buffer.
func TestRequestsHaveNoQueue(t *testing.T) {
	_, reqs := Requests(nil)
	require.Zero(t, cap(reqs.C(t.Context())))
	require.NoError(t, reqs.Close())
}

// TestWriteTimeoutOfAWebSocketIs30Seconds has a client that reads nothing.
func TestWriteTimeoutOfAWebSocketIs30Seconds(t *testing.T) {
	var failed chan error
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for err == nil {
			err = conn.Out.Send(r.Context(), websocket.Binary(make([]byte, 64<<10)))
		}
		failed <- err
	})
	inBubble(t, h, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		failed = make(chan error, 1)
		nc, in := dial()
		_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		require.NoError(t, err)
		_, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		start := time.Now()
		require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
		require.InDelta(t, 30, time.Since(start).Seconds(), 5)
		require.NoError(t, nc.Close())
	})
}
