package httpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/http1"
)

// WebSocketConfig configures the opening of a WebSocket. A nil *WebSocketConfig and the zero value use the defaults.
type WebSocketConfig struct {
	// WebSocket configures the connection. DialWebSocket sets Client, Extension, Subprotocol, Handshake and Context.
	WebSocket websocket.Config

	// Subprotocols lists the subprotocols to offer, in order of preference: tokens, each at most once (RFC 6455 4.1).
	Subprotocols []string

	// Header, Host, Cookies, Auth and Route are as in [Request]. Header may have an Origin; a program needs none.
	Header  http.Header
	Host    string
	Cookies []*http.Cookie
	Auth    Auth
	Route   *Route

	// Timeout limits the handshake, including the dial. 0 means 30 s; negative means no limit except ctx.
	Timeout time.Duration

	// MaxRedirects limits the redirects followed. 0 means none: a redirect is then a refusal.
	MaxRedirects int
}

// HandshakeError means that a server refused a WebSocket, or that its answer violates the protocol.
type HandshakeError struct {
	Status int
	Header http.Header
	Body   []byte // first 16 KiB of the body, if the server refused
	Reason string // what is wrong with an answer of status 101, or 200 over HTTP/2
}

// Error returns the status and the reason.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("httpc: WebSocket handshake: status %d", e.Status)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// refusalBody limits the bytes kept of a refusal's body.
const refusalBody = 16 << 10

// DialWebSocket opens a WebSocket with the [Default] client; see [Client.DialWebSocket].
func DialWebSocket(ctx context.Context, url string, cfg *WebSocketConfig) (*websocket.Conn, error) {
	return Default().DialWebSocket(ctx, url, cfg)
}

// DialWebSocket opens a WebSocket to a URL of scheme ws, wss, ws+unix or wss+unix, such as ws+unix:/path/of.sock:/path.
// It uses the proxy, resolver, TLS and cookies of c, and user information of the URL as Basic authentication. cfg may
// be nil. If the server does not accept, the error is a [*HandshakeError]. ctx bounds only the handshake.
//
// The WebSocket uses a stream of an existing HTTP/2 connection if the server supports that (RFC 8441), and otherwise
// its own HTTP/1.1 connection; see Config.Protocols. A WebSocket over HTTP/2 ends with its connection, which Close also
// ends.
func (c *Client) DialWebSocket(ctx context.Context, url string, cfg *WebSocketConfig) (*websocket.Conn, error) {
	if cfg == nil {
		cfg = &WebSocketConfig{}
	}
	if timeout := cfg.timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = bound(ctx, timeout, PhaseTotal)
		defer cancel()
	}
	key := websocket.NewKey()
	r, err := cfg.request(url, key)
	if err != nil {
		return nil, err
	}
	if !c.isChallenged(cfg.Auth) {
		r.protocol = "websocket"
	}
	resp, conn, err := c.Upgrade(ctx, r)
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, resp.call.explain(resp.raw.Request, refusal(ctx, resp))
	}
	ws := cfg.WebSocket
	if err := cfg.confirm(&ws, resp, key); err != nil {
		conn.Abort(err)
		return nil, resp.call.explain(resp.raw.Request, err)
	}
	return websocket.NewConn(conn, &ws), nil
}

// isChallenged reports whether the authentication depends on the method, which differs over HTTP/2.
func (c *Client) isChallenged(auth Auth) bool {
	if auth == nil {
		auth = c.t.cfg.Auth
	}
	_, ok := auth.(Challenged)
	return ok
}

func (cfg *WebSocketConfig) timeout() time.Duration {
	if cfg.Timeout == 0 {
		return 30 * time.Second
	}
	return cfg.Timeout
}

// schemes maps the schemes of WebSockets to those of their requests.
var schemes = map[string]string{"ws": "http", "wss": "https", "ws+unix": "http+unix", "wss+unix": "https+unix"}

// request returns the handshake request (RFC 6455 4.1).
func (cfg *WebSocketConfig) request(rawURL, key string) (*Request, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	plain := schemes[strings.ToLower(scheme)]
	switch {
	case ok && plain != "":
	case ok && slices.Contains([]string{"http", "https", "http+unix", "https+unix"}, strings.ToLower(scheme)):
		plain = scheme
	default:
		return nil, invalid("the URL of a WebSocket begins with ws, wss, ws+unix or wss+unix")
	}
	if u, err := url.Parse(plain + ":" + rest); err == nil && u.Fragment != "" {
		return nil, invalid("the URL of a WebSocket has no fragment")
	}
	for i, name := range cfg.Subprotocols {
		if !http1.ValidToken(name) || slices.Contains(cfg.Subprotocols[:i], name) {
			return nil, invalid("invalid or repeated subprotocol %q", name)
		}
	}
	h := cfg.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool { return ofHandshake(name) })
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", websocket.Version)
	h.Set("Sec-WebSocket-Key", key)
	if len(cfg.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(cfg.Subprotocols, ", "))
	}
	if offer := cfg.WebSocket.Deflate.Offer(); offer != "" {
		h.Set("Sec-WebSocket-Extensions", offer)
	}
	redirects := cfg.MaxRedirects
	if redirects == 0 {
		redirects = -1
	}
	return &Request{
		URL: plain + ":" + rest, Header: h, Host: cfg.Host, Cookies: cfg.Cookies, Auth: cfg.Auth, Route: cfg.Route,
		MaxRedirects: redirects, Timeout: -1, anyStatus: true,
	}, nil
}

// ofHandshake reports whether a field is reserved to the handshake, in any case of its letters.
func ofHandshake(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Upgrade", "Sec-Websocket-Version", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions":
		return true
	}
	return false
}

// confirm checks the answer and sets the negotiated values in ws (RFC 6455 4.1).
func (cfg *WebSocketConfig) confirm(ws *websocket.Config, resp *Response, key string) error {
	h := resp.Header
	wrong := func(reason string) error {
		return &HandshakeError{Status: resp.Status, Header: h, Reason: reason}
	}
	upgraded := resp.Status == http.StatusSwitchingProtocols // a stream of HTTP/2 has none of these fields
	if upgraded && (!http1.AnyHasToken(h["Connection"], "upgrade") || !http1.AnyHasToken(h["Upgrade"], "websocket")) {
		return wrong("the connection does not become a WebSocket")
	}
	if got := h["Sec-Websocket-Accept"]; upgraded && (len(got) != 1 || got[0] != websocket.AcceptKey(key)) {
		return wrong("Sec-WebSocket-Accept does not answer the key")
	}
	switch chosen := h["Sec-Websocket-Protocol"]; {
	case len(chosen) == 0:
	case len(chosen) > 1, !slices.Contains(cfg.Subprotocols, chosen[0]):
		return wrong(fmt.Sprintf("subprotocol %q was not offered", strings.Join(chosen, ", ")))
	default:
		ws.Subprotocol = chosen[0]
	}
	extension, err := ws.Deflate.Confirm(h["Sec-Websocket-Extensions"])
	if err != nil {
		return wrong(err.Error())
	}
	ws.Client, ws.Extension, ws.Context = true, extension, nil
	ws.Handshake = textproto.MIMEHeader(h)
	return nil
}

// refusal returns the error for a response that refuses the handshake.
func refusal(ctx context.Context, resp *Response) error {
	e := &HandshakeError{Status: resp.Status, Header: resp.Header}
	e.Body, _ = io.ReadAll(io.LimitReader(resp.Reader(ctx), refusalBody)) // as much as arrives
	_ = resp.Close()
	return e
}

// WebSockets returns a Source of WebSockets to one server. Each is opened when the previous one has ended, as by
// [clients.Reconnect]. reconnect configures it; nil means the defaults. A refusal with a status of 400 to 499, except
// 408, 425 and 429, ends the Source, and so does a request that cannot be sent as given, or [ErrClosed], unless
// reconnect.Permanent is set. A connection that was not Stable counts as a failure unless Useful reports otherwise. The
// receiver must close the connections. Channels of the Source are unbuffered, and a connection that is not received is
// aborted.
func (c *Client) WebSockets(url string, cfg *WebSocketConfig, reconnect *clients.ReconnectConfig) *chanio.Source[*websocket.Conn] {
	conf := clients.ReconnectConfig{}
	if reconnect != nil {
		conf = *reconnect
	}
	if conf.Permanent == nil {
		conf.Permanent = isPermanent
	}
	if conf.Useful == nil {
		conf.Useful = func(*chanio.Conn) bool { return false } // the handshake moved bytes
	}
	var made handedOver
	conns := clients.Reconnect(func(ctx context.Context) (*chanio.Conn, error) {
		conn, err := c.DialWebSocket(ctx, url, cfg)
		if err != nil {
			return nil, err
		}
		return made.put(conn), nil
	}, &conf).Conns
	up := conns.Claim("httpc.WebSockets")
	return chanio.NewSource(chanio.SourceHooks[*websocket.Conn]{
		Next: func(ctx context.Context) (*websocket.Conn, error) {
			below, err := up.Next(ctx)
			if err != nil {
				return nil, err
			}
			return made.take(below), nil
		},
		Close: up.Close,
		Undelivered: func(conn *websocket.Conn) {
			conn.Abort(net.ErrClosed)
			up.Drop(conn.Below())
		},
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "httpc.WebSockets", Upstream: []chanio.Description{up.Describe()}}
		},
	})
}

// handedOver holds the WebSockets that are not yet received, by their connections.
type handedOver struct {
	mu    sync.Mutex
	conns map[*chanio.Conn]*websocket.Conn
}

func (h *handedOver) put(conn *websocket.Conn) *chanio.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = map[*chanio.Conn]*websocket.Conn{conn.Below(): conn} // an earlier one that was not taken has been aborted
	return conn.Below()
}

func (h *handedOver) take(below *chanio.Conn) *websocket.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer delete(h.conns, below)
	return h.conns[below]
}

// isPermanent reports whether err is hopeless, or a refusal that is not temporary.
func isPermanent(err error) bool {
	if isHopeless(err) {
		return true
	}
	var e *HandshakeError
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
		return false
	}
	return e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooEarly && e.Status != http.StatusTooManyRequests
}
