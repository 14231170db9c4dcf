package httpd

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// countedWriter counts the calls that use a ResponseWriter.
type countedWriter struct {
	http.ResponseWriter
	calls *atomic.Int64
}

func (w countedWriter) Unwrap() http.ResponseWriter {
	w.calls.Add(1)
	return w.ResponseWriter
}

func (w countedWriter) Write(p []byte) (int, error) {
	w.calls.Add(1)
	return w.ResponseWriter.Write(p)
}

// A Sink that its handler leaves open is closed and does not use the writer afterwards, because the writer of another
// server may panic then.
func TestSinkDoesNotUseTheWriterOfAHandlerThatHasReturned(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		type late struct {
			out   *chanio.Sink[[]byte]
			calls *atomic.Int64
		}
		sinks := make(chan late, 1)
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls := new(atomic.Int64)
			out := Sink(countedWriter{w, calls}, r, nil)
			_ = out.Send(r.Context(), []byte("in time"))
			sinks <- late{out, calls}
		}))
		_, body, err := s.call(t, http.MethodGet, "/", nil)
		require.NoError(t, err)
		require.Equal(t, "in time", body)
		l := <-sinks
		<-l.out.Done()
		before := l.calls.Load()
		require.Error(t, l.out.Send(t.Context(), []byte("late")))
		if err := l.out.Flush(t.Context()); !e.own { // it may have sent everything
			require.Error(t, err)
		}
		_ = l.out.Close() // it has ended already
		l.out.Abort(nil)
		require.Equal(t, before, l.calls.Load())
	})
}
