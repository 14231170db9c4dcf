package target

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// feed is a net.Conn that returns n frames, several with each Read, and counts writes. It measures echo loops without
// the kernel.
type feed struct {
	batch   []byte
	left    int // bytes still to be read
	written int
	writes  int
}

func newFeed(n, size, perRead int) *feed {
	one := binary.BigEndian.AppendUint32(nil, uint32(size))
	one = append(one, make([]byte, size)...)
	f := &feed{left: n * len(one)}
	for range perRead {
		f.batch = append(f.batch, one...)
	}
	return f
}

func (f *feed) Read(p []byte) (int, error) {
	n := copy(p, f.batch[:min(f.left, len(f.batch))])
	if f.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *feed) Write(p []byte) (int, error) {
	f.written += len(p)
	f.writes++
	return len(p), nil
}

// TryWrite and WaitWrite make a weir Conn write in the goroutine of the sender, as over TCP.
func (f *feed) TryWrite(p []byte) (int, error)      { return f.Write(p) }
func (f *feed) WaitWrite(ctx context.Context) error { return ctx.Err() }

func (f *feed) Close() error                     { return nil }
func (f *feed) CloseWrite() error                { return nil }
func (f *feed) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (f *feed) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

func over(handle handler) func(net.Conn) {
	return func(nc net.Conn) {
		conn := chanio.NewConn(nc, &chanio.ConnConfig{Coalesce: time.Minute}) // prevents writes by a timer
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_ = handle(ctx, conn)
		_ = conn.Close()
	}
}

type echoForm struct {
	name   string
	handle func(net.Conn)
}

func echoForms() []echoForm {
	return []echoForm{
		{"bufio_owned", bufioOwned},
		{"weir_Connect", over(framedBy(owned, pipeline.Connect))},
		{"weir_Loop", over(framedBy(owned, loop))},
		{"bufio_borrowed", bufioBorrowed},
		{"weir_borrowed_Connect", over(framedBy(borrowed, pipeline.Connect))},
		{"weir_borrowed_Loop", over(framedBy(borrowed, loop))},
		{"bufio_typed", bufioTyped},
		{"weir_typed_Connect", over(framedBy(typed, pipeline.Connect))},
		{"weir_typed_Loop", over(framedBy(typed, loop))},
		{"bufio_wide", bufioWide},
		{"weir_wide_Loop", over(framedBy(wide, loop))},
		{"two_channels", twoChannels(chanSize)},
		{"weir_channels", over(framedBy(owned, channels))},
	}
}

func TestEchoFormsEchoEveryFrameInFewWrites(t *testing.T) {
	for _, form := range echoForms() {
		f := newFeed(640, 64, 64)
		form.handle(f)
		if want := 640 * 68; f.written != want {
			t.Errorf("%s wrote %d bytes, want %d", form.name, f.written, want)
		}
		if loop := form.name != "two_channels" && form.name != "weir_channels"; loop && f.writes > 640/16 {
			t.Errorf("%s wrote %d times for %d frames", form.name, f.writes, 640)
		}
	}
}

// BenchmarkFramed measures the cost of a frame of 64 B, 64 of which arrive at once, without the kernel.
func BenchmarkFramed(b *testing.B) {
	for _, form := range echoForms() {
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			f := newFeed(b.N, 64, 64)
			form.handle(f)
			b.ReportMetric(float64(f.writes)/float64(b.N), "writes/op")
		})
	}
}

// BenchmarkDecode measures receiving alone.
func BenchmarkDecode(b *testing.B) {
	conn := func(n int) *chanio.Conn { return chanio.NewConn(newFeed(n, 64, 64), nil) }
	b.Run("owned", func(b *testing.B) { drain(b, codec.Decode(conn(b.N).In, owned)) })
	b.Run("borrowed", func(b *testing.B) { drain(b, codec.Decode(conn(b.N).In, borrowed)) })
	b.Run("typed", func(b *testing.B) { drain(b, codec.Decode(conn(b.N).In, typed)) })
}

func drain[T any](b *testing.B, src *chanio.Source[T]) {
	b.ReportAllocs()
	for {
		if _, err := src.Recv(b.Context()); err != nil {
			break
		}
	}
}

// BenchmarkEncode measures sending alone, corked.
func BenchmarkEncode(b *testing.B) {
	b.Run("owned", func(b *testing.B) { fill(b, owned, make([]byte, 64)) })
	b.Run("typed", func(b *testing.B) { fill(b, typed, Count{}) })
}

func fill[T any](b *testing.B, c codec.Codec[T], v T) {
	b.ReportAllocs()
	conn := chanio.NewConn(newFeed(0, 64, 64), &chanio.ConnConfig{Coalesce: time.Hour})
	out := codec.Encode(conn.Out, c)
	out.Cork()
	for range b.N {
		if err := out.Send(b.Context(), v); err != nil {
			b.Fatal(err)
		}
	}
}
