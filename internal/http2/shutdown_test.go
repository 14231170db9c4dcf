package http2

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// leave takes a raw client through both steps of a shutdown.
func leave(r *raw, server *Conn) {
	server.Shutdown()
	require.Contains(r.t, r.heard(), "GOAWAY 0 NO_ERROR  last=2147483647")
	r.ok(r.fr.WritePing(true, goodbye))
	synctest.Wait()
}

// TestShutdownAwaitsStreamsInFlight has a slow request, and a body that is still being sent, after both steps.
func TestShutdownAwaitsStreamsInFlight(t *testing.T) {
	var server atomic.Pointer[Conn]
	inRaw(t, nil, func(x *exchange) {
		server.Store(x.c)
		body, err := x.readAll()
		require.NoError(t, err)
		time.Sleep(time.Minute)
		x.respond(200, body)
	}, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/")))
		r.ok(r.headers(3, true, get("/")))
		synctest.Wait()
		leave(r, server.Load())
		require.Contains(t, r.heard(), "GOAWAY 0 NO_ERROR  last=3")
		r.ok(r.fr.WriteData(1, false, []byte("hel")))
		time.Sleep(time.Second)
		r.ok(r.fr.WriteData(1, true, []byte("lo")))
		time.Sleep(59*time.Second + time.Nanosecond)
		require.Contains(t, r.heard(), "HEADERS 3 :status=200")
		require.False(t, r.ended(), "one is left")
		time.Sleep(time.Second)
		require.Contains(t, r.heard(), "HEADERS 1 :status=200")
		require.Contains(t, r.heard(), "DATA 1 5 END")
		require.True(t, r.ended())
	})
}

// TestRequestsBehindTheSecondGoAwayAreNotLookedAt has a client that has not received it yet. The request, its body, its
// reset and its trailers are dropped, the tables of header compression agree, and the credit of the connection is
// returned.
func TestRequestsBehindTheSecondGoAwayAreNotLookedAt(t *testing.T) {
	var server *Conn
	var mu sync.Mutex
	var paths []string
	inRaw(t, &Config{ConnWindow: 65535}, func(x *exchange) {
		mu.Lock()
		server, paths = x.c, append(paths, x.request.Path)
		mu.Unlock()
		body, _ := x.readAll()
		x.respond(200, body)
	}, func(r *raw) {
		r.ok(r.headers(1, false, request("POST", "/first")))
		synctest.Wait()
		leave(r, server)
		r.ok(r.headers(3, false, request("POST", "/late", "x-own", "1")))
		for range 20 { // more than the window of the connection
			r.ok(r.fr.WriteData(3, false, make([]byte, 16<<10)))
			synctest.Wait()
		}
		r.ok(r.headers(3, true, []Field{{Name: "x-trailer", Value: "1"}}))
		r.ok(r.headers(5, true, get("/later")))
		r.ok(r.fr.WriteRSTStream(5, frames.ErrCodeCancel))
		r.ok(r.fr.WriteWindowUpdate(3, 1))
		require.Equal(t, 2, r.count("GOAWAY"))
		require.Zero(t, r.count("RST_STREAM"))
		require.NotZero(t, r.count("WINDOW_UPDATE 0"))
		require.False(t, r.ended())
		r.ok(r.fr.WriteData(1, true, []byte("x")))
		require.Contains(t, r.heard(), "DATA 1 1 END")
		require.True(t, r.ended())
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []string{"/first"}, paths)
	})
}

// TestShutdownOfAnIdleConnectionEndsIt has the second step follow an acknowledgement, or a second.
func TestShutdownOfAnIdleConnectionEndsIt(t *testing.T) {
	for name, answers := range map[string]bool{"that answers": true, "that does not": false} {
		t.Run(name, func(t *testing.T) {
			deafRaw(t, func(r *raw, server *Conn) {
				go r.read()
				synctest.Wait()
				began := time.Now()
				server.Shutdown()
				server.Shutdown() // has no effect
				if answers {
					synctest.Wait()
					r.ok(r.fr.WritePing(true, goodbye))
				} else {
					time.Sleep(time.Second)
				}
				require.True(t, r.ended())
				require.Equal(t, 2, r.count("GOAWAY"))
				require.Equal(t, answers, time.Since(began) == 0)
				require.ErrorIs(t, server.Err(), errOver)
			})
		})
	}
}

// TestNoRequestIsLostInAShutdown opens streams continuously while servers shut down. Each is answered, or known not to
// have been processed.
func TestNoRequestIsLostInAShutdown(t *testing.T) {
	for range 20 {
		var served sync.Map
		c, s := connect(t, nil, nil, func(x *exchange) {
			body, _ := x.readAll()
			served.Store(x.request.Path, true)
			x.respond(200, body)
		})
		var all sync.WaitGroup
		begun := make(chan struct{}, 1)
		for g := range 8 {
			all.Go(func() {
				for i := 0; ; i++ {
					path := "/" + strings.Repeat("x", g) + itoa(uint32(i))
					complete, err := post(c, path)
					var failure *StreamError
					switch looked, _ := served.Load(path); {
					case err == nil && complete:
						select {
						case begun <- struct{}{}:
						default:
						}
						continue
					case err == nil:
						t.Error(path, "is not complete")
					case looked != nil:
						t.Error(path, "was served and failed with", err)
					case !errors.As(err, &failure) || !failure.Unprocessed():
						t.Error(path, "is lost:", err)
					}
					return
				}
			})
		}
		<-begun
		s.Shutdown()
		all.Wait()
	}
}

// post sends a body and reports whether it was echoed.
func post(c *Conn, path string) (complete bool, err error) {
	ctx := context.Background()
	s, err := c.Open(ctx, request("POST", path), false)
	if err != nil {
		return false, err
	}
	if err := s.Out.Finish(ctx, []byte(path), nil); err != nil {
		return false, err
	}
	if _, err := s.Head(ctx); err != nil {
		return false, err
	}
	body, err := io.ReadAll(reader{&s.In})
	return string(body) == path, err
}
