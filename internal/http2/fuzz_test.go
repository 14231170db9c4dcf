package http2

import (
	"bytes"
	"context"
	"testing"
	"time"

	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
)

// FuzzServer sends arbitrary bytes after a preface. The server must end, leave no goroutine, and hold no more than its
// windows allow.
func FuzzServer(f *testing.F) {
	f.Add([]byte{})
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, input []byte) {
		here, there := chanio.Pipe()
		server := NewServer(here, chanio.BytesOf(here.In), serveFunc(func(x *exchange) {
			body, err := x.readAll()
			if err == nil {
				x.respond(200, body)
			}
		}), &Config{MaxStreams: 8})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = server.Serve(ctx)
			here.Abort(nil)
		}()
		go func() { // the server's output must consist of frames
			fr := frames.NewFramer(nil, chanio.NewReader(ctx, there.In))
			for {
				if _, err := fr.ReadFrame(); err != nil {
					return
				}
			}
		}()
		_ = there.Out.Send(ctx, []byte(frames.ClientPreface))
		_ = there.Out.Send(ctx, input)
		_ = there.Out.Close()
		<-over
		if ctx.Err() != nil {
			t.Fatal("the server does not end")
		}
		there.Abort(nil)
	})
}

// sample returns the bytes of a client: SETTINGS, a request with a body and trailers, a PING, and other frames.
func sample(f *testing.F) []byte {
	var out bytes.Buffer
	fr := frames.NewFramer(&out, nil)
	r := newRaw(nil, nil)
	fail := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	fail(fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 100}))
	fail(fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(request("POST", "/")), EndHeaders: true}))
	fail(fr.WriteDataPadded(1, false, []byte("hello"), make([]byte, 3)))
	fail(fr.WritePing(false, [8]byte{1}))
	fail(fr.WriteWindowUpdate(0, 100))
	fail(fr.WritePriorityUpdate(3, "u=1, i"))
	fail(fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode([]Field{{Name: "x", Value: "y"}}), EndStream: true, EndHeaders: true}))
	fail(fr.WriteHeaders(frames.HeadersFrameParam{StreamID: 3, BlockFragment: r.encode(get("/")), EndStream: true}))
	fail(fr.WriteContinuation(3, true, nil))
	fail(fr.WriteRSTStream(3, frames.ErrCodeCancel))
	fail(fr.WriteGoAway(0, frames.ErrCodeNo, nil))
	return out.Bytes()
}
