package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestRequestsAreAnsweredByWhoReceivesThem(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		h, reqs := Requests(nil)
		mux := http.NewServeMux()
		mux.Handle("/jobs", h)
		mux.HandleFunc("/side", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "side by side") })
		s := e.start(t, mux)
		var wg sync.WaitGroup
		for range 3 { // receivers share the channel
			wg.Go(func() {
				for req := range reqs.C(t.Context()) {
					p, err := chanio.ReadAll(t.Context(), req.In(), 1000)
					if err != nil {
						_ = req.Fail(err)
						continue
					}
					_ = req.Reply(Text(strings.ToUpper(string(p))))
				}
			})
		}
		var clients sync.WaitGroup
		for i := range 20 {
			clients.Go(func() {
				resp, err := s.client.Post(s.url+"/jobs", "text/plain", strings.NewReader("job "+strconv.Itoa(i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = resp.Body.Close() }()
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != "JOB "+strconv.Itoa(i) {
					t.Errorf("%q %v", body, err)
				}
			})
		}
		clients.Wait()
		_, body, err := s.call(t, http.MethodGet, "/side", nil)
		require.NoError(t, err)
		require.Equal(t, "side by side", body)
		require.NoError(t, reqs.Close())
		wg.Wait()
		resp, _, err := s.call(t, http.MethodGet, "/jobs", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.Equal(t, "1", resp.Header.Get("Retry-After"))
	})
}

func TestRequestIsEndedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(*Request) error
		status int
		body   string
	}{
		"Reply": {func(r *Request) error { return r.Reply(Text("done").WithStatus(201)) }, 201, "done"},
		"Fail":  {func(r *Request) error { return r.Fail(errors.New("failed")) }, 500, "Internal Server Error\n"},
		"Close": {(*Request).Close, 500, "Internal Server Error\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h, reqs := Requests(nil)
			served := make(chan *httptest.ResponseRecorder)
			go func() { served <- record(h, "GET") }()
			req, err := reqs.Recv(t.Context())
			require.NoError(t, err)
			require.NoError(t, req.Context().Err())
			require.NoError(t, c.end(req))
			require.Error(t, req.Context().Err())
			body := &closing{Reader: strings.NewReader("late")}
			require.ErrorIs(t, req.Reply(Reader(body)), ErrAnswered)
			require.EqualValues(t, 1, body.closed.Load())
			require.ErrorIs(t, req.Fail(nil), ErrAnswered)
			require.NoError(t, req.Close())
			req.Abort()
			rec := awaitIn(t, served)
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.body, rec.Body.String())
		})
	}
}

func TestRequestThatIsAbortedGetsNoAnswer(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		h, reqs := Requests(nil)
		s := e.start(t, h)
		failed := make(chan error)
		go func() {
			resp, err := s.client.Post(s.url, "text/plain", strings.NewReader("x"))
			if err == nil {
				_ = resp.Body.Close()
			}
			failed <- err
		}()
		req, err := reqs.Recv(t.Context())
		require.NoError(t, err)
		req.Abort()
		require.Error(t, awaitIn(t, failed))
	})
}

func TestRequestWhoseClientLeaves(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		h, reqs := Requests(nil)
		returned := make(chan struct{}, 2)
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { returned <- struct{}{} }()
			h.ServeHTTP(w, r)
		}))
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
			if resp, err := s.client.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		req, err := reqs.Recv(t.Context())
		require.NoError(t, err)
		leave()
		<-req.Context().Done()
		awaitIn(t, returned)
		require.ErrorIs(t, req.Reply(Text("late")), ErrClientGone)
	})
}

func TestRequestThatWaitsWhileTheQueueIsClosedGets503(t *testing.T) {
	h, reqs := Requests(&RequestsConfig{RetryAfter: 1500 * time.Millisecond})
	served := make(chan *httptest.ResponseRecorder)
	go func() { served <- record(h, "GET") }()
	time.AfterFunc(0, func() { _ = reqs.Close() }) // at any moment
	rec := awaitIn(t, served)
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	require.Equal(t, "2", rec.Header().Get("Retry-After"))
	_, err := reqs.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestRequestThatNobodyTookFromTheChannelGets503(t *testing.T) {
	h, reqs := Requests(nil)
	ctx, cancel := context.WithCancel(t.Context())
	ch := reqs.C(ctx) // its goroutine receives a request
	served := make(chan *httptest.ResponseRecorder)
	go func() { served <- record(h, "GET") }()
	_ = ch
	cancel()
	require.NoError(t, reqs.Close())
	require.Equal(t, http.StatusServiceUnavailable, awaitIn(t, served).Code)
}

func TestUnansweredRequestEndsWithTheShutdownOfItsServer(t *testing.T) {
	h, reqs := Requests(nil)
	addr, srv := startServer(t, h, nil)
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	req, err := reqs.Recv(t.Context())
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = srv.Shutdown(ended) // it may have ended in time
	<-req.Context().Done()
	require.Error(t, req.Reply(Text("late")))
	require.NoError(t, reqs.Close())
}
