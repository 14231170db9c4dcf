package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

var ways = []string{"/ticks", "/sequence", "/channel"}

const zeroToNine = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"

func TestNumbersOverTheWire(t *testing.T) {
	url := webtest.Serve(t, routes(time.Millisecond))
	for _, way := range ways {
		resp, err := http.Get(url + way + "?count=10")
		require.NoError(t, err)
		require.Equal(t, []string{"chunked"}, resp.TransferEncoding)
		var read strings.Builder
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			read.WriteString(lines.Text() + "\n")
		}
		require.NoError(t, resp.Body.Close())
		require.Equal(t, zeroToNine, read.String(), way)
	}
}

func TestMalformedCount(t *testing.T) {
	url := webtest.Serve(t, routes(time.Millisecond))
	for _, way := range ways {
		status, _ := webtest.Get(t, url+way+"?count=ten")
		require.Equal(t, 500, status)
	}
}

// timed records when each piece of a reply is flushed.
type timed struct {
	*httptest.ResponseRecorder
	began time.Time
	lines []time.Duration
}

func (w *timed) Write(p []byte) (int, error) {
	for range strings.Count(string(p), "\n") {
		w.lines = append(w.lines, time.Since(w.began))
	}
	return w.ResponseRecorder.Write(p)
}

func TestOneNumberLeavesEachPeriod(t *testing.T) {
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			w := &timed{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
			routes(period).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", way+"?count=10", nil))
			require.Equal(t, zeroToNine, w.Body.String())
			require.Len(t, w.lines, 10)
			for i, at := range w.lines {
				require.Equal(t, time.Duration(i+1)*period, at, way)
			}
		})
	}
}
