package httpd

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	getLine  = "GET /path?q=1 HTTP/1.1\r\nHost: example.org\r\n\r\n"
	headLine = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	get10    = "GET / HTTP/1.0\r\n\r\n"
	alive10  = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	post5    = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	chunked5 = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nX-Sum: 7\r\nX-Other: 8\r\n\r\n"
)

func say(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func withHeader(pairs ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			w.Header().Add(pairs[i], pairs[i+1])
		}
		_, _ = io.WriteString(w, "hello")
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, err := io.WriteString(w, body)
		if body != "" && (code == 204 || code == 304) && !errors.Is(err, http.ErrBodyNotAllowed) {
			panic("Write of a body that is not allowed")
		}
	}
}

// show replies with what a handler sees of a request.
func show(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	again, errAgain := r.Body.Read(make([]byte, 1))
	_, _ = fmt.Fprintf(w, "%s %q %+v %s %d %d %q %v %d %v %v %q %q %q %v %v %v",
		r.Method, r.RequestURI, *r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.Header, r.ContentLength, r.TransferEncoding,
		r.Close, body, fmt.Sprint(err), fmt.Sprint(again, errAgain), r.Trailer, r.TLS, r.RemoteAddr != "")
}

// behaviours are handlers and requests that net/http and this package must answer alike.
var behaviours = []struct {
	name    string
	handler http.HandlerFunc
	raw     string
	methods string
}{
	{"hello", say("hello"), getLine, "GET"},
	{"nothing", say(""), getLine, "GET"},
	{"hello in 1.0", say("hello"), get10, "GET"},
	{"hello in 1.0, kept alive", say("hello"), alive10 + alive10, "GET GET"},
	{"head", say("hello"), headLine + headLine, "HEAD HEAD"},
	{"head of nothing", say(""), headLine, "HEAD"},
	{"head with a length", withHeader("Content-Length", "5"), headLine, "HEAD"},
	{"head in 1.0, kept alive", say("hello"), "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HEAD"},
	{"2048 bytes", say(strings.Repeat("x", 2048)), getLine, "GET"},
	{"2049 bytes", say(strings.Repeat("x", 2049)), getLine, "GET"},
	{"2049 bytes in 1.0", say(strings.Repeat("x", 2049)), alive10, "GET"},
	{"2049 bytes to HEAD", say(strings.Repeat("x", 2049)), headLine, "HEAD"},
	{"100000 bytes", say(strings.Repeat("xyz\n", 25000)), getLine + getLine, "GET GET"},
	{"pieces", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 1000 {
			_, _ = fmt.Fprintf(w, "%d,", i)
		}
	}, getLine, "GET"},
	{"sniffed html", say("<html>"), getLine, "GET"},
	{"sniffed from pieces", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ht")
		_, _ = io.WriteString(w, "ml>"+strings.Repeat("x", 3000))
	}, getLine, "GET"},
	{"sniffed with HEAD", say("<html>"), headLine, "HEAD"},
	{"type", withHeader("Content-Type", "a/b"), getLine, "GET"},
	{"nil type", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	}, getLine, "GET"},
	{"coding", withHeader("Content-Encoding", "gzip"), getLine, "GET"},
	{"transfer coding chunked", withHeader("Transfer-Encoding", "chunked"), getLine, "GET"},
	{"transfer coding identity", withHeader("Transfer-Encoding", "identity"), getLine, "GET"},
	{"length and transfer coding", withHeader("Transfer-Encoding", "chunked", "Content-Length", "5"), getLine, "GET"},
	{"nil date", func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }, getLine, "GET"},
	{"own fields", withHeader("X-A", "b", "X-A", "c", "x-lower", "d", "Set-Cookie", "e=f"), getLine, "GET"},
	{"line breaks in a value", withHeader("X-A", "b\r\nEvil: c\nd"), getLine, "GET"},
	{"invalid name", withHeader("X A", "b", "X:", "c", "X-Ok", "d"), getLine, "GET"},
	{"white space around a value", withHeader("X-A", " \tb "), getLine, "GET"},
	{"length", withHeader("Content-Length", "5"), getLine, "GET"},
	{"longer than its length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		n, err := io.WriteString(w, "hello")
		m, again := io.WriteString(w, "hel")
		if n != 0 || m != 0 || !errors.Is(err, http.ErrContentLength) || again == nil {
			panic("too much was accepted")
		}
	}, getLine, "GET"},
	{"close", withHeader("Connection", "close"), getLine, "GET"},
	{"keep-alive", withHeader("Connection", "keep-alive"), getLine, "GET"},
	{"asked to close", say("a"), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET"},
	{"201", status(201, "x"), getLine, "GET"},
	{"204", status(204, "x"), getLine + getLine, "GET GET"},
	{"304", status(304, "x"), getLine + getLine, "GET GET"},
	{"404", http.NotFound, getLine, "GET"},
	{"599", status(599, "x"), getLine, "GET"},
	{"999", status(999, ""), getLine, "GET"},
	{"304 with a type and length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "a/b")
		w.Header().Set("Content-Length", "7")
		w.Header().Set("Etag", "x")
		w.WriteHeader(304)
	}, getLine, "GET"},
	{"204 with a length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "7")
		w.WriteHeader(204)
	}, getLine, "GET"},
	{"second WriteHeader", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
	}, getLine, "GET"},
	{"status 99", func(w http.ResponseWriter, _ *http.Request) {
		defer func() { _, _ = fmt.Fprint(w, recover()) }()
		w.WriteHeader(99)
	}, getLine, "GET"},
	{"status 1000", func(w http.ResponseWriter, _ *http.Request) {
		defer func() { _, _ = fmt.Fprint(w, recover()) }()
		w.WriteHeader(1000)
	}, getLine, "GET"},
	{"header changed after WriteHeader", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-A", "before")
		w.WriteHeader(200)
		w.Header().Set("X-A", "after")
		w.Header().Set("X-B", "after")
	}, getLine, "GET"},
	{"early hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "a")
		w.WriteHeader(103)
		w.Header().Set("Link", "b")
		w.WriteHeader(103)
		w.WriteHeader(200)
	}, getLine, "GET GET GET"},
	{"announced trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-A, X-B")
		w.Header().Add("Trailer", "x-d")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-A", "1")
		w.Header().Add("X-B", "2")
		w.Header().Add("X-B", "3")
		w.Header().Set("X-C", "4")
	}, getLine, "GET"},
	{"trailers by prefix", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-A", "1")
	}, getLine, "GET"},
	{"flush", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "again")
	}, getLine, "GET"},
	{"flush alone", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, getLine, "GET"},
	{"flush with a length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "again")
	}, getLine + getLine, "GET GET"},
	{"ReadFrom", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, strings.NewReader(strings.Repeat("0123456789", 1000)))
	}, getLine, "GET"},
	{"redirect", http.RedirectHandler("/other", http.StatusFound).ServeHTTP, getLine, "GET"},
	{"error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad", 500) }, getLine, "GET"},

	{"request", show, getLine, "GET"},
	{"request in 1.0", show, "GET //a/../b%20c?x=%zz&y;? HTTP/1.0\r\nHost: h:1\r\nX-A: 1\r\nx-a: 2\r\n\r\n", "GET"},
	{"request with escapes", show, "GET /a%2Fb%41/ä HTTP/1.1\r\nHost: a\r\n\r\n", ""},
	{"request with sub-delims", show, "GET /a!b$c&d'e(f)g*h+i,j;k=l:m@n HTTP/1.1\r\nHost: a\r\n\r\n", "GET"},
	{"request with a bare question mark", show, "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET"},
	{"absolute form", show, "GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", "GET"},
	{"length", show, post5 + getLine, "POST GET"},
	{"chunked", show, chunked5 + getLine, "POST GET"},
	{"length 0", show, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST"},
	{"pragma", show, "GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n", "GET"},
	{"lower case method", show, "get / HTTP/1.1\r\nHost: a\r\n\r\n", "get"},
	{"unknown upgrade", show, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n", "GET"},
	{"options asterisk", show, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS"},
	{"bad escape", show, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", ""},

	{"unread body", say("x"), post5 + getLine, "POST GET"},
	{"unread chunked body", say("x"), chunked5 + getLine, "POST GET"},
	{"body read after close", func(w http.ResponseWriter, r *http.Request) {
		_ = r.Body.Close()
		_, err := r.Body.Read(make([]byte, 1))
		_, _ = fmt.Fprint(w, errors.Is(err, http.ErrBodyReadAfterClose))
	}, post5 + getLine, "POST GET"},
	{"body read after the reply began", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		_, err := r.Body.Read(make([]byte, 1))
		_, _ = fmt.Fprint(w, errors.Is(err, http.ErrBodyReadAfterClose))
	}, post5 + getLine, "POST GET"},
	{"long body read after the reply began", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	}, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000), "POST"},
	{"full duplex", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.(http.Flusher).Flush()
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v", body, err)
	}, post5 + getLine, "POST GET"},
	{"continue", show, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello", "POST POST"},
	{"continue of nothing", show, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", "POST"},
	{"continue in 1.0", show, "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", "POST"},
	{"pipelined", show, getLine + post5 + chunked5 + headLine + getLine, "GET POST POST HEAD GET"},
	{"form", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.ParseForm(), r.Form)
	}, "POST /?a=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nb=2&c=3", "POST"},
	{"context values", func(w http.ResponseWriter, r *http.Request) {
		srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
		_, _ = fmt.Fprint(w, ok && srv.Handler != nil, r.Context().Value(http.LocalAddrContextKey) != nil, r.Context().Err())
	}, getLine, "GET"},
}

func TestHandlersSeeAndSayWhatTheyDoOnNetHTTP(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if b.methods == "" { // refused by this package, as the checklist requires
				require.Equal(t, "HTTP/1.1 400 Bad Request", statusLine(rawReply(t, start(t, b.handler, nil), b.raw)))
				return
			}
			methods := strings.Fields(b.methods)
			want, wantEnded := talk(t, startStandard(t, b.handler), b.raw, methods...)
			got, ended := talk(t, start(t, b.handler, nil), b.raw, methods...)
			require.Equal(t, want, got)
			require.Equal(t, wantEnded, ended)
		})
	}
}
