// Package ecosystem contains servers and clients for tests that run other libraries, unchanged, over ours: handlers
// over httpd, clients over httpc, and WebSockets of both sides.
package ecosystem

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// Patience bounds the waits of a test; nothing is expected to take that long.
const Patience = 20 * time.Second

// Way is a version of HTTP, with TLS or without.
type Way struct {
	Name   string
	Proto  string // of a request
	Secure bool
	HTTP2  bool
}

// Ways are the versions that a server supports.
var Ways = []Way{
	{Name: "HTTP/1.1", Proto: "HTTP/1.1"},
	{Name: "HTTP/1.1 over TLS", Proto: "HTTP/1.1", Secure: true},
	{Name: "HTTP/2 over TLS", Proto: "HTTP/2.0", Secure: true, HTTP2: true},
	{Name: "h2c", Proto: "HTTP/2.0", HTTP2: true},
}

// Protocols returns the protocols of the way alone.
func (w Way) Protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!w.HTTP2)
	p.SetHTTP2(w.HTTP2 && w.Secure)
	p.SetUnencryptedHTTP2(w.HTTP2 && !w.Secure)
	return p
}

// Server is a server that runs until its test ends.
type Server struct {
	Way
	Addr string // host and port
	URL  string // without a path
	Pool *x509.CertPool
}

// Serve serves handler with httpd; cfg may be nil.
func Serve(t testing.TB, way Way, handler http.Handler, cfg *httpd.Config) Server {
	t.Helper()
	var conf httpd.Config
	if cfg != nil {
		conf = *cfg
	}
	s := Server{Way: way}
	if way.Secure {
		conf.Listen.TLS = &servers.TLSConfig{Certificates: []tls.Certificate{s.certificate(t)}}
	}
	ln, err := servers.ListenTCP("127.0.0.1:0", &conf.Listen)
	require.NoError(t, err)
	srv := httpd.New(handler, &conf)
	served := make(chan error, 1)
	go func() { served <- srv.ServeListener(context.Background(), ln) }() // runs until the cleanup
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx) // aborts connections that tests have left open
		require.NoError(t, <-served)
	})
	return s.at(ln.Addr())
}

// ServeStandard serves handler with net/http.
func ServeStandard(t testing.TB, way Way, handler http.Handler) Server {
	t.Helper()
	s := Server{Way: way}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	both.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: handler, Protocols: both, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	if way.Secure {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.certificate(t)}}
	}
	go func() {
		defer close(served)
		if way.Secure {
			_ = srv.ServeTLS(ln, "", "") // until Close
			return
		}
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	return s.at(ln.Addr())
}

func (s *Server) certificate(t testing.TB) tls.Certificate {
	cert, pool, err := servers.SelfSigned("127.0.0.1", "localhost")
	require.NoError(t, err)
	s.Pool = pool
	return cert
}

func (s Server) at(addr net.Addr) Server {
	s.Addr = addr.String()
	s.URL = "http://" + s.Addr
	if s.Secure {
		s.URL = "https://" + s.Addr
	}
	return s
}

// Both runs a test over httpd and over net/http, in each way. net/http shows that the test itself is right.
func Both(t *testing.T, handler http.Handler, f func(t *testing.T, s Server)) {
	for _, way := range Ways {
		t.Run("httpd "+way.Name, func(t *testing.T) { f(t, Serve(t, way, handler, nil)) })
		t.Run("nethttp "+way.Name, func(t *testing.T) { f(t, ServeStandard(t, way, handler)) })
	}
}

// Client returns net/http's client for s. It does not follow redirects.
func (s Server) Client(t testing.TB) *http.Client {
	transport := &http.Transport{Protocols: s.Protocols(), DisableCompression: true}
	if s.Secure {
		transport.TLSClientConfig = s.TLS()
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: Patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// TLS returns the configuration of a client that trusts s.
func (s Server) TLS() *tls.Config { return &tls.Config{RootCAs: s.Pool} }

// Ours returns an httpc client for s; cfg may be nil.
func (s Server) Ours(t testing.TB, cfg *httpc.Config) *httpc.Client {
	t.Helper()
	var conf httpc.Config
	if cfg != nil {
		conf = *cfg
	}
	conf.Protocols = s.Protocols()
	conf.Proxy = httpc.Direct
	if s.Secure {
		conf.Connect.TLS = &clients.TLSConfig{RootCAs: s.Pool}
	}
	c := httpc.New(&conf)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// Within returns a ctx that bounds a test.
func Within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Get requests a path of s, with pairs of names and values as fields, and returns the response and its body.
func (s Server) Get(t testing.TB, client *http.Client, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	return s.Do(t, client, http.MethodGet, path, nil, fields...)
}

// Do is Get with a method and a body.
func (s Server) Do(t testing.TB, client *http.Client, method, path string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(Within(t), method, s.URL+path, body)
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	all, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(all)
}
