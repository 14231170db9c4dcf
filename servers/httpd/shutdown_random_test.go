package httpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
)

// TestShutdownAmongRandomConnections shuts a server down at a random time. Requests that had begun and whose clients
// and handlers are done in time are answered completely, and nothing is left.
func TestShutdownAmongRandomConnections(t *testing.T) {
	first := rand.Uint64()
	for seed := first; seed < first+50; seed++ {
		synctest.Test(t, func(t *testing.T) { shutDownAtRandom(t, seed) })
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

func shutDownAtRandom(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	ms := func(n int) time.Duration { return time.Duration(rnd.IntN(n)) * time.Millisecond }
	var running atomic.Int64
	handler := func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		wait, _ := time.ParseDuration(r.URL.Query().Get("d"))
		switch r.URL.Path {
		case "/hijack":
			nc, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			_, _ = io.Copy(nc, rw)
			_ = nc.Close()
			return
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte("tick")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
			return
		case "/early":
			_, _ = w.Write([]byte("early "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(wait)
			_, _ = w.Write([]byte("late"))
			return
		}
		time.Sleep(wait)
		p, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = w.Write(append([]byte("got "), p...))
		}
	}
	var network chaniotest.Network
	ln, err := network.Listen("server")
	require.NoError(t, err)
	srv := New(http.HandlerFunc(handler), nil)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	began := time.Now()
	at, limit := time.Second+ms(50), 500*time.Millisecond+ms(8000)
	h2 := &http.Transport{Protocols: h2only(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return network.DialContext(ctx, "mem", "server")
	}}
	var all sync.WaitGroup
	var mu sync.Mutex
	var log []string
	endless := false
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf("%v ", time.Since(began))+fmt.Sprintf(format, args...))
	}
	// must reports a request that had begun before the shutdown, and could end in time.
	must := func(start, end time.Duration) bool { return start < at && end < at+limit-50*time.Millisecond }
	for range 1 + rnd.IntN(12) {
		start, wait, gap := ms(2000), ms(3000), ms(1500)
		kind := rnd.IntN(9)
		size := rnd.IntN(3) * rnd.IntN(100_000)
		if kind == 4 && start < at {
			endless = true
		}
		all.Add(1)
		go func() {
			defer all.Done()
			time.Sleep(start)
			switch kind {
			case 0, 1, 2, 6: // HTTP/1, in two pieces
				nc, err := network.DialContext(context.Background(), "mem", "server")
				if err != nil {
					return
				}
				defer func() { _ = nc.Close() }()
				path := []string{"/", "/", "/early", "", "", "", "/"}[kind]
				raw := fmt.Sprintf("POST %s?d=%v HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, wait, size, strings.Repeat("b", size))
				cut := len(raw) / 3
				if kind == 6 {
					cut = 10
				}
				go func() {
					_, _ = io.WriteString(nc, raw[:cut])
					time.Sleep(gap)
					_, _ = io.WriteString(nc, raw[cut:])
				}()
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(resp.Body)
				}
				want := "got " + strings.Repeat("b", size)
				if path == "/early" {
					want = "early late"
				}
				if err == nil && resp.StatusCode == 200 && string(body) != want {
					note("WRONG body %d", len(body))
				}
				end := start + wait + gap
				if must(start, end) && (err != nil || resp.StatusCode != 200) {
					note("LOST kind %d start %v wait %v gap %v size %d: %v %v", kind, start, wait, gap, size, err, resp)
				}
			case 3:
				nc, err := network.DialContext(context.Background(), "mem", "server")
				if err != nil {
					return
				}
				defer func() { _ = nc.Close() }()
				_, _ = io.WriteString(nc, "GET /hijack HTTP/1.1\r\nHost: a\r\n\r\n")
				time.Sleep(gap)
				_, werr := io.WriteString(nc, "hello")
				time.Sleep(gap)
				_ = nc.(interface{ CloseWrite() error }).CloseWrite()
				p, err := io.ReadAll(nc)
				if start+2*gap < at-10*time.Millisecond && string(p) != "hello" {
					note("LOST hijacked start %v gap %v %q %v %v", start, gap, p, err, werr)
				}
			case 4:
				nc, err := network.DialContext(context.Background(), "mem", "server")
				if err != nil {
					return
				}
				defer func() { _ = nc.Close() }()
				_, _ = io.WriteString(nc, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil {
					return
				}
				_, _ = io.ReadAll(resp.Body)
			case 5: // idle
				nc, err := network.DialContext(context.Background(), "mem", "server")
				if err != nil {
					return
				}
				_, _ = io.ReadAll(nc)
				_ = nc.Close()
			default:
				pr, pw := io.Pipe()
				go func() {
					_, _ = pw.Write([]byte(strings.Repeat("b", size/2)))
					time.Sleep(gap)
					_, _ = pw.Write([]byte(strings.Repeat("b", size-size/2)))
					_ = pw.Close()
				}()
				path := []string{"/", "/early"}[kind%2]
				req, _ := http.NewRequest("POST", fmt.Sprintf("http://server%s?d=%v", path, wait), pr)
				resp, err := h2.RoundTrip(req)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				_ = pr.Close()
				want := "got " + strings.Repeat("b", size)
				if path == "/early" {
					want = "early late"
				}
				if err == nil && string(body) != want {
					note("WRONG body %d of %d", len(body), size)
				}
				if must(start, start+wait+gap) && err != nil {
					note("LOST h2 start %v wait %v gap %v size %d: %v", start, wait, gap, size, err)
				}
			}
		}()
	}
	time.Sleep(at)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	err = srv.Shutdown(ctx)
	cancel()
	took := time.Since(began) - at
	if took > limit+6*time.Second {
		note("SLOW shutdown %v of %v", took, limit)
	}
	if err == nil && endless {
		note("FAULT endless, and no error, %v", took)
	}
	if err != nil && took < limit {
		note("EARLY %v %v %v", err, took, limit)
	}
	require.NoError(t, <-served)
	if n := running.Load(); n > 0 {
		note("LEFT %d handlers", n)
	}
	all.Wait()
	h2.CloseIdleConnections()
	time.Sleep(time.Minute) // the goroutines of the clients end
	if len(log) > 0 {
		t.Errorf("seed %d at %v limit %v: %s", seed, at, limit, strings.Join(log, "\n"))
	}
}
