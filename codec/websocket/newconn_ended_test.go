package websocket_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// endedContext is a context that calls the functions of AfterFunc at once.
type endedContext struct{ context.Context }

func (endedContext) AfterFunc(f func()) (stop func() bool) {
	f()
	return func() bool { return false }
}

// TestContextThatHasEndedClosesANewConn has the context end while NewConn runs.
func TestContextThatHasEndedClosesANewConn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ours, theirs := chanio.Pipe()
	peer := websocket.NewConn(theirs, &websocket.Config{Client: true})
	ended := make(chan error, 1)
	go func() {
		_, err := peer.In.Recv(t.Context())
		ended <- err
	}()
	conn := websocket.NewConn(ours, &websocket.Config{Context: endedContext{ctx}})
	require.Error(t, <-ended)
	code, _, ok := peer.CloseStatus()
	require.True(t, ok)
	require.Equal(t, websocket.NormalClosure, code)
	require.NoError(t, peer.Close())
	<-conn.Done()
}
