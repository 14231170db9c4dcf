package websocket_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

func TestLimitOfPartsHoldsForWhatHasArrived(t *testing.T) {
	body := strings.Repeat("x", 500)
	for name, arrive := range map[string]func(*raw){
		"at hand": func(p *raw) { p.send(text("first"), text(body)) },
		"in part": func(p *raw) { p.send(text("first")); p.write(p.bytes(text(body))[:200]) },
		"in frames": func(p *raw) {
			p.send(text("first"), frame(false, websocket.OpText, body), frame(false, websocket.OpContinuation, "y"))
		},
	} {
		for _, idle := range []time.Duration{0, time.Second} { // in the latter the message is read ahead
			t.Run(name+" "+idle.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					conn, peer := newRaw(t, false, nil)
					arrive(peer)
					_, err := conn.In.Recv(peer.ctx)
					require.NoError(t, err)
					time.Sleep(idle)
					_, _, err = conn.RecvParts(peer.ctx, 100)
					require.ErrorIs(t, err, websocket.ErrTooLarge)
					peer.expectClose(websocket.TooBig)
					_, err = conn.In.Recv(peer.ctx)
					require.ErrorIs(t, err, websocket.ErrTooLarge)
				})
			})
		}
	}
}
