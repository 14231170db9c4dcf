package httpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/freeport"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// TestDefaultsAreTheDocumentedOnes checks the defaults in the comments of Config.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	c := (*Config)(nil).complete()
	require.Equal(t, []int{8 << 10, 64 << 10, 16 << 10, 100, 8 << 10, 32},
		[]int{c.MaxRequestLine, c.MaxHead, c.MaxField, c.MaxFields, c.MaxTrailer, c.MaxTrailerFields})
	l := http1.ServerLimits()
	require.Equal(t, []int{32, 256, 16 << 10, 4}, []int{l.Method, l.ChunkLine, l.ChunkExcess, l.EmptyLines})
	require.EqualValues(t, 256<<10, c.MaxDrain)
	require.Equal(t, []time.Duration{time.Second, 30 * time.Second, time.Minute, 75 * time.Second, 30 * time.Second, 15 * time.Second},
		[]time.Duration{c.DrainTimeout, c.HeadTimeout, c.BodyTimeout, c.IdleTimeout, c.WriteTimeout, c.ShutdownTimeout})
	require.Equal(t, 500*time.Millisecond, c.Listen.Conn.CloseWait, "after an error")
	require.Equal(t, 30*time.Second, c.Listen.Conn.WriteTimeout)
	require.Zero(t, c.MaxBody)
	require.Zero(t, c.MinBodyRate)
	require.Zero(t, c.MaxRequests)
	require.Zero(t, c.MaxConcurrent)
	rec := httptest.NewRecorder()
	c.Rejected.ServeHTTP(rec, nil)
	require.Equal(t, 503, rec.Code)
	require.Equal(t, "1", rec.Header().Get("Retry-After"))
}

// slowBody sends a byte of a chunked body every interval until that fails, and returns the server's reply.
func slowBody(t *testing.T, dial func() (net.Conn, *bufio.Reader), interval time.Duration, n int) (status int, after time.Duration) {
	nc, in := dial()
	began := time.Now()
	var sender sync.WaitGroup
	sender.Go(func() {
		_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
		drip(nc, strings.Repeat("x", n), interval)
		_, _ = io.WriteString(nc, strings.Repeat("x", 1000-n))
	})
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	after = time.Since(began)
	_ = nc.Close()
	sender.Wait()
	return r.StatusCode, after
}

func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil && w != nil {
		failed(w, r, err)
	}
}

func TestBodyBelowTheMinimumRateTimesOut(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }
	// One byte every half second is 2 per second. At a rate of 4 per second, the first 5 s and the time earned by 20
	// bytes last 10 s.
	inBubble(t, silent, &Config{MinBodyRate: 4}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		status, after := slowBody(t, dial, time.Second/2, 1000)
		require.Equal(t, 408, status)
		require.Greater(t, after, 9*time.Second)
		require.Less(t, after, 11*time.Second)
	})
	inBubble(t, silent, &Config{MinBodyRate: 2}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		status, _ := slowBody(t, dial, time.Second/2, 100)
		require.Equal(t, 200, status, "fast enough")
	})
	inBubble(t, silent, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		status, _ := slowBody(t, dial, 50*time.Second, 5)
		require.Equal(t, 200, status, "any rate")
	})
	duplex := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		silent(w, r)
	}
	inBubble(t, duplex, &Config{MinBodyRate: 1000}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		status, _ := slowBody(t, dial, time.Second, 100)
		require.Equal(t, 200, status, "full duplex")
	})
}

// TestTimeOfTheHandlerIsNotTheClients has a handler that waits longer than the rate would allow, and then reads.
func TestTimeOfTheHandlerIsNotTheClients(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Hour)
		readAll(w, r)
	}, &Config{MinBodyRate: 1000}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := io.WriteString(nc, post5)
		require.NoError(t, err)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 200, r.StatusCode)
		_ = nc.Close()
	})
}

func TestServerInTheContextSaysHowItServes(t *testing.T) {
	cert, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	seen := make(chan *http.Server, 2)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Context().Value(http.ServerContextKey).(*http.Server)
	})
	addr := start(t, handler, &Config{HeadTimeout: time.Second, IdleTimeout: 2 * time.Second, Listen: servers.Config{
		TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequestClientCert},
	}})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer tr.CloseIdleConnections()
	r, err := (&http.Client{Transport: tr}).Get("https://" + addr)
	require.NoError(t, err)
	_ = r.Body.Close()
	srv := <-seen
	require.Equal(t, addr, srv.Addr)
	require.NotNil(t, srv.Handler)
	require.NotNil(t, srv.ErrorLog)
	require.Equal(t, time.Second, srv.ReadHeaderTimeout)
	require.Equal(t, 2*time.Second, srv.IdleTimeout)
	require.Equal(t, 64<<10, srv.MaxHeaderBytes)
	require.Equal(t, []string{"h2", "http/1.1"}, srv.TLSConfig.NextProtos)
	require.Equal(t, tls.RequestClientCert, srv.TLSConfig.ClientAuth)
	require.EqualValues(t, tls.VersionTLS12, srv.TLSConfig.MinVersion)
	require.Len(t, srv.TLSConfig.Certificates, 1)

	require.Contains(t, rawReply(t, start(t, handler, nil), getLine), "200")
	require.Nil(t, (<-seen).TLSConfig)
}

// TestServerInTheContextHasTheTLSOfItsListener serves a Listener that was made by the test.
func TestServerInTheContextHasTheTLSOfItsListener(t *testing.T) {
	cert, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	seen := make(chan *http.Server, 1)
	srv := New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Context().Value(http.ServerContextKey).(*http.Server)
	}), nil)
	ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}, nil)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.ServeListener(context.Background(), ln) }()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	r, err := (&http.Client{Transport: tr}).Get("https://" + ln.Addr().String())
	require.NoError(t, err)
	_ = r.Body.Close()
	shown := (<-seen).TLSConfig
	require.NotNil(t, shown)
	require.EqualValues(t, tls.VersionTLS13, shown.MinVersion)
	require.Len(t, shown.Certificates, 1)
	require.Equal(t, []string{"h2", "http/1.1"}, shown.NextProtos)
	tr.CloseIdleConnections()
	require.NoError(t, srv.Shutdown(t.Context()))
	require.NoError(t, <-served)
}

func TestListenerWithOtherProtocolsIsRefused(t *testing.T) {
	cert, _, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}, ALPN: []string{"h2"}}, nil)
	require.NoError(t, err)
	var one http.Protocols
	one.SetHTTP1(true)
	require.ErrorContains(t, New(say("x"), &Config{Protocols: &one}).ServeListener(t.Context(), ln), "h2")
}

// TestRequestsOfAConnectionShareNothing keeps the requests, as middleware that logs later does.
func TestRequestsOfAConnectionShareNothing(t *testing.T) {
	var mu sync.Mutex
	var kept []*http.Request
	keep := func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, r)
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { keep(r) })
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		_, r := x.HTTP()
		keep(r)
		return nil
	}, nil)
	ask := func(name string) string {
		return "GET /" + name + " HTTP/1.1\r\nHost: " + name + "\r\nX-" + name + ": " + name + "\r\n\r\n"
	}
	for _, addr := range []string{start(t, handler, nil), native} {
		kept = nil
		replies, _ := talk(t, addr, ask("a")+ask("b")+ask("c"), "GET", "GET", "GET")
		require.Len(t, replies, 3)
		require.GreaterOrEqual(t, len(kept), 3)
		for i, name := range []string{"a", "b", "c"} {
			r := kept[i]
			require.Equal(t, "/"+name, r.URL.Path)
			require.Equal(t, "/"+name, r.RequestURI)
			require.Equal(t, name, r.Host)
			require.Equal(t, http.Header{"X-" + strings.ToUpper(name): {name}}, r.Header)
			for _, other := range kept[:i] {
				require.NotSame(t, other, r)
				require.NotSame(t, other.URL, r.URL)
			}
		}
	}
}

// TestContinueHandlerMayAnswerLater has Continue wait, and then reject with its own reply.
func TestContinueHandlerMayAnswerLater(t *testing.T) {
	const ask = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	proceed := make(chan struct{})
	addr := start(t, http.HandlerFunc(readAll), &Config{Continue: func(w http.ResponseWriter, _ *http.Request) bool {
		<-proceed
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, strings.Repeat("no ", 3000))
		return false
	}})
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, ask)
	require.NoError(t, err)
	close(proceed)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 403, r.StatusCode)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Len(t, body, 9000)
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
}

// TestOneServerServesSeveralListeners serves two listeners at once, and requires their ports to be free afterwards.
func TestOneServerServesSeveralListeners(t *testing.T) {
	srv := New(say("hello"), nil)
	var serving sync.WaitGroup
	var addrs []string
	for range 2 {
		ln, err := net.Listen("tcp", freeport.Addr(t)) // nobody else gets it meanwhile
		require.NoError(t, err)
		addrs = append(addrs, ln.Addr().String())
		serving.Go(func() {
			if err := srv.Serve(context.Background(), ln); err != nil {
				t.Error(err)
			}
		})
	}
	for _, addr := range addrs {
		require.Contains(t, rawReply(t, addr, getLine), "hello")
		require.Contains(t, srv.String(), "tcp "+addr+" (")
	}
	require.NoError(t, srv.Shutdown(t.Context()))
	serving.Wait()
	for _, addr := range addrs {
		ln, err := net.Listen("tcp", addr)
		require.NoError(t, err, "the port is free")
		require.NoError(t, ln.Close())
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, srv.Serve(t.Context(), ln), "after a Shutdown nothing is served")
}

func TestExpectStaysInTheHeader(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %v", r.Header.Get("Expect"), body, err)
	}), nil)
	for version, client := range clients(t) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr, strings.NewReader("hello"))
		require.NoError(t, err)
		r.Header.Set("Expect", "100-continue")
		resp, err := client.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		require.Equal(t, "100-continue hello <nil>", string(body), version)
	}
}
