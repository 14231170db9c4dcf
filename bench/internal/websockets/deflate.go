package websockets

import (
	"io"
	"net/http"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/klauspost/compress/flate"
	"github.com/lxzan/gws"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// deflating are the echoes that compress, at the level for best speed. gws has klauspost's compressor built in. Ours
// uses it by an option, and otherwise the standard library's, as the others do. gobwas is missing because its
// compressor does not work with the compress/flate of Go 1.27.
func deflating() []Server {
	return []Server{
		{Name: "weir ws deflate", Ours: true, Deflate: true, Handler: func() http.Handler { return weirDeflate(fastDeflate()) }},
		{Name: "weir ws deflate, compress/flate", Ours: true, Deflate: true, Handler: func() http.Handler {
			return weirDeflate(&websocket.Deflate{})
		}},
		{Name: "gws deflate", Deflate: true, Handler: func() http.Handler {
			return gwsEcho{gws.NewUpgrader(&gwsHandler{}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{Enabled: true}})}
		}},
		{Name: "gorilla deflate", Deflate: true, Handler: func() http.Handler {
			return gorillaEcho{&gorilla.Upgrader{EnableCompression: true}}
		}},
		{Name: "coder deflate", Deflate: true, Handler: func() http.Handler {
			return coderEcho{&coder.AcceptOptions{CompressionMode: coder.CompressionNoContextTakeover}}
		}},
	}
}

func weirDeflate(d *websocket.Deflate) http.Handler {
	return httpd.WebSocket(connect, &httpd.UpgradeConfig{WebSocket: websocket.Config{Deflate: d}})
}

func fastDeflate() *websocket.Deflate {
	return &websocket.Deflate{
		NewWriter: func(dst io.Writer, level int) (websocket.Compressor, error) { return flate.NewWriter(dst, level) },
		NewReader: flate.NewReader,
	}
}
