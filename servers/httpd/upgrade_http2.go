package httpd

import (
	"errors"
	"maps"
	"net/http"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// isExtendedConnect reports whether r requests a WebSocket by RFC 8441: CONNECT with the protocol websocket. HTTP/2
// servers put the pseudo-header field :protocol into the header, as net/http does.
func isExtendedConnect(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket"
}

// accept answers an extended CONNECT with 200 and returns its stream as a connection, which END_STREAM half-closes. On
// other servers, a Send writes in the sender's goroutine, and a read continues after the ctx of a Recv has ended.
func (cfg *UpgradeConfig) accept(w http.ResponseWriter, r *http.Request, ws *websocket.Config) (*chanio.Conn, error) {
	header, err := cfg.header(w, ws)
	if err != nil {
		return nil, err
	}
	clear(w.Header())
	maps.Copy(w.Header(), header)
	if s := streamOf(w); s != nil {
		return s.openTunnel(func(conn *chanio.Conn) { conn.OnDrain(func(error) {}) }) // the WebSocket handles a Shutdown
	}
	rc := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil {
		return nil, &HandshakeError{Status: http.StatusNotImplemented, Reason: "This server cannot stream.", Err: errors.Join(err, errors.ErrUnsupported)}
	}
	in := chanio.FromReader(r.Body, r.Body.Close)
	out := chanio.ToWriter(&flushed{w, rc})
	return chanio.ConnOf(in, out, nil), nil
}

// flushed is a ResponseWriter that flushes each write.
type flushed struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (f *flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.rc.Flush()
	}
	return n, err
}
