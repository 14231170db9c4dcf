package httpd

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// blockingWriter is the ResponseWriter of an HTTP/2 stream whose client reads nothing.
type blockingWriter struct {
	header  http.Header
	began   chan struct{}
	cut     chan struct{}
	writing atomic.Bool
}

func (w *blockingWriter) Header() http.Header { return w.header }
func (w *blockingWriter) WriteHeader(int)     {}
func (w *blockingWriter) Flush()              {}

func (w *blockingWriter) SetWriteDeadline(t time.Time) error {
	if t == past {
		close(w.cut)
	}
	return nil
}

func (w *blockingWriter) Write([]byte) (int, error) {
	w.writing.Store(true)
	defer w.writing.Store(false)
	close(w.began)
	<-w.cut
	return 0, os.ErrDeadlineExceeded
}

// TestAbortedWebSocketOfAnotherServerWritesNothingAfterItsEnd has a handler see the end of an aborted WebSocket over
// HTTP/2 only when no write is in progress: the server gives the ResponseWriter's memory to other streams.
func TestAbortedWebSocketOfAnotherServerWritesNothingAfterItsEnd(t *testing.T) {
	w := &blockingWriter{header: http.Header{}, began: make(chan struct{}), cut: make(chan struct{})}
	body, peer := io.Pipe()
	defer func() { _ = peer.Close() }()
	r := (&http.Request{
		ProtoMajor: 2, Method: http.MethodConnect, Body: body,
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {websocket.Version}},
	}).WithContext(t.Context())
	conn, err := Upgrade(w, r, nil)
	require.NoError(t, err)
	sent := make(chan error, 1)
	go func() { sent <- conn.Out.Send(t.Context(), websocket.Text("x")) }()
	<-w.began
	over := errors.New("over")
	conn.Abort(over)
	<-conn.Done()
	require.False(t, w.writing.Load(), "a write is in progress")
	require.ErrorIs(t, <-sent, over)
}
