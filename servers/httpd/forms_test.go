package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// environment is a server with the middleware between it and a handler.
type environment struct {
	name   string
	own    bool
	major  int
	unwrap string // bare, Unwrap or no Unwrap
	serve  func(t *testing.T, h http.Handler) *site
}

// site is a running server.
type site struct {
	url    string
	client *http.Client
	log    *lockedBuffer
}

// environments returns every server with every kind of ResponseWriter.
func environments() []environment {
	var all []environment
	for _, unwrap := range []string{"bare", "Unwrap", "no Unwrap"} {
		all = append(all,
			environment{"own 1.1 " + unwrap, true, 1, unwrap, serveOwn},
			environment{"own 2 " + unwrap, true, 2, unwrap, serveOwn2},
			environment{"net/http 1.1 " + unwrap, false, 1, unwrap, serveStandard},
			environment{"net/http 2 " + unwrap, false, 2, unwrap, serveStandard2},
		)
	}
	return all
}

// start serves h below the wrapper of the environment.
func (e environment) start(t *testing.T, h http.Handler) *site {
	return e.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch e.unwrap {
		case "Unwrap":
			w = unwrapping{w}
		case "no Unwrap":
			w = &opaque{w, w}
		}
		h.ServeHTTP(w, r)
	}))
}

func forEach(t *testing.T, test func(t *testing.T, e environment)) {
	for _, e := range environments() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// unwrapping is a ResponseWriter with Unwrap.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// opaque is a ResponseWriter that supports only Write and Flush.
type opaque struct {
	http.ResponseWriter
	below http.ResponseWriter
}

func (w *opaque) Flush() { w.below.(http.Flusher).Flush() }

func serveOwn(t *testing.T, h http.Handler) *site {
	lines := newLockedBuffer()
	addr := start(t, h, &Config{Logger: textLogger(lines)})
	return &site{"http://" + addr, newClient(t, nil), lines}
}

func serveOwn2(t *testing.T, h http.Handler) *site {
	s := serveOwn(t, h)
	transport := s.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return s
}

func serveStandard(t *testing.T, h http.Handler) *site { return serveHTTP(t, h, &http.Server{}) }

func serveHTTP(t *testing.T, h http.Handler, srv *http.Server) *site {
	lines := newLockedBuffer()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv.Handler, srv.ErrorLog = h, log.New(lines, "", 0)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	return &site{"http://" + ln.Addr().String(), newClient(t, nil), lines}
}

func serveStandard2(t *testing.T, h http.Handler) *site {
	lines := newLockedBuffer()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(lines, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pool := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return &site{srv.URL, newClient(t, &tls.Config{RootCAs: pool}), lines}
}

func newClient(t *testing.T, secure *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: secure, ForceAttemptHTTP2: secure != nil, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// call sends a request and returns the reply, its body and the error of reading that.
func (s *site) call(t *testing.T, method, path string, body io.Reader, header ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	all, err := io.ReadAll(resp.Body)
	return resp, string(all), err
}

// conversation sends a request with a body that is written while the reply is read.
func (s *site) conversation(t *testing.T, path string) (*io.PipeWriter, *http.Response) {
	t.Helper()
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, reader)
	require.NoError(t, err)
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		_ = writer.Close()
		_ = resp.Body.Close()
	})
	return writer, resp
}

func readN(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	require.NoError(t, err)
	return string(p)
}

// awaitIn returns the next value of ch, and fails if it takes too long.
func awaitIn[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

var upper = bytes.ToUpper
