package websocket_test

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestSlowReceiverOfAClosedConnectionGetsAndAnswersAll lets a client send ten messages and close Out. The server takes its
// time over each, and replies to some.
func TestSlowReceiverOfAClosedConnectionGetsAndAnswersAll(t *testing.T) {
	for _, each := range []time.Duration{300 * time.Millisecond, 700 * time.Millisecond, 900 * time.Millisecond} {
		for _, replies := range []int{0, 1, 2} { // to none, to each, to every second message
			t.Run(fmt.Sprint(each, replies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					a, b := chanio.Pipe()
					server := websocket.NewConn(a, nil)
					client := websocket.NewConn(b, &websocket.Config{Client: true})
					for i := range 10 {
						require.NoError(t, client.Out.Send(ctx, websocket.Text(fmt.Sprint(i))))
					}
					go func() { _ = client.Out.Close() }() // waits for the answer
					got := make(chan int)
					go func() {
						n := 0
						for ; ; n++ {
							if _, err := client.In.Recv(ctx); err != nil {
								if err != io.EOF {
									t.Error(err)
								}
								break
							}
						}
						got <- n
					}()
					sent := 0
					for i := range 10 {
						m, err := server.In.Recv(ctx)
						require.NoError(t, err)
						require.Equal(t, fmt.Sprint(i), m.String())
						time.Sleep(each)
						if replies > 0 && i%replies == 0 {
							require.NoError(t, server.Out.Send(ctx, m))
							sent++
						}
					}
					_, err := server.In.Recv(ctx)
					require.Equal(t, io.EOF, err)
					require.Equal(t, sent, <-got)
					require.NoError(t, server.Out.Close())
					server.Abort(nil)
					client.Abort(nil)
				})
			})
		}
	}
}
