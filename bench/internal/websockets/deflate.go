package websockets

import (
	"errors"
	"io"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	gorilla "github.com/gorilla/websocket"
	"github.com/klauspost/compress/flate"
	"github.com/lxzan/gws"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// deflating are the echoes that compress, at the level for best speed. gws has klauspost's compressor built in; ours has
// it by its option, and the standard library's otherwise, as the others have.
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
		{Name: "gobwas deflate", Deflate: true, Handler: func() http.Handler { return http.HandlerFunc(gobwasDeflate) }},
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

func gobwasDeflate(w http.ResponseWriter, r *http.Request) {
	e := wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
	u := gobwas.HTTPUpgrader{Negotiate: e.Negotiate}
	conn, _, _, err := u.Upgrade(r, w)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for err == nil {
		err = gobwasFrame(conn)
	}
}

// gobwasFrame echoes a frame. Behind a Close frame it returns io.EOF.
func gobwasFrame(conn net.Conn) error {
	f, err := gobwas.ReadFrame(conn)
	if err != nil {
		return err
	}
	f = gobwas.UnmaskFrameInPlace(f)
	if f.Header.OpCode == gobwas.OpClose {
		return errors.Join(gobwas.WriteFrame(conn, f), io.EOF)
	}
	compressed, err := wsflate.IsCompressed(f.Header)
	if err != nil {
		return err
	}
	if !compressed {
		return gobwas.WriteFrame(conn, f)
	}
	if f, err = wsflate.DecompressFrame(f); err != nil {
		return err
	}
	if f, err = wsflate.CompressFrame(gobwas.NewFrame(f.Header.OpCode, true, f.Payload)); err != nil {
		return err
	}
	return gobwas.WriteFrame(conn, f)
}
