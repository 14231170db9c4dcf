package websockets

import (
	"context"
	"net/http"
	"sync"

	"github.com/lxzan/gws"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers/httpd"
)

// rooms are servers that send the messages of a member to all members, except the first message of each: it comes back
// to its sender alone, which has become a member by then.
func rooms() []Server {
	return []Server{
		{Name: "weir ws room", Ours: true, Room: true, Handler: newWeirRoom},
		{Name: "gws room", Room: true, Handler: newGwsRoom},
	}
}

// weirRoom publishes prepared messages to the members, which are attached to a bus.
type weirRoom struct {
	bus *bus.Bus[string, websocket.Message]
}

func newWeirRoom() http.Handler {
	return httpd.WebSocket(weirRoom{bus.New[string, websocket.Message]()}.serve, nil)
}

const room = "room" // the only topic

func (r weirRoom) serve(ctx context.Context, conn *websocket.Conn) error {
	leave, err := r.enter(ctx, conn)
	if err != nil {
		return err
	}
	defer leave()
	for {
		m, err := conn.In.Recv(ctx)
		if err != nil {
			return conn.In.Err()
		}
		if m, err = websocket.Prepare(m); err != nil {
			return err
		}
		if _, err := r.bus.Publish(ctx, room, m); err != nil {
			return err
		}
	}
}

// enter echoes the first message and makes conn a member.
func (r weirRoom) enter(ctx context.Context, conn *websocket.Conn) (leave func(), err error) {
	m, err := conn.In.Recv(ctx)
	if err != nil {
		return nil, conn.In.Err()
	}
	if leave, err = r.bus.Attach(ctx, room, conn.Out, nil); err != nil {
		return nil, err
	}
	return leave, conn.Out.Send(ctx, m) // the attachment ends with ctx
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
	r.each(func(member *gws.Conn) { _ = b.Broadcast(member) }) // a member that has disconnected leaves by itself
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
