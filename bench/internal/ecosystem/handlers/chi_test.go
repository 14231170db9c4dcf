package handlers

import (
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// plain is chi's log format, including panics, which otherwise go to standard error.
type plain struct{ middleware.DefaultLogFormatter }

func (f plain) NewLogEntry(r *http.Request) middleware.LogEntry {
	return plainEntry{f.DefaultLogFormatter.NewLogEntry(r), f.Logger}
}

type plainEntry struct {
	middleware.LogEntry
	logger middleware.LoggerInterface
}

func (e plainEntry) Panic(v any, _ []byte) { e.logger.Print("panic: ", v) }

func TestChiRoutesAndItsMiddleware(t *testing.T) {
	out := new(lines)
	formatter := plain{middleware.DefaultLogFormatter{Logger: log.New(out, "", 0), NoColor: true}}
	r := chi.NewRouter()
	//lint:ignore SA1019 it is in wide use
	r.Use(middleware.RequestID, middleware.RealIP, middleware.RequestLogger(formatter), middleware.Recoverer)
	r.Use(middleware.Compress(5, "text/plain"), middleware.StripSlashes, middleware.Heartbeat("/ping"), middleware.GetHead)
	r.Get("/users/{id:[0-9]+}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat(chi.URLParam(r, "id")+" "+r.RemoteAddr+"\n", 100))
	})
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("planted") })
	r.Route("/api", func(r chi.Router) {
		r.Post("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	})
	ecosystem.Both(t, r, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		resp, body := s.Get(t, client, "/users/42/", "X-Real-IP", "192.0.2.7")
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, s.Proto, resp.Proto)
		require.Equal(t, strings.Repeat("42 192.0.2.7\n", 100), body)
		require.Contains(t, out.String(), s.Addr+"/users/42/ "+s.Proto+"\" from 192.0.2.7 - 200 1300B")

		resp, body = s.Get(t, client, "/users/42", "Accept-Encoding", "gzip")
		require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
		unzipped, err := gzip.NewReader(strings.NewReader(body))
		require.NoError(t, err)
		plain, err := io.ReadAll(unzipped)
		require.NoError(t, err)
		require.Len(t, strings.Split(string(plain), "\n"), 101)

		resp, body = s.Do(t, client, http.MethodHead, "/users/42", nil)
		require.Equal(t, 200, resp.StatusCode)
		require.Empty(t, body)
		resp, _ = s.Get(t, client, "/users/x")
		require.Equal(t, 404, resp.StatusCode)
		resp, _ = s.Get(t, client, "/api/echo")
		require.Equal(t, 405, resp.StatusCode)
		require.Equal(t, "POST", resp.Header.Get("Allow"))
		_, body = s.Do(t, client, http.MethodPost, "/api/echo", strings.NewReader("hello"))
		require.Equal(t, "hello", body)
		_, body = s.Get(t, client, "/ping")
		require.Equal(t, ".", body)

		resp, _ = s.Get(t, client, "/panic")
		require.Equal(t, 500, resp.StatusCode)
		require.Contains(t, out.String(), "panic: planted")
		_, body = s.Get(t, client, "/ping")
		require.Equal(t, ".", body, "the connection goes on behind a panic that was recovered")
	})
}

func TestChiTimeoutEndsTheContext(t *testing.T) {
	r := chi.NewRouter()
	r.Use(middleware.Timeout(20 * time.Millisecond))
	r.Get("/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ecosystem.Both(t, r, func(t *testing.T, s ecosystem.Server) {
		resp, _ := s.Get(t, s.Client(t), "/")
		require.Equal(t, http.StatusGatewayTimeout, resp.StatusCode)
	})
}

func TestChiThrottleRefusesAndHoldsBack(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var running, most atomic.Int32
	r := chi.NewRouter()
	r.With(middleware.Throttle(1)).Get("/one", func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		_, _ = io.WriteString(w, "done")
	})
	r.With(middleware.ThrottleBacklog(1, 10, ecosystem.Patience)).Get("/many", func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		_, _ = io.WriteString(w, "done")
	})
	ecosystem.Both(t, r, func(t *testing.T, s ecosystem.Server) {
		client := s.Client(t)
		var first string
		var wg sync.WaitGroup
		wg.Go(func() { _, first = s.Get(t, client, "/one") })
		<-entered
		resp, _ := s.Get(t, client, "/one")
		require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
		leave <- struct{}{}
		wg.Wait()
		require.Equal(t, "done", first)
		for range 10 {
			wg.Go(func() {
				_, body := s.Get(t, client, "/many")
				assert.Equal(t, "done", body)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, most.Load())
	})
}

// TestChiWrappersKeepWhatAWriterCan shows that chi's wrapper finds the Flusher and Hijacker of either version.
func TestChiWrappersKeepWhatAWriterCan(t *testing.T) {
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		var tee bytes.Buffer
		wrapped.Tee(&tee)
		_, err := io.WriteString(wrapped, "one ")
		require.NoError(t, err)
		require.Implements(t, (*http.Flusher)(nil), wrapped)
		wrapped.(http.Flusher).Flush()
		if r.ProtoMajor == 1 {
			require.Implements(t, (*http.Hijacker)(nil), wrapped)
			n, err := wrapped.(io.ReaderFrom).ReadFrom(strings.NewReader("two"))
			require.NoError(t, err)
			require.EqualValues(t, 3, n)
		} else {
			_, _ = io.WriteString(wrapped, "two")
		}
		require.Equal(t, 7, wrapped.BytesWritten())
		require.Equal(t, 200, wrapped.Status())
		require.Equal(t, "one two", tee.String())
	})
	ecosystem.Both(t, r, func(t *testing.T, s ecosystem.Server) {
		_, body := s.Get(t, s.Client(t), "/")
		require.Equal(t, "one two", body)
	})
}
