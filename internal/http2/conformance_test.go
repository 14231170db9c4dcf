package http2

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// TestStreamsConformAsConnections runs the conformance tests on both sides of a CONNECT.
func TestStreamsConformAsConnections(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			here, there := chanio.Pipe()
			served, ran, over := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
			tunnels := make(chan *chanio.Conn, 1)
			server := NewServer(here, chanio.BytesOf(here.In), serveFunc(func(x *exchange) {
				_ = x.Out.Headers(context.Background(), []Field{{Name: ":status", Value: "200"}})
				tunnels <- x.Stream.Conn(nil)
				<-x.Done()
				over <- struct{}{}
			}), nil)
			go func() { // ends the connection with its only stream
				select {
				case <-over:
					server.Shutdown()
				case <-served:
				}
			}()
			client := NewClient(there, nil)
			go func() {
				defer close(served)
				_ = server.Serve(context.Background())
				_ = here.Close()
			}()
			go func() {
				defer close(ran)
				_ = client.Run(context.Background())
				_ = there.Close()
			}()
			t.Cleanup(func() {
				client.Abort(nil)
				server.Abort(nil)
				<-served
				<-ran
			})
			s, err := client.Open(t.Context(), []Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}, false)
			require.NoError(t, err)
			_, err = s.Head(t.Context())
			require.NoError(t, err)
			return s.Conn(nil), <-tunnels
		},
	})
}
