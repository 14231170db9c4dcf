package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// site is a binary tree of pages with links back and away, and counts visits.
func site(t *testing.T, pages int, visits *atomic.Int64) string {
	handler := func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil || n < 1 || n > pages {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `<a href="/%d">l</a> <a href='%d#x'>r</a> <a href="/1">up</a> <a href="http://elsewhere.test/">away</a>`, 2*n, 2*n+1)
	}
	return webtest.Serve(t, http.HandlerFunc(handler))
}

func TestEveryPageIsVisitedOnce(t *testing.T) {
	var visits atomic.Int64
	base := site(t, 31, &visits)
	client := httpc.New(&httpc.Config{MaxPerHost: 4})
	defer client.Close()
	var out bytes.Buffer
	require.NoError(t, crawl(t.Context(), client, base+"/1", 4, 1000, &out))
	require.EqualValues(t, 63, visits.Load()) // the tree, and the links of its leaves, which lead nowhere
	for n := range 63 {
		status := map[bool]int{true: 200, false: 404}[n < 31]
		require.Contains(t, out.String(), fmt.Sprintf("%s/%d %d\n", base, n+1, status))
	}
	require.LessOrEqual(t, client.Stats()[0].Dials, uint64(4))

	visits.Store(0)
	require.NoError(t, crawl(t.Context(), client, base+"/1", 4, 10, &out))
	require.EqualValues(t, 10, visits.Load())
}
