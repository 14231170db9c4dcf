package websocket_test

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// A ping is answered, and one is sent, while goroutines keep sending large messages that the peer takes more slowly.
func TestPingsAmongLargeMessages(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	b, err := ln.Accept()
	require.NoError(t, err)
	conn := websocket.NewConn(chanio.NewConn(a, nil), &websocket.Config{PingAfter: -1, MaxMessage: 2 << 20})
	peer := &raw{t: t, ctx: within(t), conn: chanio.NewConn(b, nil), masks: true}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for p := make([]byte, 100_000); conn.Out.Send(t.Context(), websocket.Binary(p)) == nil; {
			}
		})
	}
	pings := make(chan error, 1)
	all.Go(func() {
		for conn.Out.Err() == nil {
			if _, err := conn.In.Recv(t.Context()); err != nil {
				return
			}
		}
	})
	for range 100 {
		peer.next()
	}
	all.Go(func() {
		_, err := conn.Ping(t.Context())
		pings <- err
	})
	peer.send(frame(true, websocket.OpPing, "x"))
	pong, ping := 0, 0
	for i := 0; (pong == 0 || ping == 0) && i < 1500; i++ {
		time.Sleep(10 * time.Microsecond)
		f, err := codec.Recv(peer.ctx, peer.conn.In, websocket.Frames(64<<20))
		require.NoError(t, err)
		switch f.Opcode {
		case websocket.OpPong:
			pong++
		case websocket.OpPing:
			ping++
			peer.send(frame(true, websocket.OpPong, string(f.Payload)))
		}
	}
	conn.Abort(nil)
	peer.conn.Abort(nil)
	all.Wait()
	require.Equal(t, 1, ping)
	require.Equal(t, 1, pong)
	<-pings
}
