package httpd

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// step is a call that a handler makes. It returns what the handler sees of its result.
type step struct {
	name string
	do   func(w http.ResponseWriter, r *http.Request) string
}

// seen returns what a handler may rely on of a result.
func seen(n int64, err error) string {
	for _, known := range []error{http.ErrBodyNotAllowed, http.ErrContentLength, http.ErrBodyReadAfterClose, http.ErrHijacked, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return fmt.Sprint(n, " ", known)
		}
	}
	if err != nil {
		return fmt.Sprint(n, " another error")
	}
	return fmt.Sprint(n)
}

// of returns a function that chooses.
func of(choices ...string) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return choices[r.IntN(len(choices))] }
}

var (
	aSize   = of("0", "1", "5", "511", "512", "600", "2047", "2048", "2049", "4000", "5000", "40000")
	aStatus = of("100", "102", "103", "200", "200", "201", "204", "206", "304", "400", "404", "500", "999", "42", "1000")
	aField  = of("Content-Type: a/b", "Content-Type: ", "Content-Encoding: gzip", "X-A: 1", "X-A:  spaced ", "x-lower: 1",
		"Date: Sun, 06 Nov 1994 08:49:37 GMT", "Etag: \"a\"", "Server: x", "Trailer: X-T", "Trailer: X-T, X-U", "Vary: a",
		"Content-Length: 5", "Content-Length: 600", "Content-Length: 4000", "Content-Length: 0", "Content-Length: 2048",
		"Connection: close", "Connection: keep-alive", "Transfer-Encoding: chunked", "Transfer-Encoding: identity",
		"X-T: 1", "X-U: 2", http.TrailerPrefix+"X-V: 3", "Location: /a", "Set-Cookie: a=b", "Upgrade: x")
	aName = of("Content-Type", "Content-Length", "Date", "X-A", "Trailer", "Connection", "Content-Encoding")
)

// text returns n bytes.
func text(n string) string {
	size, _ := strconv.Atoi(n)
	return strings.Repeat("abcdefghi\n", size/10+1)[:size]
}

// intoBuffer hides ReadFrom of net/http, which flushes at once.
func intoBuffer(w http.ResponseWriter, r *http.Request) io.Writer {
	if serverOf(r) == nil {
		return onlyWriter{w}
	}
	return w
}

// aStep returns a random step. file is a file of 40,000 bytes.
func aStep(r *rand.Rand, file string) step {
	switch r.IntN(22) {
	case 0, 1, 2, 3:
		name, value, _ := strings.Cut(aField(r), ": ")
		return step{"Set " + name + ": " + value, func(w http.ResponseWriter, _ *http.Request) string { w.Header().Set(name, value); return "" }}
	case 4:
		name, value, _ := strings.Cut(aField(r), ": ")
		if name == "Content-Length" {
			name = "X-A" // net/http sends both, which is malformed
		}
		return step{"Add " + name + ": " + value, func(w http.ResponseWriter, _ *http.Request) string { w.Header().Add(name, value); return "" }}
	case 5:
		name := aName(r)
		return step{"Del " + name, func(w http.ResponseWriter, _ *http.Request) string { w.Header().Del(name); return "" }}
	case 6:
		name := aName(r)
		if name == "Content-Length" {
			name = "Server" // net/http sends none
		}
		return step{"nil " + name, func(w http.ResponseWriter, _ *http.Request) string { w.Header()[name] = nil; return "" }}
	case 7, 8, 9:
		code, _ := strconv.Atoi(aStatus(r))
		return step{fmt.Sprint("WriteHeader ", code), func(w http.ResponseWriter, _ *http.Request) (said string) {
			defer func() {
				if v := recover(); v != nil {
					said = fmt.Sprint(v)
				}
			}()
			w.WriteHeader(code)
			return ""
		}}
	case 10, 11, 12, 13:
		size := aSize(r)
		return step{"Write " + size, func(w http.ResponseWriter, _ *http.Request) string {
			n, err := w.Write([]byte(text(size)))
			return seen(int64(n), err)
		}}
	case 14:
		size := aSize(r)
		return step{"WriteString " + size, func(w http.ResponseWriter, _ *http.Request) string {
			n, err := io.WriteString(w, text(size))
			return seen(int64(n), err)
		}}
	case 15:
		return step{"Flush", func(w http.ResponseWriter, _ *http.Request) string { w.(http.Flusher).Flush(); return "" }}
	case 16:
		return step{"controller's Flush", func(w http.ResponseWriter, _ *http.Request) string {
			return seen(0, http.NewResponseController(w).Flush())
		}}
	case 17:
		size := aSize(r)
		return step{"Copy " + size, func(w http.ResponseWriter, r *http.Request) string {
			n, err := io.Copy(intoBuffer(w, r), io.MultiReader(strings.NewReader(text(size))))
			return seen(n, err)
		}}
	case 18:
		limit, _ := strconv.Atoi(aSize(r))
		return step{fmt.Sprint("Copy of a file ", limit), func(w http.ResponseWriter, r *http.Request) string {
			f, err := os.Open(file)
			if err != nil {
				panic(err)
			}
			defer func() { _ = f.Close() }()
			n, err := io.CopyN(intoBuffer(w, r), f, int64(limit))
			return seen(n, err)
		}}
	case 19:
		return step{"read all", func(_ http.ResponseWriter, r *http.Request) string {
			n, err := io.Copy(io.Discard, r.Body)
			return seen(n, err)
		}}
	case 20:
		if r.IntN(2) == 0 {
			return step{"close the body", func(_ http.ResponseWriter, r *http.Request) string { return seen(0, r.Body.Close()) }}
		}
		return step{"read 3 bytes", func(_ http.ResponseWriter, r *http.Request) string {
			n, err := io.ReadFull(r.Body, make([]byte, 3))
			return seen(int64(n), err)
		}}
	default:
		switch r.IntN(4) {
		case 0:
			return step{"panic", func(http.ResponseWriter, *http.Request) string { panic("random") }}
		case 1:
			return step{"ErrAbortHandler", func(http.ResponseWriter, *http.Request) string { panic(http.ErrAbortHandler) }}
		case 2:
			return step{"full duplex", func(w http.ResponseWriter, _ *http.Request) string {
				return seen(0, http.NewResponseController(w).EnableFullDuplex())
			}}
		default:
			return step{"write deadline", func(w http.ResponseWriter, _ *http.Request) string {
				return seen(0, http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)))
			}}
		}
	}
}

// script is a random handler and the request to it.
type script struct {
	steps []step
	raw   string
	said  chan string // what the steps returned
}

var aRequest = of(getLine, getLine, headLine, get10, alive10, post5, chunked5,
	"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")

func aScript(r *rand.Rand, file string) *script {
	p := &script{steps: make([]step, 1+r.IntN(8)), raw: aRequest(r), said: make(chan string, 1)}
	for i := range p.steps {
		p.steps[i] = aStep(r, file)
	}
	return p
}

func (p *script) String() string {
	var names []string
	for _, s := range p.steps {
		names = append(names, s.name)
	}
	return strings.Join(names, "; ")
}

func (p *script) has(any ...string) bool {
	shown := p.String() + p.raw
	return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(shown, s) })
}

func (p *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host == "probe" {
		return
	}
	var b strings.Builder
	defer func() { p.said <- b.String() }()
	for _, s := range p.steps {
		_, _ = fmt.Fprintf(&b, "%s: %s\n", s.name, s.do(w, r))
	}
}

// compares reports whether both servers must do the same. The rest are known differences, or tests of their own.
func (p *script) compares() bool {
	switch {
	case strings.Count(p.String(), "read ") > 1: // net/http forgets that it has read the end when a reply begins
	case p.has("identity", "WriteHeader 100") && p.has("read "): // net/http drops the rest of the body in one, and not in the other
	case p.has("Expect") && p.has("read ") && !strings.HasPrefix(runtime.Version(), "go1.26"): // later ones close a body that was not asked for
	default:
		return true
	}
	return false
}

// seenBy returns what a client sees of a reply, and of the connection after it.
func (p *script) seenBy(replies []reply, ended bool) string {
	if p.has("panic", "ErrAbortHandler") {
		return "cut" // how much of it has left is up to the server
	}
	var b strings.Builder
	for _, r := range replies {
		switch {
		case !r.complete:
			return "cut"
		case p.has("HTTP/1.0") && r.status < 200: // net/http sends them
			continue
		case p.has("HTTP/1.0", "duplex"):
			delete(r.header, "Connection") // the version of a reply decides what it means
		}
		_, _ = fmt.Fprintf(&b, "%+v\n", r)
	}
	if p.has("duplex", "Expect", "Transfer-Encoding: ", "Content-Length: ") {
		ended = true // this package goes on more often
	}
	return fmt.Sprint(b.String(), ended)
}

// overHTTP1 runs the program on the server at addr.
func (p *script) overHTTP1(t *testing.T, addr string) string {
	nc, in := dial(t, addr)
	defer func() { _ = nc.Close() }()
	method, _, _ := strings.Cut(p.raw, " ")
	_, err := io.WriteString(nc, p.raw)
	require.NoError(t, err)
	var replies []reply
	for last := false; !last && err == nil; {
		var r *http.Response
		if r, err = http.ReadResponse(in, &http.Request{Method: method}); err == nil {
			replies, last = append(replies, p.read(t, r)), r.StatusCode >= 200
		}
	}
	if err == nil {
		_, _ = io.WriteString(nc, "HEAD / HTTP/1.1\r\nHost: probe\r\n\r\n") // may fail if the server has closed
		_, err = http.ReadResponse(in, &http.Request{Method: http.MethodHead})
	}
	return <-p.said + p.seenBy(replies, err != nil)
}

// read reads a reply, and shortens its body and some fields.
func (p *script) read(t *testing.T, r *http.Response) reply {
	got := readReply(t, r)
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, got.body)
	got.body = fmt.Sprint(len(got.body), " ", sum.Sum32())
	return got
}

// TestRandomHandlersDoWhatTheyDoOnNetHTTP runs random handlers on both servers. HTTPD_SEED repeats a run.
func TestRandomHandlersDoWhatTheyDoOnNetHTTP(t *testing.T) {
	var current atomic.Pointer[script]
	forward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) })
	standard, own := startStandard(t, forward), start(t, forward, nil)
	runScripts(t, func(p *script) {
		current.Store(p)
		require.Equal(t, p.overHTTP1(t, standard), p.overHTTP1(t, own), "%q\n%s", p.raw, p)
	})
}

// runScripts calls run with random scripts: always the same ones, except in the long suite.
func runScripts(t *testing.T, run func(p *script)) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(text("40000")), 0o600))
	seed := uint64(1)
	if os.Getenv("WEIR_LONG") == "1" {
		seed = rand.Uint64()
	}
	if s := os.Getenv("HTTPD_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HTTPD_SEED=%d", seed)
	count := 1000
	if s := os.Getenv("HTTPD_SCRIPTS"); s != "" {
		count, _ = strconv.Atoi(s)
	}
	for n, r := 0, rand.New(rand.NewPCG(seed, 0)); n < count; {
		if p := aScript(r, file); p.compares() {
			run(p)
			n++
		}
	}
}

// TestRandomHandlersDoTheSameInBothVersions runs random handlers over HTTP/2 and on net/http over HTTP/1, which tells
// more of errors than its HTTP/2.
func TestRandomHandlersDoTheSameInBothVersions(t *testing.T) {
	var current atomic.Pointer[script]
	forward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) })
	standard, own := startStandard(t, forward), start(t, forward, nil)
	client2 := h2client(t)
	client1 := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}, Timeout: patience, CheckRedirect: client2.CheckRedirect}
	runScripts(t, func(p *script) {
		if p.has("HTTP/1.0", "Expect", "Transfer-Encoding: ", "read ") { // these differ between the versions
			return
		}
		current.Store(p)
		require.Equal(t, p.asked(t, client1, standard), p.asked(t, client2, own), "%q\n%s", p.raw, p)
	})
}

// asked runs the program on the server at addr, and returns what client sees.
func (p *script) asked(t *testing.T, client *http.Client, addr string) string {
	sent, err := http.ReadRequest(newReader(p.raw))
	require.NoError(t, err)
	body, err := io.ReadAll(sent.Body)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), sent.Method, "http://"+addr, bytes.NewReader(body))
	require.NoError(t, err)
	if sent.ContentLength < 0 {
		r.ContentLength, r.Trailer = -1, sent.Trailer
	}
	got, err := client.Do(r)
	log := <-p.said
	if err != nil {
		return log + "cut"
	}
	defer func() { _ = got.Body.Close() }()
	seen := p.read(t, got)
	seen.length, seen.chunked = 0, false // HTTP/2 has no chunks, and may have a length with trailers
	for _, name := range []string{"Connection", "Upgrade", "Content-Length", "Trailer", "Vary"} {
		delete(seen.header, name)
	}
	maps.DeleteFunc(seen.trailer, func(_ string, values []string) bool { return len(values) == 0 })
	if len(seen.trailer) == 0 || p.has(http.TrailerPrefix) { // HTTP/1 sends those only with chunks
		seen.trailer = nil
	}
	return log + p.seenBy([]reply{seen}, true)
}

// TestRandomHandlersDoTheSameBehindCompress runs random handlers with and without Compress, for a client that decompresses.
func TestRandomHandlersDoTheSameBehindCompress(t *testing.T) {
	var current atomic.Pointer[script]
	forward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) })
	plain, compressed := start(t, forward, nil), start(t, Compress(forward, nil), nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience, CheckRedirect: h2client(t).CheckRedirect}
	runScripts(t, func(p *script) {
		if p.has("HTTP/1.0", "Expect", "Transfer-Encoding: chunked") {
			return
		}
		current.Store(p)
		got := strings.ReplaceAll(p.asked(t, client, compressed), `W/"a"`, `"a"`)
		require.Equal(t, p.asked(t, client, plain), got, "%q\n%s", p.raw, p)
	})
}
