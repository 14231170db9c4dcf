package websockets

import (
	"context"
	"net/http"
	"sync"

	"github.com/lxzan/gws"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// rooms are servers that send what a member says to all members, but for the first message of each: that comes back to it
// alone, when it has become a member.
func rooms() []Server {
	return []Server{
		{Name: "weir ws room", Ours: true, Room: true, Handler: newWeirRoom},
		{Name: "gws room", Room: true, Handler: newGwsRoom},
	}
}

// weirRoom sends one prepared message to each member.
type weirRoom struct{ members[*websocket.Conn] }

func newWeirRoom() http.Handler { return httpd.WebSocket(new(weirRoom).serve, nil) }

func (r *weirRoom) serve(ctx context.Context, conn *websocket.Conn) error {
	defer r.leave(conn)
	for {
		m, err := conn.In.Recv(ctx)
		if err != nil {
			return conn.In.Err()
		}
		if r.enter(conn) {
			err = conn.Out.Send(ctx, m)
		} else {
			err = r.broadcast(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

func (r *weirRoom) broadcast(ctx context.Context, m websocket.Message) error {
	m, err := websocket.Prepare(m)
	if err == nil {
		r.each(func(member *websocket.Conn) { _ = member.Out.Send(ctx, m) }) // one that has gone leaves by itself
	}
	return err
}

// gwsRoom uses its Broadcaster.
type gwsRoom struct {
	gws.BuiltinEventHandler
	members[*gws.Conn]
}

func newGwsRoom() http.Handler { return gwsEcho{gws.NewUpgrader(new(gwsRoom), nil)} }

func (r *gwsRoom) OnClose(conn *gws.Conn, _ error) { r.leave(conn) }

func (r *gwsRoom) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	if r.enter(conn) {
		_ = conn.WriteMessage(m.Opcode, m.Bytes()) // an error is passed to OnClose
		return
	}
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	r.each(func(member *gws.Conn) { _ = b.Broadcast(member) }) // one that has gone leaves by itself
	_ = b.Close()
}

// members is a set of connections.
type members[C comparable] struct {
	mu  sync.Mutex
	all map[C]struct{}
}

// enter adds conn and reports whether it was new.
func (m *members[C]) enter(conn C) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[C]struct{}{}
	}
	before := len(m.all)
	m.all[conn] = struct{}{}
	return len(m.all) > before
}

func (m *members[C]) leave(conn C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, conn)
}

// each calls f with every member.
func (m *members[C]) each(f func(C)) {
	m.mu.Lock()
	all := make([]C, 0, len(m.all))
	for conn := range m.all {
		all = append(all, conn)
	}
	m.mu.Unlock()
	for _, conn := range all {
		f(conn)
	}
}
