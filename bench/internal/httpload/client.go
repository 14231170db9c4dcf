// Package httpload measures HTTP clients, all against the same servers, which use as little processor time as possible.
package httpload

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/weir-go/weir/bench/internal/suite"
	"github.com/weir-go/weir/clients/httpc"
)

// InFlight is the number of concurrent requests.
const InFlight = 64

// Large is the length of a download.
const Large = 64 << 20

// client sends one request and reads the response to its end.
type client struct {
	get   func(url string) error
	close func()
}

// Clients are the clients that can be measured, by name.
func Clients(http2 bool) map[string]func() client {
	all := map[string]func() client{
		"weir httpc": func() client {
			c := httpc.New(&httpc.Config{Protocols: protocols(http2), Proxy: httpc.Direct})
			return client{get: throughRoundTripper(c), close: func() { _ = c.Close() }}
		},
		"net/http": func() client {
			t := &http.Transport{MaxIdleConnsPerHost: InFlight, MaxConnsPerHost: InFlight, Protocols: protocols(http2)}
			return client{get: throughRoundTripper(t), close: t.CloseIdleConnections}
		},
	}
	if !http2 {
		all["fasthttp"] = func() client {
			c := &fasthttp.Client{MaxConnsPerHost: InFlight, StreamResponseBody: true}
			return client{get: throughFasthttp(c), close: c.CloseIdleConnections}
		}
	}
	return all
}

func protocols(http2 bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	return p
}

func throughRoundTripper(rt http.RoundTripper) func(url string) error {
	return func(url string) error {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := rt.RoundTrip(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return err
	}
}

func throughFasthttp(c *fasthttp.Client) func(url string) error {
	return func(url string) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI(url)
		if err := c.Do(req, resp); err != nil {
			return err
		}
		body := resp.BodyStream()
		if body == nil {
			return nil
		}
		_, err := io.Copy(io.Discard, body)
		return err
	}
}

// Contender is a client that requests bodies of a given length, inFlight at once. Its value is requests per second, or,
// with bytes, MiB per second.
func Contender(name string, ours, http2 bool, size, inFlight int, bytes bool) suite.Contender {
	return suite.Contender{Name: name, Ours: ours, Start: func(context.Context) (suite.Measure, error) {
		fresh := Clients(http2)[name]
		if fresh == nil {
			return nil, fmt.Errorf("no client %q", name)
		}
		url, stop, err := serve(http2, size)
		if err != nil {
			return nil, err
		}
		scale := 1.0
		if bytes {
			scale = float64(size) / (1 << 20)
		}
		return &measure{client: fresh(), url: url, stop: stop, inFlight: inFlight, scale: scale}, nil
	}}
}

type measure struct {
	client
	url      string
	stop     func()
	inFlight int
	scale    float64
}

// Round sends requests for d.
func (m *measure) Round(ctx context.Context, d time.Duration) (suite.Sample, error) {
	if err := m.get(m.url); err != nil { // the connection
		return suite.Sample{}, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var done atomic.Int64
	errs := make(chan error, m.inFlight)
	var wg sync.WaitGroup
	began := time.Now()
	for range m.inFlight {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := m.get(m.url); err != nil {
					errs <- err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	select {
	case err := <-errs:
		return suite.Sample{}, err
	default:
	}
	n := float64(max(done.Load(), 1))
	return suite.Sample{Value: m.scale * n / took.Seconds(), Allocs: float64(after.Mallocs-before.Mallocs) / n}, nil
}

// Close ends the client and its server.
func (m *measure) Close() error {
	m.close()
	m.stop()
	return nil
}

// serve answers every request with a body of a given length.
func serve(http2 bool, size int) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return "http://" + ln.Addr().String(), plainServer(ln, http2, size), nil
}

// plainServer answers without parsing the requests, and allocates nothing for them.
func plainServer(ln net.Listener, http2 bool, size int) (stop func()) {
	body := make([]byte, size)
	reply := append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size), body...)
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, nc)
			mu.Unlock()
			wg.Go(func() {
				if http2 {
					answerHTTP2(nc, body)
					return
				}
				answer(nc, reply)
			})
		}
	})
	return func() {
		_ = ln.Close()
		mu.Lock()
		for _, nc := range conns {
			_ = nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	}
}

// answer sends the reply once for each empty line.
func answer(nc net.Conn, reply []byte) {
	in := bufio.NewReader(nc)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) == 2 {
			if _, err := nc.Write(reply); err != nil {
				return
			}
		}
	}
}
