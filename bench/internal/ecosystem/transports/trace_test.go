package transports

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// events are the events of a trace.
type events struct {
	mu   sync.Mutex
	seen []string
}

func (e *events) note(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, fmt.Sprintf(format, args...))
}

func (e *events) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.seen
	e.seen = nil
	return all
}

// trace sets every hook of a ClientTrace.
func (e *events) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(hostPort string) { e.note("GetConn %s", port(hostPort)) },
		GotConn: func(i httptrace.GotConnInfo) {
			e.note("GotConn reused=%v idle=%v conn=%v", i.Reused, i.WasIdle, i.Conn != nil && i.Conn.RemoteAddr() != nil)
		},
		PutIdleConn:          func(err error) { e.note("PutIdleConn %v", err) },
		GotFirstResponseByte: func() { e.note("GotFirstResponseByte") },
		Got100Continue:       func() { e.note("Got100Continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			e.note("Got1xxResponse %d %s", code, h.Get("Link"))
			return nil
		},
		DNSStart:          func(i httptrace.DNSStartInfo) { e.note("DNSStart %s", i.Host) },
		DNSDone:           func(i httptrace.DNSDoneInfo) { e.note("DNSDone %v %v", len(i.Addrs) > 0, i.Err) },
		ConnectStart:      func(network, addr string) { e.note("ConnectStart %s", network) },
		ConnectDone:       func(network, _ string, err error) { e.note("ConnectDone %s %v", network, err) },
		TLSHandshakeStart: func() { e.note("TLSHandshakeStart") },
		TLSHandshakeDone:  func(s tls.ConnectionState, err error) { e.note("TLSHandshakeDone %q %v", s.NegotiatedProtocol, err) },
		WroteHeaderField: func(key string, value []string) {
			if strings.EqualFold(key, "x-own") {
				e.note("WroteHeaderField %s=%v", strings.ToLower(key), value)
			}
		},
		WroteHeaders:    func() { e.note("WroteHeaders") },
		Wait100Continue: func() { e.note("Wait100Continue") },
		WroteRequest:    func(i httptrace.WroteRequestInfo) { e.note("WroteRequest %v", i.Err) },
	}
}

// port removes the number of a port.
func port(hostPort string) string {
	host, _, _ := strings.Cut(hostPort, ":")
	return host
}

// traced sends a POST to a URL with a trace and returns the events of the trace.
func traced(t *testing.T, client *http.Client, url string, expect bool) []string {
	e := new(events)
	ctx := httptrace.WithClientTrace(ecosystem.Within(t), e.trace())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("hello"))
	require.NoError(t, err)
	r.Header.Set("X-Own", "yes")
	if expect {
		r.URL.Path = "/expect"
		r.Header.Set("Expect", "100-continue")
	}
	resp, err := client.Do(r)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return e.take()
}

// TestTracesAreThoseOfNetHTTP compares the events of both clients for the same requests: the first on a connection, the
// next one, and one that expects 100-continue.
func TestTracesAreThoseOfNetHTTP(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/expect" { // net/http's HTTP/2 server sends no 100 Continue after another 1xx
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		p, _ := io.ReadAll(r.Body)
		_, _ = w.Write(p)
	})
	for _, way := range ecosystem.Ways {
		t.Run(way.Name, func(t *testing.T) {
			s := ecosystem.ServeStandard(t, way, h)
			url := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
			standard := s.Client(t)
			standard.Transport.(*http.Transport).ExpectContinueTimeout = ecosystem.Patience
			ours := s.Ours(t, nil).HTTP()
			for _, expect := range []bool{false, false, true} {
				want, got := traced(t, standard, url, expect), traced(t, ours, url, expect)
				wantReads, wantWrites := lanes(want)
				reads, writes := lanes(got)
				require.Equal(t, wantReads, reads)
				require.Equal(t, wantWrites, writes)
			}
		})
	}
}

// lanes are the events of connecting and reading, and those of writing, which are concurrent. Differences that depend
// on the configuration are removed: only httpc announces its protocol by ALPN if it is HTTP/1.1 alone, and a name has
// several addresses, of which one or more are tried.
func lanes(all []string) (reads, writes []string) {
	for _, s := range all {
		switch {
		case strings.HasPrefix(s, "Wrote") || s == "Wait100Continue":
			writes = append(writes, s)
		case !strings.Contains(s, "connection refused"):
			reads = append(reads, strings.Replace(s, `"http/1.1"`, `""`, 1))
		}
	}
	return slices.Compact(reads), writes
}

func TestTraceOfAFailedDial(t *testing.T) {
	s := ecosystem.ServeStandard(t, ecosystem.Ways[0], http.NotFoundHandler())
	ctx, cancel := context.WithCancel(ecosystem.Within(t))
	defer cancel()
	for _, client := range []*http.Client{s.Client(t), s.Ours(t, nil).HTTP()} {
		e := new(events)
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, e.trace()), http.MethodGet, "http://127.0.0.1:1", nil)
		require.NoError(t, err)
		_, err = client.Do(r) //nolint:bodyclose // it fails
		require.ErrorContains(t, err, "connection refused")
		seen := e.take()
		require.Len(t, seen, 3)
		require.Equal(t, []string{"GetConn 127.0.0.1", "ConnectStart tcp"}, seen[:2])
		require.Contains(t, seen[2], "connection refused")
	}
}
