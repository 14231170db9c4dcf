package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

// feed is a net.Conn that yields one batch of messages with each Read and discards what is written. It measures an echo
// without the kernel.
type feed struct {
	batch []byte
	left  []byte
	reads int // batches left
}

func newFeed(b *testing.B, messages, size, perRead int) *feed {
	one, err := codec.Marshal(websocket.Frames(size), websocket.Frame{
		Fin: true, Opcode: websocket.OpBinary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Payload: make([]byte, size),
	})
	require.NoError(b, err)
	return &feed{batch: bytes.Repeat(one, perRead), reads: (messages + perRead - 1) / perRead}
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.left) == 0 {
		if f.reads == 0 {
			return 0, io.EOF
		}
		f.reads--
		f.left = f.batch
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

func (f *feed) Write(p []byte) (int, error)         { return len(p), nil }
func (f *feed) TryWrite(p []byte) (int, error)      { return len(p), nil }
func (f *feed) WaitWrite(ctx context.Context) error { return ctx.Err() }
func (f *feed) Close() error                        { return nil }
func (f *feed) CloseWrite() error                   { return nil }
func (f *feed) LocalAddr() net.Addr                 { return &net.TCPAddr{} }
func (f *feed) RemoteAddr() net.Addr                { return &net.TCPAddr{} }
func (f *feed) SetDeadline(time.Time) error         { return nil }
func (f *feed) SetReadDeadline(time.Time) error     { return nil }
func (f *feed) SetWriteDeadline(time.Time) error    { return nil }

// BenchmarkEcho measures the echo of a message without system calls, for several numbers of messages in each Read.
func BenchmarkEcho(b *testing.B) {
	forms := map[string]func(context.Context, *websocket.Conn) error{
		"Connect": func(ctx context.Context, conn *websocket.Conn) error { return pipeline.Connect(ctx, conn.In, conn.Out) },
		"Recv/Send": func(ctx context.Context, conn *websocket.Conn) error {
			for {
				m, err := conn.In.Recv(ctx)
				if err != nil {
					return err
				}
				if err := conn.Out.Send(ctx, m); err != nil {
					return err
				}
			}
		},
		"leased": func(ctx context.Context, conn *websocket.Conn) error {
			d := websocket.Leases(conn)
			return pipeline.Connect(ctx, d.In, d.Out)
		},
	}
	for _, shape := range []struct{ size, perRead int }{{64, 1}, {64, 64}, {1 << 10, 16}, {64 << 10, 1}} {
		for _, name := range []string{"Connect", "Recv/Send", "leased"} {
			b.Run(fmt.Sprintf("%dx%d/%s", shape.size, shape.perRead, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(shape.size))
				f := newFeed(b, b.N, shape.size, shape.perRead)
				conn := websocket.NewConn(chanio.NewConn(f, nil), nil)
				b.ResetTimer()
				_ = forms[name](b.Context(), conn)
				b.StopTimer()
				conn.Abort(nil)
			})
		}
	}
}
