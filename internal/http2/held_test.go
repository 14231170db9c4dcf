package http2

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// TestPastStreamsAreForgotten has a connection with many more streams than it remembers.
func TestPastStreamsAreForgotten(t *testing.T) {
	c, s := connect(t, nil, nil, hello)
	for range 3 * maxRemembered {
		ask(t, c, get("/"))
	}
	for _, side := range []*Conn{c, s} {
		side.mu.Lock()
		require.LessOrEqual(t, len(side.past.how), maxRemembered)
		require.Empty(t, side.streams)
		side.mu.Unlock()
	}
}

// TestConnectionThatCannotBeWrittenEnds has a peer that sends, and takes nothing any more.
func TestConnectionThatCannotBeWrittenEnds(t *testing.T) {
	there, server := startServer(t, nil, hello)
	require.NoError(t, there.Out.Send(t.Context(), append([]byte(frames.ClientPreface), appendSettings(nil)...)))
	require.NoError(t, there.In.Close())
	for server.Err() == nil {
		if there.Out.Send(t.Context(), appendPing(nil, 0, [8]byte{})) != nil {
			break
		}
	}
	<-server.Done()
	require.Error(t, server.Err())
}

// TestDeadlinesOfAStreamAsAConnection bounds both of its directions.
func TestDeadlinesOfAStreamAsAConnection(t *testing.T) {
	c, _ := connect(t, nil, nil, func(x *exchange) {
		_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
		<-x.gone
	})
	s, err := c.Open(t.Context(), request("POST", "/"), false)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
	conn := s.Conn(nil)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err = conn.In.Recv(t.Context())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	for err = nil; err == nil; { // until its window is used up
		err = conn.Out.Send(t.Context(), make([]byte, 16<<10))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetWriteDeadline(time.Time{}))
	conn.Abort(nil)
	<-s.Done()
}
