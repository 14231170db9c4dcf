package httpc

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func TestErrOfAResponseIsThatOfItsLines(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "short")
		if r.URL.Path == "/long" {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 128<<10))
		}
	})
	c := newClient(t, nil)
	resp, err := c.Get(t.Context(), url)
	require.NoError(t, err)
	for line := range resp.Lines().All(t.Context()) {
		require.Equal(t, "short", line)
	}
	require.NoError(t, resp.Err())
	require.NoError(t, resp.Close())

	resp, err = c.Get(t.Context(), url+"/long")
	require.NoError(t, err)
	for line := range resp.Lines().All(t.Context()) {
		require.Equal(t, "short", line)
	}
	var malformed *codec.Error
	require.ErrorAs(t, resp.Err(), &malformed)
	require.ErrorIs(t, resp.Err(), chanio.ErrTooLarge)
	require.NoError(t, resp.Close())
	require.ErrorAs(t, resp.Err(), &malformed)
}

func TestBodyOfAStatusErrorIsDecoded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusBadRequest)
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte("why"))
		_ = z.Close()
	})
	_, err := newClient(t, &Config{StatusErrors: true}).Get(t.Context(), url)
	var refused *StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "why", string(refused.Body))
}

// TestTimeoutOfADialHasItsPhase uses a Dial with its own timeout, and servers that do not answer a handshake.
func TestTimeoutOfADialHasItsPhase(t *testing.T) {
	silent := raw(t, func(_ net.Conn, in *bufio.Reader) { _, _ = in.WriteTo(new(bytes.Buffer)) })
	secure := "https" + strings.TrimPrefix(silent.url, "http")
	quick := &clients.TLSConfig{HandshakeTimeout: time.Millisecond}
	slow := fmt.Errorf("ssh: %w", os.ErrDeadlineExceeded)
	dial := func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) { return nil, slow }
	for name, of := range map[string]struct {
		url   string
		cfg   *Config
		phase Phase
		cause error
	}{
		"Dial":            {silent.url, &Config{Dial: dial}, PhaseConnect, slow},
		"Dial, https":     {secure, &Config{Dial: dial}, PhaseConnect, slow},
		"handshake":       {secure, &Config{Connect: clients.Config{TLS: quick}}, PhaseHandshake, nil},
		"proxy handshake": {"http://a.example", &Config{Proxy: proxyAt(secure), ProxyTLS: quick}, PhaseHandshake, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, of.cfg).Get(t.Context(), of.url)
			var timeout *TimeoutError
			require.ErrorAs(t, err, &timeout)
			require.Equal(t, of.phase, timeout.Phase)
			if of.cause != nil {
				require.ErrorIs(t, err, of.cause)
			}
			var ne net.Error
			require.True(t, errors.As(err, &ne) && ne.Timeout())
		})
	}
}

func TestCurlOfAFileThatHasBecomeEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("hello"), 0o600))
	body := File(path)
	require.NoError(t, os.Truncate(path, 0))
	command, err := newClient(t, nil).Curl(&Request{URL: "http://a.example", Body: body})
	require.NoError(t, err)
	require.Contains(t, command, "--data-binary ''")
}

// proxyAt returns a Config.Proxy for the proxy at a URL.
func proxyAt(address string) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) { return url.Parse(address) }
}

func TestAnnouncedTrailersAreThoseThatAreAllowed(t *testing.T) {
	s := raw(t, says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, X-T, a b\r\n\r\n0\r\nContent-Length: 5\r\nX-T: t\r\n\r\n"))
	r, err := newClient(t, nil).RoundTrip(newRequest(t, http.MethodGet, s.url, nil))
	require.NoError(t, err)
	require.Equal(t, http.Header{"X-T": nil}, r.Trailer)
	_, err = r.Body.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.Equal(t, http.Header{"X-T": {"t"}}, r.Trailer)
	require.NoError(t, r.Body.Close())
}

// TestConnectionOfHTTP2ThatHasBeenIdleLongestMakesRoom uses three servers with room for two connections.
func TestConnectionOfHTTP2ThatHasBeenIdleLongestMakesRoom(t *testing.T) {
	for range 8 { // the connections have no order
		a, b, other := framed(t, []answer{answers200}), framed(t, []answer{answers200}), framed(t, []answer{answers200})
		c := newClient(t, &Config{Protocols: h2c(), MaxConns: 2})
		for _, s := range []*rawServer{a, b, a, other, a} {
			status, _ := text(t, c, s.url)
			require.Equal(t, http.StatusOK, status)
		}
		require.Equal(t, []int{1, 1, 1}, []int{a.accepted(), b.accepted(), other.accepted()})
	}
}

// TestShutdownOfTheClientEndsWithItsCtxOverEitherVersion shuts down while the body of a response is awaited.
func TestShutdownOfTheClientEndsWithItsCtxOverEitherVersion(t *testing.T) {
	overBoth(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, c *Client, base string) {
		resp, err := c.Get(t.Context(), base)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		down := make(chan error, 1)
		go func() { down <- c.Shutdown(ctx) }()
		select {
		case err := <-down:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(testPatience):
			t.Fatal("Shutdown does not return")
		}
		_, err = resp.Bytes(t.Context())
		require.Error(t, err)
	})
}

// TestCompressedBodyThatEndsEarlyIsAnError sends the whole of what gzip needs, but less than the head announces, as a
// server does that announces the length of the plain body.
func TestCompressedBodyThatEndsEarlyIsAnError(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(long(1000)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, message := range map[string]string{
		"length":        "Content-Length: 1000\r\n\r\n" + packed.String(),
		"no last chunk": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", packed.Len(), packed.String()),
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, saysOnce("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"+message))
			resp, err := newClient(t, nil).Get(t.Context(), s.url)
			require.NoError(t, err)
			_, err = resp.Bytes(t.Context())
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}
