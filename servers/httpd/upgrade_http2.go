package httpd

import (
	"errors"
	"net/http"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// isExtendedConnect reports whether r asks for a WebSocket by RFC 8441: CONNECT with the protocol websocket. A server that
// speaks HTTP/2 puts the pseudo-field :protocol into the header, as net/http does.
func isExtendedConnect(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket"
}

// accept answers an extended CONNECT with 200 and makes a connection of its stream: END_STREAM is its half-close. On another
// server than this package's a Send writes in the sender's goroutine, and a read goes on when the ctx of a Recv has ended.
func (cfg *UpgradeConfig) accept(w http.ResponseWriter, r *http.Request, ws *websocket.Config) (*chanio.Conn, error) {
	for name, values := range cfg.agreed(ws) {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if s := streamOf(w); s != nil {
		return s.openTunnel(func(conn *chanio.Conn) { conn.OnDrain(func(error) {}) }) // the WebSocket sees to a Shutdown
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

// flushed is a ResponseWriter that sends what is written at once.
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
