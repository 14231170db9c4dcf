package httpd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// UpgradeConfig configures the upgrade of a request to a WebSocket. A nil *UpgradeConfig and the zero value use the
// defaults.
type UpgradeConfig struct {
	// WebSocket configures the connection. Upgrade sets Client, Extension, Subprotocol, Handshake and Context.
	WebSocket websocket.Config

	// Subprotocols lists the server's subprotocols in order of preference. The first that the client also offers is
	// selected; without one the connection has no subprotocol.
	Subprotocols []string

	// Origins lists the pages of other hosts that may connect, as patterns of path.Match for the host and port of an
	// Origin, such as "*.example.com", or for the whole Origin if they contain "://". "*" permits every page, including
	// one whose Origin is null. A request without an Origin, or whose Origin is its own Host, is always permitted.
	Origins []string

	// Header is added to the response, in addition to the header of the ResponseWriter.
	Header http.Header

	// Timeout limits the time to send the response to the handshake. 0 means 10 s.
	Timeout time.Duration

	// WriteTimeout is how long the client may read nothing, or less than 240 bytes per second on average, before the
	// connection is aborted. It applies to connections of servers other than this package's, which has
	// Config.WriteTimeout. 0 means 30 s; negative means no limit.
	WriteTimeout time.Duration

	// NoReply leaves the reply to a rejected request to the caller. By default Upgrade sends it.
	NoReply bool

	// Live, if not nil, closes the connection with 1001 on its Shutdown. It is for servers other than this package's,
	// which closes its own connections.
	Live *Live
}

// HandshakeError is the reason why a request was rejected as a WebSocket handshake.
type HandshakeError struct {
	Status int // status of the reply
	Reason string
	Err    error // the cause, or nil
}

// Error returns the status and the reason.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("httpd: Upgrade: %d: %s", e.Status, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// IsUpgrade reports whether r requests a WebSocket, by HTTP/1.1 (RFC 6455) or HTTP/2 (RFC 8441), whether or not its
// handshake is valid.
func IsUpgrade(r *http.Request) bool {
	if isExtendedConnect(r) {
		return true
	}
	return http1.AnyHasToken(r.Header["Connection"], "upgrade") && http1.AnyHasToken(r.Header["Upgrade"], "websocket")
}

// Upgrade turns the request into a WebSocket, on any server whose ResponseWriter can be hijacked, also through
// middleware that implements Unwrap. cfg may be nil. A rejected request is answered, unless cfg.NoReply is set, and the
// error is a [*HandshakeError]; a ResponseWriter that cannot be hijacked also causes one, which wraps
// errors.ErrUnsupported.
//
// The connection ends with the context of r, and so when the handler returns: with 1000, or with the code of a
// [*websocket.CloseError] that is the context's cause. Over HTTP/1.1, conn.Detach separates it from the context.
// Over HTTP/2 on a server of net/http, which permits no write after the handler has returned, the handler must close the
// connection itself.
// [WebSocket] is a handler that closes the connection according to the error returned.
func Upgrade(w http.ResponseWriter, r *http.Request, cfg *UpgradeConfig) (*websocket.Conn, error) {
	return upgrade(r.Context(), w, r, cfg)
}

// upgrade is Upgrade with a separate context for the connection.
func upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request, cfg *UpgradeConfig) (*websocket.Conn, error) {
	if cfg == nil {
		cfg = &UpgradeConfig{}
	}
	err := cfg.check(r)
	if err == nil {
		var conn *websocket.Conn
		if conn, err = cfg.upgrade(ctx, w, r); err == nil {
			cfg.Live.add(conn)
			return conn, nil
		}
	}
	var refused *HandshakeError
	if errors.As(err, &refused) && !cfg.NoReply {
		refused.answer(w)
	}
	return nil, err
}

// answer sends the reply to a rejected request.
func (e *HandshakeError) answer(w http.ResponseWriter) {
	switch e.Status {
	case http.StatusUpgradeRequired:
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Version", websocket.Version)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	}
	http.Error(w, e.Reason, e.Status)
}

// check validates a handshake: RFC 6455 4.2.1.
func (cfg *UpgradeConfig) check(r *http.Request) error {
	extended := isExtendedConnect(r)
	switch {
	case !extended && r.Header.Get(":protocol") != "": // RFC 9220 3
		return &HandshakeError{Status: http.StatusNotImplemented, Reason: "Expected the protocol websocket."}
	case !extended && r.Method != http.MethodGet:
		return &HandshakeError{Status: http.StatusMethodNotAllowed, Reason: "Expected a GET request."}
	case !IsUpgrade(r):
		return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "Expected a WebSocket request."}
	case r.Header.Get("Sec-WebSocket-Version") != websocket.Version || len(r.Header["Sec-Websocket-Version"]) != 1:
		return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: "Expected version 13 of the WebSocket protocol."}
	case !extended && !r.ProtoAtLeast(1, 1):
		return &HandshakeError{Status: http.StatusBadRequest, Reason: "Expected HTTP/1.1."}
	case !extended && r.ContentLength != 0: // a body would be read as frames
		return &HandshakeError{Status: http.StatusBadRequest, Reason: "Expected a request without a body."}
	case !extended && (len(r.Header["Sec-Websocket-Key"]) != 1 || !websocket.ValidKey(r.Header.Get("Sec-WebSocket-Key"))):
		return &HandshakeError{Status: http.StatusBadRequest, Reason: "Expected one Sec-WebSocket-Key of 16 bytes."}
	case !cfg.allows(r):
		return &HandshakeError{Status: http.StatusForbidden, Reason: "Pages of this origin may not connect."}
	}
	return nil
}

// allows reports whether the Origin of the request may connect.
func (cfg *UpgradeConfig) allows(r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin := values[0]
	u, err := url.Parse(origin)
	known := err == nil && u.Host != "" && origin != "null"
	if known && strings.EqualFold(u.Host, r.Host) {
		return true
	}
	for _, pattern := range cfg.Origins {
		if pattern == "*" {
			return true
		}
		if !known {
			continue
		}
		name := u.Host
		if strings.Contains(pattern, "://") {
			name = u.Scheme + "://" + u.Host // an Origin consists of nothing else, whatever the client sends
		}
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name)); ok && err == nil {
			return true
		}
	}
	return false
}

// upgrade answers a handshake that has been validated.
func (cfg *UpgradeConfig) upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	ws := cfg.WebSocket
	ws.Client = false
	ws.Handshake = textproto.MIMEHeader(r.Header)
	ws.Subprotocol = websocket.ChooseSubprotocol(cfg.Subprotocols, r.Header["Sec-Websocket-Protocol"])
	ws.Extension = ws.Deflate.Accept(r.Header["Sec-Websocket-Extensions"])
	ws.Context = ctx
	defer holdDrain(w)()
	conn, err := cfg.take(w, r, &ws)
	if err != nil {
		ws.Deflate.Abandon(ws.Extension)
		return nil, err
	}
	return websocket.NewConn(conn, &ws), nil
}

// holdDrain prevents a Shutdown from ending the input of an HTTP/1 connection before it is a WebSocket, which then
// closes with 1001.
func holdDrain(w http.ResponseWriter) (letGo func()) {
	own, ok := w.(*response)
	if !ok {
		return func() {}
	}
	stop := own.conn.nc.OnDrain(func(error) {})
	return func() { stop() }
}

// take answers the handshake and takes over the connection.
func (cfg *UpgradeConfig) take(w http.ResponseWriter, r *http.Request, ws *websocket.Config) (*chanio.Conn, error) {
	if isExtendedConnect(r) {
		return cfg.accept(w, r, ws)
	}
	response, err := cfg.response(w, r, ws)
	if err != nil {
		return nil, err
	}
	conn, err := cfg.hijack(w)
	if err != nil {
		return nil, err
	}
	timeout := cfg.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	late := fmt.Errorf("the response was not sent within %v: %w", timeout, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), timeout, late)
	defer cancel()
	if err = conn.Out.Send(ctx, response); err == nil {
		err = conn.Out.Flush(ctx)
	}
	if err != nil {
		conn.Abort(err)
		return nil, fmt.Errorf("httpd: Upgrade: %w", err)
	}
	noteSwitched(w)
	return conn, nil
}

// hijack takes over the connection of w.
func (cfg *UpgradeConfig) hijack(w http.ResponseWriter) (*chanio.Conn, error) {
	refused := func(err error) error {
		return &HandshakeError{
			Status: http.StatusNotImplemented, Reason: "This server cannot switch protocols.",
			Err: fmt.Errorf("the ResponseWriter, a %T, cannot be hijacked: %w", w, errors.Join(err, errors.ErrUnsupported)),
		}
	}
	if own, ok := w.(*response); ok {
		conn, _, err := own.takeOver() // the WebSocket handles a Shutdown
		if err != nil {
			return nil, refused(err)
		}
		return conn, nil
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, refused(err)
	}
	conn, err := cfg.hijacked(nc, buffered.Reader)
	if err != nil {
		_ = nc.Close()
	}
	return conn, err
}

// hijacked returns a Conn for a connection that was taken over. Its input starts with the bytes buffered in in.
func (cfg *UpgradeConfig) hijacked(nc net.Conn, in *bufio.Reader) (*chanio.Conn, error) {
	var prefix []byte
	if n := in.Buffered(); n > 0 {
		p, err := in.Peek(n)
		if err != nil {
			return nil, err
		}
		prefix = append(prefix, p...)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	conf := &chanio.ConnConfig{Prefix: prefix, WriteTimeout: cfg.WriteTimeout}
	conf.WriteTimeout = cmp.Or(conf.WriteTimeout, defaultWriteTimeout)
	return chanio.NewConn(nc, conf), nil
}

// response returns the head of the 101 response: RFC 6455 4.2.2.
func (cfg *UpgradeConfig) response(w http.ResponseWriter, r *http.Request, ws *websocket.Config) ([]byte, error) {
	p := http1.AppendStatusLine(nil, http.StatusSwitchingProtocols)
	p = http1.AppendField(p, "Upgrade", "websocket")
	p = http1.AppendField(p, "Connection", "Upgrade")
	p = http1.AppendField(p, "Sec-WebSocket-Accept", websocket.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
	header, err := cfg.header(w, ws)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		for _, value := range values {
			p = http1.AppendField(p, name, value)
		}
	}
	return http1.AppendHeadEnd(p), nil
}

// header returns the fields of the response that do not depend on the version of HTTP.
func (cfg *UpgradeConfig) header(w http.ResponseWriter, ws *websocket.Config) (http.Header, error) {
	all := http.Header{}
	for _, header := range []http.Header{unmanaged(w.Header()), unmanaged(cfg.Header), agreed(ws)} {
		for name, values := range header {
			if !http1.ValidToken(name) || slices.ContainsFunc(values, func(v string) bool { return !http1.ValidValue(v) }) {
				return nil, &HandshakeError{
					Status: http.StatusInternalServerError, Reason: http.StatusText(http.StatusInternalServerError),
					Err: fmt.Errorf("invalid field %q in the response", name),
				}
			}
			name = http.CanonicalHeaderKey(name)
			all[name] = append(all[name], values...)
		}
	}
	return all, nil
}

// unmanaged returns the fields of h that are not reserved to the server.
func unmanaged(h http.Header) http.Header {
	h = h.Clone()
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		switch http.CanonicalHeaderKey(name) {
		case "Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
			"Content-Length", "Content-Type", "Transfer-Encoding":
			return true
		}
		return false
	})
	return h
}

// agreed returns the fields for the negotiated subprotocol and extension.
func agreed(ws *websocket.Config) http.Header {
	h := http.Header{}
	if ws.Subprotocol != "" {
		h.Set("Sec-WebSocket-Protocol", ws.Subprotocol)
	}
	if ws.Extension != nil {
		h.Set("Sec-WebSocket-Extensions", ws.Extension.String())
	}
	return h
}

// liveSocket is a WebSocket of a [Live].
type liveSocket struct {
	conn  *websocket.Conn
	ended chan struct{}
}

func (s *liveSocket) goAway()               { s.conn.Below().Drain(servers.ErrShutdown) }
func (s *liveSocket) done() <-chan struct{} { return s.ended }
func (s *liveSocket) abort()                { s.conn.Below().Abort(nil) }

// add adds a WebSocket until it has ended. It does nothing if l is nil.
func (l *Live) add(conn *websocket.Conn) {
	if l == nil {
		return
	}
	s := &liveSocket{conn, make(chan struct{})}
	leave, going := l.enter(s)
	conn.Out.OnDone(func() {
		<-conn.Done()
		leave()
		close(s.ended)
	})
	if going {
		s.goAway()
	}
}
