package httpd

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// lockedRecorder is a recorder that is safe for concurrent use.
type lockedRecorder struct {
	mu  sync.Mutex
	rec *httptest.ResponseRecorder
}

func (w *lockedRecorder) Header() http.Header { return w.rec.Header() }

func (w *lockedRecorder) WriteHeader(status int) { w.rec.WriteHeader(status) }

func (w *lockedRecorder) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rec.Write(p)
}

func (w *lockedRecorder) Flush() {}

func (w *lockedRecorder) lines() (all [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.Lines(bytes.Clone(w.rec.Body.Bytes())) {
		all = append(all, line)
	}
	return all
}

func TestConformanceOfSink(t *testing.T) {
	chaniotest.TestSink(t, chaniotest.Sinks[[]byte]{
		Open: func(t testing.TB) (*chanio.Sink[[]byte], func() [][]byte) {
			w := &lockedRecorder{rec: httptest.NewRecorder()}
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			return Sink(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), nil), w.lines
		},
		Make: func(i int) []byte { return fmt.Appendln(nil, i) },
		Number: func(v []byte) int {
			n, err := strconv.Atoi(string(bytes.TrimSpace(v)))
			if err != nil {
				return -1
			}
			return n
		},
		Facts: chaniotest.Facts{Bubble: true},
	})
}
