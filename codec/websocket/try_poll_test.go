package websocket_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// TestTryRecvInALoopReceives has a consumer that never waits, such as the loop of a game. Only reading ahead brings it
// bytes, so a TryRecv that finds nothing must not keep that from happening.
func TestTryRecvInALoopReceives(t *testing.T) {
	for _, pause := range []time.Duration{20 * time.Millisecond, 249 * time.Millisecond, time.Second} {
		for _, pingAfter := range []time.Duration{0, -1} {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := newRaw(t, false, &websocket.Config{PingAfter: pingAfter})
				go func() {
					for range 8 {
						time.Sleep(7 * time.Second)
						peer.send(frame(true, websocket.OpPing, "p"), text("hello"))
						peer.expect(websocket.OpPong, "p")
					}
					peer.send(closeFrame(4000, ""))
				}()
				got := 0
				for {
					m, ok, err := conn.In.TryRecv()
					if err != nil {
						var end *websocket.CloseError
						require.ErrorAs(t, err, &end)
						require.EqualValues(t, 4000, end.Code)
						break
					}
					if ok {
						require.Equal(t, "hello", string(m.Data))
						got++
					}
					time.Sleep(pause)
				}
				require.Equal(t, 8, got)
			})
		}
	}
}

// TestTryRecvNoticesADeadPeer checks that a consumer that never waits keeps neither the pings nor their error back.
func TestTryRecvNoticesADeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := newRaw(t, false, nil)
		start := time.Now()
		for {
			_, _, err := conn.In.TryRecv()
			if err != nil {
				require.ErrorContains(t, err, "peer sent nothing for 15s after a ping")
				break
			}
			time.Sleep(10 * time.Millisecond)
			require.Less(t, time.Since(start), time.Minute)
		}
	})
}

// TestTryRecvReturnsTheCauseOfAnAbort checks that TryRecv knows the end that Recv knows.
func TestTryRecvReturnsTheCauseOfAnAbort(t *testing.T) {
	cause := errors.New("no more")
	conn, _ := newRaw(t, false, nil)
	conn.Abort(cause)
	_, ok, err := conn.In.TryRecv()
	require.False(t, ok)
	require.ErrorIs(t, err, cause)
}
