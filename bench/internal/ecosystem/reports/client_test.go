package reports

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/clients/httpc"
)

// golang/go 41600: a request received the cancellation of the previous request on its connection, whose response was
// empty.
func TestCancelledRequestsLeaveOthers(t *testing.T) {
	for _, way := range ecosystem.Ways {
		t.Run(way.Name, func(t *testing.T) {
			s := ecosystem.ServeStandard(t, way, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "0")
			}))
			client := s.Ours(t, &httpc.Config{MaxPerHost: 1})
			for range 100 {
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						wg.Go(cancel)
						if resp, err := client.Get(ctx, s.URL); err == nil {
							_ = resp.Close()
						}
					})
				}
				resp, err := client.Get(ecosystem.Within(t), s.URL)
				wg.Wait()
				require.NoError(t, err)
				_ = resp.Close()
			}
		})
	}
}

// nodejs/undici 1858 and 1861, nodejs/node 34758: the client waited for the body of a response that has none but states
// a length, or did not reuse its connection.
func TestResponsesWithoutABodyKeepTheirConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			wg.Go(func() {
				defer func() { _ = nc.Close() }()
				in := bufio.NewReader(nc)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					status := strings.TrimPrefix(r.URL.Path, "/")
					_, _ = io.WriteString(nc, "HTTP/1.1 "+status+" \r\nContent-Length: 1000\r\n\r\n")
				}
			})
		}
	})
	s := ecosystem.Server{Way: plain, URL: "http://" + ln.Addr().String()}
	client := httpc.New(&httpc.Config{Proxy: httpc.Direct})
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		_ = ln.Close()
		wg.Wait()
	})
	for _, c := range [][2]string{{"HEAD", "/200"}, {"GET", "/204"}, {"GET", "/304"}, {"HEAD", "/404"}, {"POST", "/204"}} {
		resp, err := client.Do(ecosystem.Within(t), &httpc.Request{Method: c[0], URL: s.URL + c[1]})
		require.NoError(t, err)
		p, err := resp.Bytes(t.Context())
		require.NoError(t, err)
		require.Empty(t, p)
	}
	require.EqualValues(t, 1, accepted.Load())
}

// golang/go 67555: after a final response without 100 Continue, client and server disagreed on the state of the
// connection.
func TestConnectionBehindABodyThatWasNotInvited(t *testing.T) {
	for _, way := range ecosystem.Ways {
		t.Run(way.Name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/echo" {
					_, _ = io.Copy(w, r.Body)
					return
				}
				w.WriteHeader(http.StatusForbidden)
			})
			for _, s := range []ecosystem.Server{ecosystem.Serve(t, way, h, nil), ecosystem.ServeStandard(t, way, h)} {
				client := s.Ours(t, &httpc.Config{ExpectTimeout: ecosystem.Patience})
				for i := range 20 {
					resp, err := client.Do(ecosystem.Within(t), &httpc.Request{
						Method: "PUT", URL: s.URL + "/refuse", Expect: true, Body: httpc.Text(strings.Repeat("GET /smuggled HTTP/1.1\r\n", 1000*(i%3))),
					})
					require.NoError(t, err)
					require.Equal(t, http.StatusForbidden, resp.Status)
					require.NoError(t, resp.Close())
					resp, err = client.Do(ecosystem.Within(t), &httpc.Request{Method: "PUT", URL: s.URL + "/echo", Expect: true, Body: httpc.Text("hello")})
					require.NoError(t, err)
					text, err := resp.Text(t.Context())
					require.NoError(t, err)
					require.Equal(t, "hello", text)
				}
			}
		})
	}
}
