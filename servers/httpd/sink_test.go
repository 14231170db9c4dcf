package httpd

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestSinkThatWasLeftOpenIsClosedByTheServer has its channel hold values when the handler returns, behind middleware.
func TestSinkThatWasLeftOpenIsClosedByTheServer(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		if !e.own || e.unwrap == "no Unwrap" {
			t.Skip("it is the handler's to close")
		}
		sinks := make(chan *chanio.Sink[[]byte], 1)
		s := e.start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := Sink(w, r, nil)
			values := out.C(context.WithoutCancel(r.Context()))
			for range 20 {
				values <- []byte("value")
			}
			sinks <- out
		}))
		for range 10 {
			_, body, err := s.call(t, http.MethodGet, "/", nil)
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("value", 20), body)
			out := <-sinks
			<-out.Done()
			require.Error(t, out.Send(t.Context(), []byte("x")))
		}
	})
}

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

// TestSinkDoesNotUseTheWriterOfAHandlerThatHasReturned sends late.
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
		_ = l.out.Close() // of what has ended already
		require.Equal(t, before, l.calls.Load())
	})
}
