package httpd

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

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
	_ = rc.SetReadDeadline(time.Time{}) // those of the server are for requests
	_ = rc.SetWriteDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil {
		return nil, &HandshakeError{Status: http.StatusNotImplemented, Reason: "This server cannot stream.", Err: errors.Join(err, errors.ErrUnsupported)}
	}
	timeout := cmp.Or(cfg.WriteTimeout, defaultWriteTimeout)
	return streamConn(r.Body, &flushed{w: w, rc: rc, deadline: writeDeadline{rc: rc}, timeout: timeout}), nil
}

// streamConn returns the connection of a stream of another server. It is released when nothing uses the ResponseWriter
// any more, since the handler then returns, and that server uses the memory for other streams.
func streamConn(body io.ReadCloser, w *flushed) *chanio.Conn {
	in := chanio.FromReader(body, body.Close)
	out := chanio.ToWriter(w)
	w.why = out.Err
	released := make(chan struct{})
	in.OnDone(func() {
		out.OnDone(func() {
			defer close(released) // even if the ResponseWriter panics
			defer w.end()
			_ = out.Close() // waits for one that is draining
		})
	})
	return chanio.ConnOf(in, out, &chanio.ConnInfo{Released: released})
}

// flushed is a ResponseWriter that flushes each write.
type flushed struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration // of a write, if positive
	why     func() error  // why writes are interrupted

	mu    sync.Mutex // held during a write
	ended bool

	deadline writeDeadline
}

// end interrupts a write in progress, waits for it and refuses others. If the ResponseWriter has no deadlines, it does not
// wait: only the return of the handler then ends the write.
func (f *flushed) end() {
	if !f.mu.TryLock() {
		if f.deadline.cut() != nil {
			return
		}
		f.mu.Lock()
	}
	f.ended = true
	f.mu.Unlock()
}

// Write writes pieces that take no longer than the timeout if the client reads 240 bytes a second.
func (f *flushed) Write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return 0, net.ErrClosed
	}
	most := len(p)
	if f.timeout > 0 {
		most = max(1024, int(min(f.timeout, time.Hour).Seconds()*240))
		defer f.deadline.set(time.Time{}) // net/http resets a stream at its deadline, even if nothing is written
	}
	for n < len(p) && err == nil {
		if f.timeout > 0 {
			_ = f.deadline.set(time.Now().Add(f.timeout))
		}
		var done int
		done, err = f.w.Write(p[n:min(n+most, len(p))])
		n += done
	}
	if err == nil {
		err = f.rc.Flush()
	}
	if err != nil && f.deadline.isCut() {
		err = cmp.Or(f.why(), err) // and not the deadline
	}
	return n, err
}
