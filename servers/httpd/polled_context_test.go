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
