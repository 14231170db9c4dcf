package httpc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/weir-go/weir/clients/httpc"
)

// With MaxConns, requests to a busy host do not keep those to another host waiting for ever.
func TestABusyHostDoesNotStarveAnother(t *testing.T) {
	for _, connection := range []string{"keep-alive", "close"} {
		t.Run(connection, func(t *testing.T) { starve(t, connection) })
	}
}

func starve(t *testing.T, connection string) {
	var hosts [2]*httptest.Server
	for i := range hosts {
		hosts[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", connection)
		}))
		defer hosts[i].Close()
	}
	c := httpc.New(&httpc.Config{MaxConns: 1})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	busy, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for busy.Err() == nil {
				if resp, err := c.Get(busy, hosts[0].URL); err == nil {
					_, _ = resp.Text(busy)
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	for range 3 {
		resp, err := c.Get(ctx, hosts[1].URL)
		if err != nil {
			t.Error(err)
			break
		}
		_, _ = resp.Text(ctx)
	}
	stop()
	all.Wait()
}
