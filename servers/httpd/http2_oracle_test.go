package httpd

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// h2only returns the protocols of a client or server that speaks only HTTP/2 without TLS.
func h2only() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

// h2client returns a client that speaks HTTP/2 without TLS, until the test ends.
func h2client(t *testing.T) *http.Client {
	tr := &http.Transport{Protocols: h2only(), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// startStandardH2 serves handler with net/http, with HTTP/2 only.
func startStandardH2(t *testing.T, handler http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), Protocols: h2only()}
	go func() { _ = srv.Serve(ln) }() // until Close
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

// notOverHTTP2 are the behaviours that are specific to HTTP/1, or that HTTP/2 leaves to the server, with the reason.
var notOverHTTP2 = map[string]string{
	"absolute form":                   "HTTP/2 has no such form",
	"unknown upgrade":                 "a field of the connection",
	"lower case method":               "the client writes it in upper case",
	"continue":                        "Expect stays in the header",
	"continue of nothing":             "Expect stays in the header",
	"options asterisk":                "the client cannot send it",
	"close":                           "it ends the connection",
	"unread body":                     "the pace decides whether the client sends it all",
	"unread chunked body":             "the same",
	"body read after the reply began": "HTTP/2 is full duplex",
	"body read after close":           "net/http has another error",
	"pragma":                          "net/http adds Cache-Control in HTTP/1 alone",
	"length and transfer coding":      "HTTP/2 has no transfer coding",
	"transfer coding chunked":         "the same",
	"transfer coding identity":        "the same",
	"longer than its length":          "net/http accepts what fits",
	"invalid name":                    "net/http sends it",
	"line breaks in a value":          "net/http leaves the field out",
	"white space around a value":      "net/http sends it",
	"204 with a length":               "net/http sends it",
	"304 with a type and length":      "net/http sends the type",
	"2049 bytes":                      "net/http tells a length of up to 4,096 bytes",
	"2049 bytes to HEAD":              "the same",
	"sniffed from pieces":             "the same",
	"pieces":                          "the same",
}

// TestHandlersSeeAndSayOverHTTP2WhatTheyDoOnNetHTTP sends the requests of the other oracle test to both servers over
// HTTP/2.
func TestHandlersSeeAndSayOverHTTP2WhatTheyDoOnNetHTTP(t *testing.T) {
	compared := 0
	for _, b := range behaviours {
		if b.methods == "" || notOverHTTP2[b.name] != "" || strings.Contains(b.raw, "HTTP/1.0") {
			continue
		}
		compared++
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			want := askOverHTTP2(t, startStandardH2(t, b.handler), b.raw)
			got := askOverHTTP2(t, start(t, b.handler, nil), b.raw)
			require.Equal(t, want, got)
		})
	}
	require.Greater(t, compared, 30)
}

// askOverHTTP2 sends the first request in raw, which is HTTP/1, over HTTP/2.
func askOverHTTP2(t *testing.T, addr, raw string) reply {
	t.Helper()
	sent, err := http.ReadRequest(newReader(raw))
	require.NoError(t, err)
	body, err := io.ReadAll(sent.Body)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), sent.Method, "http://"+addr, bytes.NewReader(body))
	require.NoError(t, err)
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.ForceQuery = sent.URL.Path, sent.URL.RawPath, sent.URL.RawQuery, sent.URL.ForceQuery
	r.Host, r.Header = sent.Host, sent.Header
	r.Header.Set("User-Agent", "test")
	if sent.ContentLength < 0 {
		r.ContentLength = -1
		r.Trailer = sent.Trailer
	}
	got, err := h2client(t).Do(r)
	require.NoError(t, err)
	require.Equal(t, 2, got.ProtoMajor)
	return readReply(t, got)
}
