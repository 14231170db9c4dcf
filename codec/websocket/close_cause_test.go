package websocket_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestAnAbortWhoseCodeThePeerHasReceivedIsNoFailureBelow looks at what hooks of a server report: a connection that ended
// with a Close frame has not failed.
func TestAnAbortWhoseCodeThePeerHasReceivedIsNoFailureBelow(t *testing.T) {
	for name, receiving := range map[string]bool{"idle": false, "receiving": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := chanio.Pipe()
				server := websocket.NewConn(a, nil)
				client := websocket.NewConn(b, &websocket.Config{Client: true})
				slow := &websocket.CloseError{Code: websocket.TryAgainLater, Reason: "slow", Local: true}
				if receiving {
					go func() {
						_, err := server.In.Recv(t.Context())
						if !errors.Is(err, slow) {
							t.Error(err)
						}
					}()
					synctest.Wait()
				}
				server.Abort(slow)
				_, err := client.In.Recv(t.Context())
				var end *websocket.CloseError
				require.ErrorAs(t, err, &end)
				require.Equal(t, websocket.TryAgainLater, end.Code)
				_ = client.Close()
				<-server.Done()
				require.NoError(t, a.Cause())
			})
		})
	}
}
