package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestJobsAndHandlersSideBySide(t *testing.T) {
	jobs, reqs := httpd.Requests(nil)
	url := webtest.Serve(t, routes(jobs))
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { work(t.Context(), reqs.C(t.Context())) })
	}
	var asking sync.WaitGroup
	for n := range 20 {
		asking.Go(func() {
			resp, err := http.Post(url+"/jobs", "text/plain", strings.NewReader(strings.Repeat("word ", n)))
			if err != nil {
				t.Error(err)
				return
			}
			if status, body := webtest.Read(t, resp); status != 200 || body != fmt.Sprintln(n, "words") {
				t.Error(n, status, body)
			}
		})
	}
	_, body := webtest.Get(t, url+"/health")
	require.Equal(t, "well\n", body)
	asking.Wait()
	require.NoError(t, reqs.Close())
	working.Wait()
	resp, err := http.Post(url+"/jobs", "text/plain", nil)
	require.NoError(t, err)
	status, _ := webtest.Read(t, resp)
	require.Equal(t, http.StatusServiceUnavailable, status)
}

func TestJobThatIsTooLong(t *testing.T) {
	jobs, reqs := httpd.Requests(nil)
	url := webtest.Serve(t, routes(jobs))
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(t.Context(), reqs.C(t.Context()))
	}()
	resp, err := http.Post(url+"/jobs", "text/plain", strings.NewReader(strings.Repeat("x", maxJob+1)))
	require.NoError(t, err)
	status, _ := webtest.Read(t, resp)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	require.NoError(t, reqs.Close())
	<-done
}
