package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptrace"
	"net/http/pprof"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func TestTimeoutHandler(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/slow", http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}), 20*time.Millisecond, "too slow"))
	mux.Handle("/quick", http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Own", "kept")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.Copy(w, r.Body)
	}), ecosystem.Patience, ""))
	mux.Handle("/panic", http.TimeoutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}), ecosystem.Patience, ""))
	ecosystem.Both(t, mux, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		resp, body := s.Get(t, client, "/slow")
		require.Equal(t, 503, resp.StatusCode)
		require.Equal(t, "too slow", body)
		resp, body = s.Do(t, client, http.MethodPost, "/quick", strings.NewReader("hello"))
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		require.Equal(t, "kept", resp.Header.Get("X-Own"))
		require.Equal(t, "hello", body)
		_, err := client.Get(s.URL + "/panic") //nolint:bodyclose // there is none
		require.Error(t, err)
		_, body = s.Do(t, client, http.MethodPost, "/quick", strings.NewReader("again"))
		require.Equal(t, "again", body)
	})
}

func TestMaxBytesHandler(t *testing.T) {
	h := http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := io.ReadAll(r.Body)
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, fmt.Sprint(large.Limit, " ", len(p)), http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = w.Write(p)
	}), 1000)
	ecosystem.Both(t, h, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		for range 2 {
			resp, body := s.Do(t, client, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1001)))
			require.Equal(t, 413, resp.StatusCode)
			require.Equal(t, "1000 1000\n", body)
			_, body = s.Do(t, client, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1000)))
			require.Len(t, body, 1000)
		}
	})
}

func TestStripPrefixAndFileServer(t *testing.T) {
	files := fstest.MapFS{
		"a.txt":            {Data: []byte("0123456789"), ModTime: time.Unix(1e9, 0)},
		"dir/index.html":   {Data: []byte("<p>index"), ModTime: time.Unix(1e9, 0)},
		"other/b.unknown":  {Data: []byte{0, 1, 2, 3}, ModTime: time.Unix(1e9, 0)},
		"other/<name>.txt": {Data: []byte("x"), ModTime: time.Unix(1e9, 0)},
	}
	h := http.StripPrefix("/static", http.FileServer(http.FS(files)))
	ecosystem.Both(t, h, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		resp, body := s.Get(t, client, "/static/a.txt")
		require.Equal(t, "0123456789", body)
		require.Equal(t, "10", resp.Header.Get("Content-Length"))
		require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
		modified := resp.Header.Get("Last-Modified")
		resp, body = s.Get(t, client, "/static/a.txt", "If-Modified-Since", modified)
		require.Equal(t, 304, resp.StatusCode)
		require.Empty(t, body)
		resp, body = s.Get(t, client, "/static/a.txt", "Range", "bytes=2-4")
		require.Equal(t, 206, resp.StatusCode)
		require.Equal(t, "bytes 2-4/10", resp.Header.Get("Content-Range"))
		require.Equal(t, "234", body)
		resp, _ = s.Get(t, client, "/static/a.txt", "Range", "bytes=20-")
		require.Equal(t, 416, resp.StatusCode)
		resp, body = s.Get(t, client, "/static/a.txt", "Range", "bytes=0-1,8-9")
		require.Equal(t, 206, resp.StatusCode)
		_, boundary, _ := strings.Cut(resp.Header.Get("Content-Type"), "boundary=")
		parts := multipart.NewReader(strings.NewReader(body), boundary)
		for _, want := range []string{"01", "89"} {
			part, err := parts.NextPart()
			require.NoError(t, err)
			p, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
		resp, _ = s.Do(t, client, http.MethodHead, "/static/a.txt", nil)
		require.EqualValues(t, 10, resp.ContentLength)
		resp, _ = s.Get(t, client, "/static/dir")
		require.Equal(t, 301, resp.StatusCode)
		require.Equal(t, "dir/", resp.Header.Get("Location"))
		_, body = s.Get(t, client, "/static/dir/")
		require.Equal(t, "<p>index", body)
		_, body = s.Get(t, client, "/static/other/")
		require.Contains(t, body, "&lt;name&gt;.txt")
		resp, _ = s.Get(t, client, "/static/none")
		require.Equal(t, 404, resp.StatusCode)
		resp, _ = s.Get(t, client, "/a.txt")
		require.Equal(t, 404, resp.StatusCode)
	})
}

// TestFileServerOfADirectory uses the code in which the kernel sends files.
func TestFileServerOfADirectory(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("0123456789abcdef", 1<<16)
	require.NoError(t, os.WriteFile(dir+"/big", []byte(content), 0o600))
	ecosystem.Both(t, http.FileServer(http.Dir(dir)), func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		_, body := s.Get(t, client, "/big")
		require.True(t, content == body)
		_, body = s.Get(t, client, "/big", "Range", "bytes=100000-900000")
		require.True(t, content[100000:900001] == body)
	})
}

func TestResponseController(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		require.NoError(t, rc.SetWriteDeadline(time.Now().Add(ecosystem.Patience)))
		_, _ = io.WriteString(w, "one")
		require.NoError(t, rc.Flush())
		require.NoError(t, rc.SetWriteDeadline(time.Time{}))
	})
	mux.HandleFunc("/deadline", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		require.NoError(t, rc.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := io.ReadAll(r.Body)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "the body was late")
	})
	mux.HandleFunc("/duplex", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		require.True(t, rc.EnableFullDuplex() == nil || r.ProtoMajor == 2)
		w.WriteHeader(200)
		require.NoError(t, rc.Flush())
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			_, _ = io.WriteString(w, strings.ToUpper(in.Text())+"\n")
			require.NoError(t, rc.Flush())
		}
	})
	ecosystem.Both(t, mux, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		_, body := s.Get(t, client, "/flush")
		require.Equal(t, "one", body)

		pr, pw := io.Pipe()
		_, body = s.Do(t, client, http.MethodPost, "/deadline", pr)
		require.Equal(t, "the body was late", body)
		_ = pw.Close()

		// Each line comes back before the next one is sent. The Transport writes an HTTP/1.1 body concurrently.
		pr, pw = io.Pipe()
		r, err := http.NewRequestWithContext(ecosystem.Within(t), http.MethodPost, s.URL+"/duplex", pr)
		require.NoError(t, err)
		resp, err := client.Do(r)
		require.NoError(t, err)
		in := bufio.NewReader(resp.Body)
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			_, err = io.WriteString(pw, line)
			require.NoError(t, err)
			got, err := in.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, strings.ToUpper(line), got)
		}
		require.NoError(t, pw.Close())
		rest, err := io.ReadAll(in)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, resp.Body.Close())
	})
}

func TestInformationalResponsesAndTrailers(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum")
		p, _ := io.ReadAll(r.Body)
		_, _ = w.Write(p)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	})
	ecosystem.Both(t, h, func(t *testing.T, s ecosystem.Server) {
		var hints []string
		ctx := httptrace.WithClientTrace(ecosystem.Within(t), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, io.MultiReader(strings.NewReader("hello")))
		require.NoError(t, err)
		r.Trailer = http.Header{"X-Sent": {"5"}}
		resp, err := s.Client(t).Do(r)
		require.NoError(t, err)
		p, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "hello", string(p))
		require.Equal(t, []string{"103 </a.css>; rel=preload"}, hints)
		require.Equal(t, http.Header{"X-Sum": {"5"}, "X-Late": {"yes"}}, resp.Trailer)
		require.Empty(t, resp.Header.Get("Link"))
	})
}

func TestExpvarAndPprof(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	ecosystem.Both(t, mux, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		_, body := s.Get(t, client, "/debug/vars")
		var vars map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &vars))
		require.Contains(t, vars, "memstats")
		_, body = s.Get(t, client, "/debug/pprof/")
		require.Contains(t, body, "goroutine?debug=1")
		_, body = s.Get(t, client, "/debug/pprof/goroutine?debug=2")
		require.Contains(t, body, "TestExpvarAndPprof")
		_, body = s.Get(t, client, "/debug/pprof/heap")
		require.True(t, strings.HasPrefix(body, "\x1f\x8b"), "it is a profile, compressed")
		_, body = s.Get(t, client, "/debug/pprof/cmdline")
		require.Contains(t, body, os.Args[0])
		_, body = s.Do(t, client, http.MethodPost, "/debug/pprof/symbol", strings.NewReader("0x1"))
		require.Contains(t, body, "num_symbols")
		// A trace takes the time that the request asks for, which pprof compares with the server's WriteTimeout from
		// the context.
		resp, body := s.Get(t, client, "/debug/pprof/trace?seconds=0.05")
		require.Equal(t, 200, resp.StatusCode, body)
		require.Contains(t, body[:16], "trace")
	})
}

// TestContextOfARequestEnds covers the ends that middleware waits for.
func TestContextOfARequestEnds(t *testing.T) {
	ended := make(chan error, 1)
	entered := make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	ecosystem.Both(t, h, func(t *testing.T, s ecosystem.Server) {
		ctx, cancel := context.WithCancel(ecosystem.Within(t))
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		require.NoError(t, err)
		client := s.Client(t)
		failed := make(chan error, 1)
		go func() {
			_, err := client.Do(r) //nolint:bodyclose // it fails
			failed <- err
		}()
		<-entered
		cancel()
		require.ErrorIs(t, <-failed, context.Canceled)
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
