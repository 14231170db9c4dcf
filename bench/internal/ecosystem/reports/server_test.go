package reports

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/servers/httpd"
)

var plain = ecosystem.Ways[0]

// paths is a handler that records the requested paths and does not read bodies.
type paths struct {
	mu  sync.Mutex
	all []string
}

func (p *paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, r.Method+" "+r.URL.Path)
	_, _ = io.WriteString(w, "hello")
}

func (p *paths) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

// dial returns a connection to s and a reader of it.
func dial(t *testing.T, s ecosystem.Server) (net.Conn, *bufio.Reader) {
	nc, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(ecosystem.Patience)))
	return nc, bufio.NewReader(nc)
}

// response reads a response and its body.
func response(t *testing.T, in *bufio.Reader) *http.Response {
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	p, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	resp.Body = io.NopCloser(bytes.NewReader(p))
	return resp
}

// valyala/fasthttp 1899 and 2134: a newline in a chunk extension hid a request from one of two parsers.
func TestNewlineInAChunkExtensionIsRefused(t *testing.T) {
	seen := new(paths)
	s := ecosystem.Serve(t, plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen.ServeHTTP(w, r)
	}), nil)
	for _, extension := range []string{"\nxx", ";a\nGET /smuggled HTTP/1.1\r\nHost: x", ";\n", ";a=\"\n\""} {
		nc, _ := dial(t, s)
		_, err := io.WriteString(nc, "POST /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2"+extension+
			"\r\nxx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, nc) // until the server has closed
		require.NotContains(t, seen.take(), "GET /smuggled", "%q", extension)
	}
}

// valyala/fasthttp 2368 and 285, denoland/deno 34446: a body that the handler did not read was parsed as requests.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	seen := new(paths)
	s := ecosystem.Serve(t, plain, seen, nil)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, body := range map[string]string{"short": smuggled, "long": strings.Repeat("x", 8<<10) + smuggled, "endless": strings.Repeat("x", 1<<20) + smuggled} {
		for _, method := range []string{"POST", "GET"} {
			for _, chunked := range []bool{false, true} {
				head := fmt.Sprintf("%s /first HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", method, len(body))
				sent := body
				if chunked {
					head = method + " /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
					sent = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
				}
				nc, in := dial(t, s)
				go func() {
					_, _ = io.WriteString(nc, head+sent+"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				}() // fails once the server has closed
				resp := response(t, in)
				require.Equal(t, 200, resp.StatusCode)
				_, _ = io.Copy(io.Discard, in)
				want := []string{method + " /first", "GET /second"}
				if name == "endless" {
					require.True(t, resp.Close, "the reply says that the connection ends")
					want = want[:1]
				}
				require.Equal(t, want, seen.take(), "%s %s %v", name, method, chunked)
			}
		}
	}
}

// golang/go 11549: the server waited for a body without having sent 100 Continue, and the next request lost its first
// bytes.
func TestBodyThatWasNotInvitedIsNotTakenFromTheNextRequest(t *testing.T) {
	seen := new(paths)
	s := ecosystem.Serve(t, plain, seen, nil)
	nc, in := dial(t, s)
	_, err := io.WriteString(nc, "PUT /first HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	require.NoError(t, err)
	resp := response(t, in)
	require.Equal(t, 200, resp.StatusCode)
	require.True(t, resp.Close, "a client that takes it for the end of the body and one that does not must agree")
	_, _ = io.WriteString(nc, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n") // fails if the server has closed
	rest, _ := io.ReadAll(in)
	require.Empty(t, rest)
	require.Equal(t, []string{"PUT /first"}, seen.take())
}

// golang/go 11930: after the timeout of a body, the bytes that followed were read as a request.
func TestLateBodyIsNoRequest(t *testing.T) {
	seen := new(paths)
	s := ecosystem.Serve(t, plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		assert.Error(t, err)
		seen.ServeHTTP(w, r)
	}), &httpd.Config{BodyTimeout: 20 * time.Millisecond})
	nc, in := dial(t, s)
	_, err := io.WriteString(nc, "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	resp := response(t, in)
	require.True(t, resp.Close)
	_, _ = io.WriteString(nc, "GET /quitquitquit HTTP/1.1\r\nHost: x\r\n\r\n") // fails if the server has closed
	rest, _ := io.ReadAll(in)
	require.Empty(t, rest)
	require.Equal(t, []string{"POST /first"}, seen.take())
}

// golang/go 80949: an informational response and the automatic 100 Continue were interleaved.
func TestInformationalResponsesBesideTheInvitationAreWhole(t *testing.T) {
	s := ecosystem.Serve(t, plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		wg.Go(func() { w.WriteHeader(http.StatusProcessing) })
		p, _ := io.ReadAll(r.Body)
		wg.Wait()
		_, _ = w.Write(p)
	}), nil)
	nc, in := dial(t, s)
	for range 200 {
		_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		require.NoError(t, err)
		seen := map[int]int{}
		for {
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			seen[resp.StatusCode]++
			if resp.StatusCode == http.StatusContinue {
				_, err = io.WriteString(nc, "hello")
				require.NoError(t, err)
			}
			if resp.StatusCode >= 200 {
				p, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, "hello", string(p))
				break
			}
		}
		require.Equal(t, map[int]int{100: 1, 102: 1, 200: 1}, seen)
	}
}

// golang/go 34902 and 53808: a proxy that reads the body after the reply panicked if the body needed a 100 Continue.
func TestInvitationThroughAProxyWhoseBackendDoesNotRead(t *testing.T) {
	for _, way := range ecosystem.Ways {
		t.Run(way.Name, func(t *testing.T) {
			backend := ecosystem.Serve(t, way, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
			}), nil)
			proxy := ecosystem.Serve(t, way, ecosystem.Proxy(t, backend, backend.Ours(t, nil)), nil)
			client := proxy.Client(t)
			client.Transport.(*http.Transport).ExpectContinueTimeout = time.Millisecond
			body := strings.Repeat("x", 100_000)
			var wg sync.WaitGroup
			var bad atomic.Int64
			for range 10 {
				wg.Go(func() {
					for range 10 {
						resp, _ := proxy.Do(t, client, http.MethodPost, "/", strings.NewReader(body), "Expect", "100-continue")
						if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadGateway {
							bad.Add(1)
						}
					}
				})
			}
			wg.Wait()
			require.Zero(t, bad.Load())
		})
	}
}
