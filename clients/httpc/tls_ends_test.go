package httpc

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawTLS is raw over TLS. The functions also get the connection below TLS.
func rawTLS(t *testing.T, answers ...func(secure *tls.Conn, below net.Conn, in *bufio.Reader)) (s *rawServer, url string) {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	conf := &tls.Config{Certificates: cert.TLS.Certificates}
	all := make([]func(net.Conn, *bufio.Reader), len(answers))
	for i, answer := range answers {
		all[i] = func(nc net.Conn, _ *bufio.Reader) {
			if secure := tls.Server(&gathering{Conn: nc}, conf); secure.Handshake() == nil {
				answer(secure, nc, bufio.NewReader(secure))
			}
		}
	}
	s = raw(t, all...)
	return s, strings.Replace(s.url, "http:", "https:", 1)
}

// gathering is the connection below TLS, which sends what was written while on is set with the next Write after that.
type gathering struct {
	net.Conn
	on   bool
	kept []byte
}

func (g *gathering) Write(p []byte) (int, error) {
	g.kept = append(g.kept, p...)
	if g.on {
		return len(p), nil
	}
	kept := g.kept
	g.kept = nil
	if _, err := g.Conn.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestEndOfAnIdleTLSConnectionIsNoticed sends a POST with a body that can be read once over a connection that the server
// has ended, or on which it has said something, since the last request.
func TestEndOfAnIdleTLSConnectionIsNoticed(t *testing.T) {
	for name, ends := range map[string]func(secure *tls.Conn, below net.Conn){
		"close_notify": func(secure *tls.Conn, _ net.Conn) { _ = secure.CloseWrite() },
		"FIN":          func(_ *tls.Conn, below net.Conn) { _ = below.(*net.TCPConn).CloseWrite() },
		"RST": func(_ *tls.Conn, below net.Conn) {
			_ = below.(*net.TCPConn).SetLinger(0)
			_ = below.Close()
		},
		"fatal alert":      func(_ *tls.Conn, below net.Conn) { _, _ = below.Write([]byte{21, 3, 3, 0, 2, 2, 80}) },
		"half a response":  func(secure *tls.Conn, _ net.Conn) { _, _ = io.WriteString(secure, "HTTP/1.1 200") },
		"bytes of no kind": func(_ *tls.Conn, below net.Conn) { _, _ = io.WriteString(below, "HTTP/1.1 400 Bad Request\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			idle, ended := make(chan struct{}), make(chan struct{})
			s, url := rawTLS(t, func(secure *tls.Conn, below net.Conn, in *bufio.Reader) {
				readRequest(in)
				_, _ = io.WriteString(secure, hello)
				<-idle
				ends(secure, below)
				close(ended)
				_, _ = io.Copy(io.Discard, below)
			}, func(secure *tls.Conn, _ net.Conn, in *bufio.Reader) { says(hello)(secure, in) })
			c := newClient(t, &Config{Connect: trusting()})
			text(t, c, url)
			close(idle)
			<-ended
			nc := idleConns(c)[0]
			require.Eventually(t, func() bool { return !nc.healthy() }, testPatience, 1e6) // the loopback takes a moment
			c.t.pool.put(nc)
			resp, err := c.Post(t.Context(), url, Reader(strings.NewReader("once"), -1))
			require.NoError(t, err)
			require.NoError(t, resp.Close())
			require.Equal(t, 2, s.accepted())
		})
	}
}

// TestBodyThatTLSCutsIsNotWhole ends the connection within a body, in each way that is not the end of the body.
func TestBodyThatTLSCutsIsNotWhole(t *testing.T) {
	const sized = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
	const toTheEnd = "HTTP/1.1 200 OK\r\n\r\nhello"
	half := func(_ *tls.Conn, below net.Conn) { _, _ = below.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3}) }
	alert := func(_ *tls.Conn, below net.Conn) { _, _ = below.Write([]byte{21, 3, 3, 0, 2, 2, 80}) }
	for name, k := range map[string]struct {
		answer string
		ends   func(secure *tls.Conn, below net.Conn)
	}{
		"close_notify":                 {sized, func(secure *tls.Conn, _ net.Conn) { _ = secure.CloseWrite() }},
		"FIN":                          {sized, func(*tls.Conn, net.Conn) {}},
		"half a record":                {sized, half},
		"fatal alert":                  {sized, alert},
		"half a record, to the end":    {toTheEnd, half},
		"fatal alert, to the end":      {toTheEnd, alert},
		"chunked, close_notify":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", func(secure *tls.Conn, _ net.Conn) { _ = secure.CloseWrite() }},
		"reset, to the end":            {toTheEnd, func(_ *tls.Conn, below net.Conn) { _ = below.(*net.TCPConn).SetLinger(0) }},
		"bytes of no kind, to the end": {toTheEnd, func(_ *tls.Conn, below net.Conn) { _, _ = io.WriteString(below, "garbage of some length") }},
	} {
		t.Run(name, func(t *testing.T) {
			read := make(chan struct{})
			_, url := rawTLS(t, func(secure *tls.Conn, below net.Conn, in *bufio.Reader) {
				readRequest(in)
				_, _ = io.WriteString(secure, k.answer)
				<-read
				k.ends(secure, below)
			})
			c := newClient(t, &Config{Connect: trusting()})
			resp, err := c.RoundTrip(newRequest(t, "GET", url, nil))
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, len("hello")))
			require.NoError(t, err)
			close(read)
			rest, err := io.ReadAll(resp.Body)
			require.Empty(t, rest)
			require.Error(t, err)
			require.NoError(t, resp.Body.Close())
			require.Zero(t, c.Stats()[0].Open)
		})
	}
}

// TestBytesBehindAResponseInItsRecordEndTheConnection sends a second response that nobody asked for in the record of TLS
// that ends a body, or in the next one, and reads no more of it than the body.
func TestBytesBehindAResponseInItsRecordEndTheConnection(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, k := range map[string]struct {
		size int // of the body
		read func(*testing.T, *http.Response) string
		next bool // the second response is in the next record
	}{
		"a part of a record":  {5, readAll, false},
		"as much as a buffer": {64 << 10, readAll, false},
		"copied": {5, func(t *testing.T, resp *http.Response) string {
			var b strings.Builder
			_, err := io.Copy(&b, resp.Body)
			require.NoError(t, err)
			return b.String()
		}, false},
		"the next record": {5, readAll, true},
		"dropped":         {5, func(*testing.T, *http.Response) string { return long(5) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			headed := make(chan struct{})
			s, url := rawTLS(t, func(secure *tls.Conn, _ net.Conn, in *bufio.Reader) {
				readRequest(in)
				_, _ = fmt.Fprintf(secure, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", k.size)
				<-headed
				if below := secure.NetConn().(*gathering); k.next {
					below.on = true
					_, _ = io.WriteString(secure, long(k.size))
					below.on = false
					_, _ = io.WriteString(secure, evil)
				} else {
					_, _ = io.WriteString(secure, long(k.size)+evil)
				}
				_, _ = io.Copy(io.Discard, in)
			}, func(secure *tls.Conn, _ net.Conn, in *bufio.Reader) { says(hello)(secure, in) })
			c := newClient(t, &Config{Connect: trusting()})
			resp, err := c.RoundTrip(newRequest(t, "GET", url, nil))
			require.NoError(t, err)
			close(headed)
			require.Equal(t, long(k.size), k.read(t, resp))
			require.NoError(t, resp.Body.Close())
			_, body := text(t, c, url)
			require.Equal(t, "hello", body)
			require.Equal(t, 2, s.accepted())
		})
	}
}

func readAll(t *testing.T, resp *http.Response) string {
	p, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(p)
}
