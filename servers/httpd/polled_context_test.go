package httpd

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestContextThatIsPolledEnds asks for Err only, never for Done.
func TestContextThatIsPolledEnds(t *testing.T) {
	var polled chan error
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) {
		var err error
		for range 100 {
			if err = r.Context().Err(); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		polled <- err
	}, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		polled = make(chan error, 1) // created in the bubble
		nc, _ := dial()
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.Empty(t, polled)
		require.NoError(t, nc.Close())
		require.Equal(t, context.Canceled, <-polled)
	})
}

// TestContextThatNobodyHasAskedEndsWithItsRequest keeps a request.
func TestContextThatNobodyHasAskedEndsWithItsRequest(t *testing.T) {
	kept := make(chan *http.Request, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { kept <- r }), nil)
	for version, client := range clients(t) {
		resp, err := client.Get("http://" + addr)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		r := <-kept
		client.CloseIdleConnections()
		require.Eventually(t, func() bool { return r.Context().Err() == context.Canceled }, patience, time.Millisecond, version)
		<-r.Context().Done()
	}
}

// TestFrameworksMayStillAskForCloseNotify uses a method that a gin.ResponseWriter, for example, requires.
func TestFrameworksMayStillAskForCloseNotify(t *testing.T) {
	gone := make(chan bool, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		closed := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		_ = http.NewResponseController(w).Flush()
		select {
		case is := <-closed:
			gone <- is
		case <-time.After(patience):
		}
	})
	native := NewNative(func(_ context.Context, x Exchange) error {
		handler.ServeHTTP(x.HTTP())
		return nil
	}, nil)
	for _, addr := range []string{start(t, handler, nil), startWith(t, native)} {
		for version, client := range clients(t) {
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
			require.NoError(t, err)
			resp, err := client.Do(r)
			require.NoError(t, err)
			require.Empty(t, gone)
			leave()
			require.NoError(t, resp.Body.Close())
			require.True(t, awaitIn(t, gone), version)
		}
	}
}
