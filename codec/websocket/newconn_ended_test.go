package websocket_test

import (
	"context"
	"errors"
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

// keptContext keeps the function that NewConn registers.
type keptContext struct {
	context.Context
	ended func()
}

func (x *keptContext) AfterFunc(f func()) (stop func() bool) {
	x.ended = f
	return func() bool { return true }
}

// A context that ends because the connection has ended, as that of a request of HTTP/2 does, hides no error.
func TestContextThatEndsWithItsConnectionLeavesTheError(t *testing.T) {
	for range 300 { // both ends wake the reader
		endWithContext(t)
	}
}

func endWithContext(t *testing.T) {
	ctx := &keptContext{Context: t.Context()}
	ours, _ := chanio.Pipe()
	ours.Out.OnDone(func() { ctx.ended() })
	conn := websocket.NewConn(ours, &websocket.Config{Context: ctx})
	received := make(chan error, 1)
	go func() {
		_, err := conn.In.Recv(t.Context())
		received <- err
	}()
	gone := errors.New("gone")
	ours.Abort(gone)
	err := <-received
	require.ErrorIs(t, err, gone)
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	require.Equal(t, websocket.Abnormal, end.Code)
	<-conn.Done()
}
