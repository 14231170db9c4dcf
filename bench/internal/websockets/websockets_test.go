package websockets

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// dial makes n connections.
func dial(tb testing.TB, url string, n int) []*websocket.Conn {
	client := httpc.New(&httpc.Config{MaxPerHost: n, MaxConns: n})
	tb.Cleanup(func() { _ = client.Close() })
	var all []*websocket.Conn
	for range n {
		conn, err := client.DialWebSocket(context.Background(), url, nil)
		require.NoError(tb, err)
		tb.Cleanup(func() { conn.Abort(nil) })
		all = append(all, conn)
	}
	return all
}

// exchange sends window messages at a time and wants as many back, until there were n.
func exchange(ctx context.Context, conn *websocket.Conn, payload []byte, window, n int) error {
	ms := make([]websocket.Message, window)
	for i := range ms {
		ms[i] = websocket.Binary(payload)
	}
	for ; n > 0; n -= window {
		now := ms[:min(window, n)]
		sent := make(chan error, 1)
		if len(now)*len(payload) > 32<<10 { // more than the buffers on the way
			go func() {
				_, err := conn.Out.SendAll(ctx, now...)
				sent <- err
			}()
		} else {
			_, err := conn.Out.SendAll(ctx, now...)
			sent <- err
		}
		for range now {
			m, err := conn.In.Recv(ctx)
			if err != nil {
				return err
			}
			if len(m.Data) != len(payload) {
				return fmt.Errorf("%d bytes came back of %d", len(m.Data), len(payload))
			}
		}
		if err := <-sent; err != nil {
			return err
		}
	}
	return nil
}

func TestEveryServerEchoes(t *testing.T) {
	for _, s := range Servers {
		t.Run(s.Name, func(t *testing.T) {
			url, stop, err := Serve(s.Handler())
			require.NoError(t, err)
			defer stop()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conn := dial(t, url, 1)[0]
			for _, n := range []int{0, 64, 1 << 10, 64 << 10} {
				require.NoError(t, exchange(ctx, conn, bytes.Repeat([]byte("x"), n), 8, 20))
			}
			_ = conn.Close() // not all of them answer
		})
	}
}

func TestEveryRoomBroadcasts(t *testing.T) {
	for name, make := range Rooms {
		t.Run(name, func(t *testing.T) {
			room := make()
			url, stop, err := Serve(room)
			require.NoError(t, err)
			defer stop()
			conns := dial(t, url, 10)
			require.Eventually(t, func() bool { return room.Len() == 10 }, 20*time.Second, time.Millisecond)
			for range 3 {
				require.NoError(t, room.Broadcast(t.Context(), []byte("hello")))
				for _, conn := range conns {
					m, err := conn.In.Recv(t.Context())
					require.NoError(t, err)
					require.Equal(t, "hello", string(m.Data))
				}
			}
			for _, conn := range conns {
				_ = conn.Close()
			}
			require.Eventually(t, func() bool { return room.Len() == 0 }, 20*time.Second, time.Millisecond)
		})
	}
}

// BenchmarkEcho is messages a second over 64 connections, of a size and so many in flight on each.
func BenchmarkEcho(b *testing.B) {
	for _, shape := range []struct{ conns, size, window int }{
		{64, 64, 64}, {64, 1 << 10, 16}, {64, 64, 1}, {16, 64 << 10, 1},
	} {
		for _, s := range Servers {
			b.Run(fmt.Sprintf("%dx%dB,%d/%s", shape.conns, shape.size, shape.window, s.Name), func(b *testing.B) {
				url, stop, err := Serve(s.Handler())
				require.NoError(b, err)
				defer stop()
				conns := dial(b, url, shape.conns)
				payload := make([]byte, shape.size)
				b.SetBytes(int64(shape.size))
				b.ResetTimer()
				var wg sync.WaitGroup
				for i, conn := range conns {
					n := b.N / shape.conns
					if i < b.N%shape.conns {
						n++
					}
					wg.Go(func() {
						if err := exchange(b.Context(), conn, payload, shape.window, n); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// BenchmarkBroadcast is one message to all members, until all have it.
func BenchmarkBroadcast(b *testing.B) {
	for _, members := range []int{1000, 8000} { // both ends of each are descriptors of this process
		for name, make := range Rooms {
			b.Run(fmt.Sprintf("%d/%s", members, name), func(b *testing.B) {
				room := make()
				url, stop, err := Serve(room)
				require.NoError(b, err)
				defer stop()
				conns := dial(b, url, members)
				for room.Len() < members {
					time.Sleep(time.Millisecond)
				}
				payload := bytes.Repeat([]byte("x"), 128)
				b.ResetTimer()
				var wg sync.WaitGroup
				for _, conn := range conns {
					wg.Go(func() {
						for range b.N {
							if _, err := conn.In.Recv(b.Context()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				for range b.N {
					if err := room.Broadcast(b.Context(), payload); err != nil {
						b.Error(err)
					}
				}
				wg.Wait()
			})
		}
	}
}
