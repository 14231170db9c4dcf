package http2

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	frames "golang.org/x/net/http2"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// TestHeadsDoNotKeepDataOut reads a body from a connection on which more and more replies of other streams, which consist
// of large heads, wait to be written.
func TestHeadsDoNotKeepDataOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := chanio.Pipe()
		server := NewServer(here, chanio.BytesOf(here.In), serveFunc(func(x *exchange) {
			if x.request.Path == "/body" {
				x.respond(200, strings.Repeat("x", 1<<20))
				return
			}
			head := []Field{{Name: ":status", Value: "204"}, {Name: "x", Value: strings.Repeat("v", 12_000), Sensitive: true}}
			_ = x.Out.Respond(context.Background(), head, nil, true, nil)
		}), nil)
		served := make(chan error, 1)
		go func() {
			served <- server.Serve(context.Background())
			_ = here.Close()
		}()
		r := newRaw(t, chanio.AsNetConn(there))
		_, _ = io.WriteString(r.nc, frames.ClientPreface)
		r.ok(r.fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1 << 30}))
		r.ok(r.fr.WriteWindowUpdate(0, 1<<30))
		r.ok(r.headers(1, true, get("/body")))
		more := make(chan struct{}, 1000)
		go func() {
			id := uint32(3)
			for range more {
				if r.headers(id, true, get("/head")) != nil {
					return
				}
				id += 2
			}
		}()
		for range 60 {
			more <- struct{}{}
		}
		body := 0
		for range 900 {
			synctest.Wait() // the client is slower than the server
			f, err := r.fr.ReadFrame()
			r.ok(err)
			switch f := f.(type) {
			case *frames.DataFrame:
				body += len(f.Data())
			case *frames.HeadersFrame:
				more <- struct{}{}
			}
		}
		require.Equal(t, 1<<20, body)
		there.Abort(nil)
		close(more)
		<-served
		<-here.Done()
	})
}
