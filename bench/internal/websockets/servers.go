// Package websockets has the same WebSocket echo and broadcast by this library and by others, for benchmarks beside each other:
//
//	go test -run '^$' -bench . ./bench/internal/websockets
//
// All are driven by the same client, so what differs is the server.
package websockets

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	coder "github.com/coder/websocket"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// Server is an echo of one library.
type Server struct {
	Name    string
	Handler func() http.Handler
}

// Servers are the echo servers that are compared. Each gets an owned message and sends it back, but for leased, whose memory
// is used again.
var Servers = []Server{
	{"weir", func() http.Handler { return httpd.WebSocket(echo, nil) }},
	{"weir-leased", func() http.Handler { return httpd.WebSocket(echoLeased, nil) }},
	{"gws", func() http.Handler { return gwsEcho{gws.NewUpgrader(&gwsHandler{}, nil)} }},
	{"gorilla", func() http.Handler { return http.HandlerFunc(gorillaEcho) }},
	{"gobwas", func() http.Handler { return http.HandlerFunc(gobwasEcho) }},
	{"coder", func() http.Handler { return http.HandlerFunc(coderEcho) }},
}

func echo(ctx context.Context, conn *websocket.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out)
}

func echoLeased(ctx context.Context, conn *websocket.Conn) error {
	d := websocket.Leases(conn)
	return pipeline.Connect(ctx, d.In, d.Out)
}

// gwsEcho runs the loop of each connection in the handler.
type gwsEcho struct{ upgrader *gws.Upgrader }

func (h gwsEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if conn, err := h.upgrader.Upgrade(w, r); err == nil {
		conn.ReadLoop()
	}
}

type gwsHandler struct{ gws.BuiltinEventHandler }

func (*gwsHandler) OnMessage(conn *gws.Conn, m *gws.Message) {
	_ = conn.WriteMessage(m.Opcode, m.Bytes()) // OnClose is told
	_ = m.Close()
}

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
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

func coderEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := coder.Accept(w, r, nil)
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

// Room is connections that get every message of a broadcast.
type Room interface {
	http.Handler
	Broadcast(ctx context.Context, p []byte) error
	Len() int
}

// Rooms are the broadcasts that are compared.
var Rooms = map[string]func() Room{
	"weir": func() Room { return &weirRoom{} },
	"gws":  func() Room { return newGwsRoom() },
}

// weirRoom sends one prepared message to each member.
type weirRoom struct {
	members[*websocket.Conn]
}

func (r *weirRoom) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		defer r.enter(conn)()
		_, err := conn.In.Recv(ctx)
		return err
	}, nil).ServeHTTP(w, req)
}

func (r *weirRoom) Broadcast(ctx context.Context, p []byte) error {
	m, err := websocket.Prepare(websocket.Binary(p))
	if err != nil {
		return err
	}
	return r.each(func(conn *websocket.Conn) error { return conn.Out.Send(ctx, m) })
}

// gwsRoom uses its Broadcaster.
type gwsRoom struct {
	members[*gws.Conn]
	gwsEcho
}

func newGwsRoom() *gwsRoom {
	r := &gwsRoom{}
	r.upgrader = gws.NewUpgrader(&gwsHandler{}, nil)
	return r
}

func (r *gwsRoom) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := r.upgrader.Upgrade(w, req)
	if err != nil {
		return
	}
	defer r.enter(conn)()
	conn.ReadLoop()
}

func (r *gwsRoom) Broadcast(_ context.Context, p []byte) error {
	b := gws.NewBroadcaster(gws.OpcodeBinary, p)
	defer func() { _ = b.Close() }()
	return r.each(b.Broadcast)
}

// members is a set of connections.
type members[C comparable] struct {
	mu  sync.Mutex
	all map[C]struct{}
}

func (m *members[C]) enter(conn C) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[C]struct{}{}
	}
	m.all[conn] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.all, conn)
	}
}

// Len returns how many there are.
func (m *members[C]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all)
}

func (m *members[C]) each(f func(C) error) error {
	m.mu.Lock()
	all := make([]C, 0, len(m.all))
	for conn := range m.all {
		all = append(all, conn)
	}
	m.mu.Unlock()
	var errs []error
	for _, conn := range all {
		errs = append(errs, f(conn))
	}
	return errors.Join(errs...)
}

// Serve serves a handler by net/http on a free port, so that the HTTP server is the same for all, and returns its URL.
func Serve(h http.Handler) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	return "ws://" + ln.Addr().String(), func() {
		_ = srv.Close()
		<-done
	}, nil
}
