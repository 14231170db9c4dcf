package httpd

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// getWithTrailers gets addr and returns the reply, its body with the trailers, and the error of reading.
func getWithTrailers(t *testing.T, client *http.Client, addr string) (r *http.Response, body string, err error) {
	t.Helper()
	r, err = client.Get("http://" + addr)
	require.NoError(t, err)
	p, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	return r, string(p), err
}

// clients returns one client for each version.
func clients(t *testing.T) map[string]*http.Client {
	old := &http.Transport{}
	t.Cleanup(old.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1.1": {Transport: old}, "HTTP/2": h2client(t)}
}

func TestTrailersOfAReplyFollowItsBody(t *testing.T) {
	for name, make := range map[string]func() Response{
		"stream": func() Response { return TextStream(chanio.FromSlice([]string{"hel", "lo"})) },
		"text":   func() Response { return Text("hello") },
		"long":   func() Response { return Text(strings.Repeat("x", 9000)) },
		"reader": func() Response { return Reader(strings.NewReader("hello")) },
		"length": func() Response { return Text("hello").With("Content-Length", "5") },
		"empty":  func() Response { return Response{}.WithStatus(200) },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			handler := Reply(func(context.Context, *http.Request) (Response, error) {
				return make().With("X-Count", "in the head").WithTrailer("x-count", func() string {
					return fmt.Sprint(calls.Add(1))
				}).WithTrailer("X-None", func() string { return "" }), nil
			})
			for version, client := range clients(t) {
				for _, addr := range []string{start(t, handler, nil), startStandard(t, handler)} {
					if version == "HTTP/2" && !speaksH2C(client, addr) {
						continue // net/http speaks only HTTP/1 here
					}
					calls.Store(0)
					r, body, err := getWithTrailers(t, client, addr)
					require.NoError(t, err)
					require.Equal(t, body == "" || strings.HasPrefix(body, "hello") || len(body) == 9000, true)
					require.Equal(t, http.Header{"X-Count": {"1"}, "X-None": nil}, r.Trailer, version)
					require.Empty(t, r.Header["X-Count"])
				}
			}
		})
	}
}

func speaksH2C(client *http.Client, addr string) bool {
	r, err := client.Get("http://" + addr)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, r.Body) // the reply has ended before the next request
	_ = r.Body.Close()
	return true
}

func TestRepliesThatHaveNoTrailers(t *testing.T) {
	called := false
	handler := Reply(func(context.Context, *http.Request) (Response, error) {
		return Text("hello").WithTrailer("X-A", func() string {
			called = true
			return "b"
		}), nil
	})
	addr := start(t, handler, nil)
	got := rawReply(t, addr, "GET / HTTP/1.0\r\n\r\n")
	require.Contains(t, got, "Content-Length: 5\r\n")
	require.NotContains(t, got, "X-A")
	got = rawReply(t, addr, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.Contains(t, got, "Content-Length: 5\r\n")
	require.NotContains(t, got, "X-A")
	require.False(t, called)
}

func TestTrailersOutliveCompression(t *testing.T) {
	text := strings.Repeat("hello ", 1000)
	addr := start(t, Compress(Reply(func(context.Context, *http.Request) (Response, error) {
		return Text(text).WithTrailer("X-A", func() string { return "b" }), nil
	}), nil), nil)
	for version, client := range clients(t) {
		r, body, err := getWithTrailers(t, client, addr)
		require.NoError(t, err)
		require.Equal(t, text, body)
		require.Equal(t, version == "HTTP/1.1", r.Uncompressed)
		require.Equal(t, http.Header{"X-A": {"b"}}, r.Trailer, version)
	}
}

func TestInvalidTrailersAreErrors(t *testing.T) {
	value := func() string { return "b" }
	for _, name := range []string{"Content-Length", "transfer-encoding", "Host", "Trailer", "Authorization", "Set-Cookie", "Content-Type", "A B", ""} {
		addr := start(t, Reply(func(context.Context, *http.Request) (Response, error) {
			return Text("hello").WithTrailer(name, value), nil
		}), nil)
		require.Equal(t, "HTTP/1.1 500 Internal Server Error", statusLine(rawReply(t, addr, getLine)), name)
	}
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("hello"), 0o600))
	addr := start(t, Reply(func(context.Context, *http.Request) (Response, error) {
		f, err := File(path)
		return f.WithTrailer("X-A", value), err
	}), nil)
	require.Equal(t, "HTTP/1.1 500 Internal Server Error", statusLine(rawReply(t, addr, getLine)))
	require.Panics(t, func() { Text("x").WithTrailer("X-A", nil) })

	evil := Reply(func(context.Context, *http.Request) (Response, error) {
		return TextStream(chanio.FromSlice([]string{"hello"})).WithTrailer("X-A", func() string { return "b\r\nC: d" }), nil
	})
	for version, client := range clients(t) {
		_, _, err := getWithTrailers(t, client, start(t, evil, nil))
		require.Error(t, err, version)
	}
}

func TestReplyThatFailsHasNoTrailers(t *testing.T) {
	addr := start(t, Reply(func(context.Context, *http.Request) (Response, error) {
		sink := chanio.NewSource(chanio.SourceHooks[string]{Next: failSecond()})
		return TextStream(sink).WithTrailer("X-A", func() string { panic("called") }), nil
	}), nil)
	for version, client := range clients(t) {
		r, _, err := getWithTrailers(t, client, addr)
		require.Error(t, err, version)
		require.Equal(t, http.Header{"X-A": nil}, r.Trailer)
	}
}

func failSecond() func(context.Context) (string, error) {
	n := 0
	return func(context.Context) (string, error) {
		if n++; n > 1 {
			return "", errBoom
		}
		return "hello", nil
	}
}

func TestTrailersOfANativeReply(t *testing.T) {
	native, over := startNative(t, func(ctx context.Context, x Exchange) error {
		for _, bad := range [][2]string{{"Content-Length", "5"}, {"Host", "a"}, {"A B", "c"}, {"X-A", "b\r\nC: d"}, {"X-A", " b"}} {
			if x.AddTrailer(bad[0], bad[1]) == nil {
				return errors.New(bad[0])
			}
		}
		switch x.Target() {
		case "/early":
			return errors.Join(x.AddTrailer("X-A", "b"), x.Reply(200, "a/b", []byte("hello")))
		case "/late":
			_, err := x.Write([]byte("hello"))
			return errors.Join(err, x.AddTrailer("X-A", "b"))
		case "/flushed":
			_, err := x.Write([]byte("hello"))
			return errors.Join(err, x.Flush(ctx), x.AddTrailer("X-A", "b"))
		case "/more":
			return errors.Join(x.AddTrailer("X-A", "a"), x.Reply(200, "a/b", []byte("hello")), x.AddTrailer("X-B", "b"))
		case "/sized":
			if err := x.Reply(200, "a/b", []byte("hello")); err != nil {
				return err
			}
			if !errors.Is(x.AddTrailer("X-A", "b"), errNoTrailers) {
				return errors.New("a trailer behind a length")
			}
			return nil
		case "/failed":
			return errors.Join(x.AddTrailer("X-A", "b"), errBoom)
		case "/failed-body":
			_, err := x.Read(ctx, make([]byte, 5))
			return errors.Join(x.AddTrailer("X-A", "b"), errBoom, err)
		}
		w, _ := x.HTTP()
		if x.AddTrailer("X-A", "b") == nil {
			return errors.New("a trailer beside HTTP")
		}
		_, err := io.WriteString(w, "hello")
		return err
	}, nil)
	const tail = "5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"
	for target, want := range map[string]string{
		"/early": tail, "/late": tail, "/flushed": tail, "/sized": "\r\n\r\nhello", "/http": "\r\n\r\nhello",
		"/failed": "Internal Server Error\n",
	} {
		got := rawReply(t, native, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		require.True(t, strings.HasSuffix(got, want), target+got)
		require.Equal(t, target == "/early", strings.Contains(got, "Trailer: X-A\r\n"))
	}
	require.True(t, strings.HasSuffix(rawReply(t, over, "GET /failed HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\n\r\nInternal Server Error\n"))
	got := rawReply(t, native, "POST /failed-body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	require.True(t, strings.HasSuffix(got, "\r\n\r\nInternal Server Error\n"), got)
	for _, version := range []string{"GET /early HTTP/1.0\r\n\r\n", "HEAD /early HTTP/1.1\r\nHost: a\r\n\r\n"} {
		require.NotContains(t, rawReply(t, native, version), "X-A: b")
	}
	for _, target := range []string{"/early", "/late", "/flushed"} {
		r, body, err := getWithTrailers(t, clients(t)["HTTP/2"], over+target)
		require.NoError(t, err)
		require.Equal(t, "hello", body)
		require.Equal(t, http.Header{"X-A": {"b"}}, r.Trailer)
	}
	for version, client := range clients(t) {
		r, body, err := getWithTrailers(t, client, over+"/more")
		require.NoError(t, err, version)
		require.Equal(t, "hello", body, version)
		require.Equal(t, http.Header{"X-A": {"a"}, "X-B": {"b"}}, r.Trailer, version)
	}
	_, body, err := getWithTrailers(t, clients(t)["HTTP/2"], over+"/sized")
	require.NoError(t, err)
	require.Equal(t, "hello", body)
}

func TestNativeRepliesOfOneConnectionShareNoTrailers(t *testing.T) {
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		if x.Target() == "/path?q=1" {
			return x.Reply(200, "a/b", []byte("hello"))
		}
		return errors.Join(x.AddTrailer("X-A", "b"), x.Reply(200, "a/b", []byte("hello")))
	}, nil)
	got := rawReply(t, native, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"+getLine)
	require.Equal(t, 2, countReplies(got))
	require.Equal(t, 1, strings.Count(got, "X-A: b"))
	require.Contains(t, got, "Content-Length: 5")
}

// TestRepliesOfOtherServersHaveNoTrailersOfANativeReply has a Server use the memory of a native reply with trailers.
func TestRepliesOfOtherServersHaveNoTrailersOfANativeReply(t *testing.T) {
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		return errors.Join(x.AddTrailer("X-A", "b"), x.Reply(200, "a/b", []byte("hello")))
	}, nil)
	other := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush() // makes the body chunked
	}), nil)
	for range 20 { // the memory comes from a pool that may forget
		require.Contains(t, rawReply(t, native, getLine), "X-A: b")
		require.NotContains(t, rawReply(t, other, getLine), "X-A")
	}
}

const trailed = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n%x\r\n%s\r\n0\r\nX-A: b\r\n\r\n"

func TestTrailersOfANativeRequest(t *testing.T) {
	native, over := startNative(t, func(ctx context.Context, x Exchange) error {
		before := x.Trailer("x-a")
		body, err := x.ReadBody(ctx, 10)
		return errors.Join(err, x.Reply(200, "", []byte(before+string(body)+x.Trailer("x-a"))))
	}, nil)
	for _, addr := range []string{native, over} {
		got := rawReply(t, addr, fmt.Sprintf(trailed, "", 5, "hello")+getLine+post5)
		bodies := strings.Split(got, "\r\n\r\n")
		require.Len(t, bodies, 4, "of three replies")
		require.True(t, strings.HasPrefix(bodies[1], "hellob"))
		require.True(t, strings.HasPrefix(bodies[2], "HTTP/1.1"), "nothing is left of the request before")
		require.Equal(t, "hello", bodies[3])
	}
}

// TestDecompressedRequestsKeepTheirTrailers sends trailers that were not announced.
func TestDecompressedRequestsKeepTheirTrailers(t *testing.T) {
	var gz, zl bytes.Buffer
	for buf, w := range map[*bytes.Buffer]io.WriteCloser{&gz: gzip.NewWriter(&gz), &zl: zlib.NewWriter(&zl)} {
		_ = buf
		_, _ = io.WriteString(w, "hello")
		require.NoError(t, w.Close())
	}
	outer := make(chan http.Header, 1)
	inner := Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s%v%v", body, err, r.Trailer)
	}), nil)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		outer <- r.Trailer
	})
	for _, addr := range []string{start(t, handler, nil), startStandard(t, handler)} {
		for coding, packed := range map[string]string{"gzip": gz.String(), "deflate": zl.String()} {
			for _, announced := range []string{"", "Trailer: X-A\r\n"} {
				raw := fmt.Sprintf(trailed, "Content-Encoding: "+coding+"\r\nConnection: close\r\n"+announced, len(packed), packed)
				require.Contains(t, rawReply(t, addr, raw), "hello<nil>map[X-A:[b]]", coding)
				require.Equal(t, http.Header{"X-A": {"b"}}, <-outer)
			}
		}
	}
	for coding, packed := range map[string]string{"gzip": gz.String(), "deflate": zl.String()} {
		u, _ := url.Parse("http://" + start(t, handler, nil))
		body := io.NopCloser(strings.NewReader(packed))
		req := &http.Request{Method: "POST", URL: u, Header: http.Header{"Content-Encoding": {coding}}, Body: body, ContentLength: -1, Trailer: http.Header{"X-A": {"b"}}}
		r, err := h2client(t).Do(req)
		require.NoError(t, err)
		got, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		require.Equal(t, "hello<nil>map[X-A:[b]]", string(got))
		<-outer
	}
}

func TestReceivedRequestsHaveTheirTrailers(t *testing.T) {
	h, reqs := Requests(nil)
	for _, handler := range []http.Handler{h, Decompress(h, nil)} {
		addr := start(t, handler, &Config{HalfClose: true}) // rawReply closes its side after the request
		go func() {
			req, err := reqs.Recv(context.Background())
			if err != nil {
				return
			}
			body, err := chanio.ReadAll(context.Background(), req.In(), 100)
			_ = req.Reply(Text(fmt.Sprintf("%s%v%v", body, err, req.Trailer)))
		}()
		require.True(t, strings.HasSuffix(rawReply(t, addr, fmt.Sprintf(trailed, "", 5, "hello")), "hello<nil>map[X-A:[b]]"))
	}
	require.NoError(t, reqs.Close())
}

func TestBytesBehindACompressedBodyAreRefused(t *testing.T) {
	var zl bytes.Buffer
	w := zlib.NewWriter(&zl)
	_, _ = io.WriteString(w, "hello")
	require.NoError(t, w.Close())
	handler := Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed(w, r, err)
	}), nil)
	body := zl.String() + strings.Repeat("x", 1<<20)
	raw := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	require.Equal(t, "HTTP/1.1 400 Bad Request", statusLine(rawReply(t, start(t, handler, nil), raw)))
}

func TestMaxBodyOfARoute(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			failed(w, r, err)
			return
		}
		_, _ = fmt.Fprint(w, len(body))
	})
	mux := http.NewServeMux()
	for _, n := range []int64{0, 4, 5, 6} {
		mux.Handle(fmt.Sprintf("/%d", n), MaxBody(read, n))
	}
	sized := func(n int) string {
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", n)
	}
	chunks := func(n int) string {
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", n)
	}
	for _, addr := range []string{start(t, mux, nil), startStandard(t, mux)} {
		for n, want := range map[int]int{0: 413, 4: 413, 5: 200, 6: 200} {
			for _, raw := range []string{sized(n), chunks(n)} {
				require.Contains(t, statusLine(rawReply(t, addr, raw)), fmt.Sprint(want), raw)
			}
		}
	}
	for n, want := range map[int]int{4: 413, 5: 200} {
		r, err := h2client(t).Post(fmt.Sprintf("http://%s/%d", start(t, mux, nil), n), "a/b", io.MultiReader(strings.NewReader("hello")))
		require.NoError(t, err)
		_ = r.Body.Close()
		require.Equal(t, want, r.StatusCode)
	}
	lower := start(t, MaxBody(read, 100), &Config{MaxBody: 4})
	require.Contains(t, statusLine(rawReply(t, lower, chunks(0))), "413", "the limit of the Config is lower")

	called := false
	limited := MaxBody(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }), 4)
	require.Contains(t, statusLine(rawReply(t, start(t, limited, nil), sized(0))), "413")
	require.False(t, called, "the handler is not called if the length tells")
	limited.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.True(t, called)
	require.Panics(t, func() { MaxBody(nil, 1) })
	require.Panics(t, func() { MaxBody(read, -1) })
}
