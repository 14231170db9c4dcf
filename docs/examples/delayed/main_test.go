package main

import (
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestEachWayAnswersOverTheWire(t *testing.T) {
	url := webtest.Serve(t, routes(time.Millisecond))
	for _, way := range []string{"/future", "/channel", "/source"} {
		status, body := webtest.Get(t, url+way)
		require.Equal(t, 200, status, way)
		require.Equal(t, "hello world!\n", body, way)
	}
}

func TestTenThousandWaitForASecondAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := routes(time.Second)
		began := time.Now()
		var wg sync.WaitGroup
		for _, way := range []string{"/future", "/channel", "/source"} {
			for range 10000 / 3 {
				wg.Go(func() {
					rec := httptest.NewRecorder()
					h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", way, nil))
					if rec.Body.String() != "hello world!\n" {
						t.Error(way, rec.Code, rec.Body)
					}
				})
			}
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(began))
	})
}
