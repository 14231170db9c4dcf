// Package websockets contains the same WebSocket servers for this library and others: an echo, an echo that compresses,
// and a room whose members receive what one of them sends.
package websockets

import (
	"context"
	"net/http"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// Server is a server of one library.
type Server struct {
	Name    string
	Ours    bool
	Deflate bool // it compresses each message separately
	Room    bool // it is a room, not an echo
	Handler func() http.Handler
}

// Servers are the servers to compare. Each receives owned messages, except the leased one, which reuses their memory.
func Servers() []Server {
	all := []Server{
		{Name: "weir ws Connect", Ours: true, Handler: weirEcho(connect)},
		{Name: "weir ws Recv/Send", Ours: true, Handler: weirEcho(loop)},
		{Name: "weir ws leased", Ours: true, Handler: weirEcho(leased)},
		{Name: "gws", Handler: func() http.Handler { return gwsEcho{gws.NewUpgrader(&gwsHandler{}, nil)} }},
		{Name: "gorilla", Handler: func() http.Handler { return gorillaEcho{&gorilla.Upgrader{}} }},
		{Name: "gobwas", Handler: func() http.Handler { return http.HandlerFunc(gobwasEcho) }},
		{Name: "coder", Handler: func() http.Handler { return coderEcho{} }},
	}
	return append(append(all, deflating()...), rooms()...)
}

type conversation = func(ctx context.Context, conn *websocket.Conn) error

func weirEcho(f conversation) func() http.Handler {
	return func() http.Handler { return httpd.WebSocket(f, nil) }
}

func connect(ctx context.Context, conn *websocket.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out)
}

func leased(ctx context.Context, conn *websocket.Conn) error {
	d := websocket.Leases(conn)
	return pipeline.Connect(ctx, d.In, d.Out)
}

func loop(ctx context.Context, conn *websocket.Conn) error {
	return pass(ctx, conn.In, conn.Out)
}

func pass(ctx context.Context, in *chanio.Source[websocket.Message], out *chanio.Sink[websocket.Message]) error {
	for {
		m, err := in.Recv(ctx)
		if err != nil {
			return in.Err()
		}
		if err := out.Send(ctx, m); err != nil {
			return err
		}
	}
}

// gwsEcho runs its loop in a goroutine that does not retain the request, as its documentation shows.
type gwsEcho struct{ upgrader *gws.Upgrader }

func (h gwsEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if conn, err := h.upgrader.Upgrade(w, r); err == nil {
		go conn.ReadLoop() // ends with the connection
	}
}

type gwsHandler struct{ gws.BuiltinEventHandler }

func (*gwsHandler) OnMessage(conn *gws.Conn, m *gws.Message) {
	_ = conn.WriteMessage(m.Opcode, m.Bytes()) // an error is passed to OnClose
	_ = m.Close()
}

type gorillaEcho struct{ upgrader *gorilla.Upgrader }

func (h gorillaEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		kind, p, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, p) != nil {
			return
		}
	}
}

func gobwasEcho(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := gobwas.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil || wsutil.WriteServerMessage(conn, op, p) != nil {
			return
		}
	}
}

type coderEcho struct{ options *coder.AcceptOptions }

func (h coderEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := coder.Accept(w, r, h.options)
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, p, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, p) != nil {
			return
		}
	}
}
