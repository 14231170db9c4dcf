package sockets

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

func (m mode) gws() gws.PermessageDeflate {
	return gws.PermessageDeflate{
		Enabled: m != plain, Threshold: 1, ServerContextTakeover: m == takeover, ClientContextTakeover: m == takeover,
	}
}

// gwsEvents passes on events.
type gwsEvents struct {
	gws.BuiltinEventHandler
	messages chan message
	pongs    chan string
	ended    chan error
	server   bool
}

func (e *gwsEvents) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	switch {
	case !e.server:
		e.messages <- message{binary: m.Opcode == gws.OpcodeBinary, data: bytes.Clone(m.Bytes())}
	case string(m.Bytes()) == "close":
		_ = conn.WriteClose(4001, []byte("as told"))
	default:
		_ = conn.WriteMessage(m.Opcode, m.Bytes()) // an error is passed to OnClose
	}
}

func (e *gwsEvents) OnPing(conn *gws.Conn, p []byte) { _ = conn.WritePong(p) }

func (e *gwsEvents) OnPong(_ *gws.Conn, p []byte) {
	if !e.server {
		e.pongs <- string(p)
	}
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) {
	if !e.server {
		e.ended <- err
	}
}

type gwsPeer struct {
	conn   *gws.Conn
	events *gwsEvents
	over   chan struct{}
}

func gwsDial(t *testing.T, s ecosystem.Server, m mode) theirs {
	p := &gwsPeer{
		events: &gwsEvents{messages: make(chan message), pongs: make(chan string, 1), ended: make(chan error, 1)},
		over:   make(chan struct{}),
	}
	conn, _, err := gws.NewClient(p.events, &gws.ClientOption{ //nolint:bodyclose // it has none
		Addr: strings.Replace(s.URL, "http", "ws", 1), TlsConfig: s.TLS(), PermessageDeflate: m.gws(),
		ReadMaxPayloadSize: maxMessage, WriteMaxPayloadSize: maxMessage, CheckUtf8Enabled: true,
	})
	require.NoError(t, err)
	p.conn = conn
	go func() {
		defer close(p.over)
		conn.ReadLoop()
	}()
	return p
}

func (g *gwsPeer) send(m message) error {
	op := gws.OpcodeText
	if m.binary {
		op = gws.OpcodeBinary
	}
	if m.pieces < 2 {
		return g.conn.WriteMessage(op, m.data)
	}
	return g.conn.WriteFile(op, bytes.NewReader(m.data))
}

func (g *gwsPeer) recv() (message, error) {
	select {
	case m := <-g.events.messages:
		return m, nil
	case err := <-g.events.ended:
		return message{}, err
	}
}

func (g *gwsPeer) ping() error {
	if err := g.conn.WritePing([]byte("payload")); err != nil {
		return err
	}
	if <-g.events.pongs != "payload" {
		return errors.New("another pong")
	}
	return nil
}

func (g *gwsPeer) close(code int, reason string) error {
	return g.conn.WriteClose(uint16(code), []byte(reason))
}

// code returns the code that this side sent if it has closed the connection: it does not wait for the answer.
func (g *gwsPeer) code(err error) int {
	var end *gws.CloseError
	if errors.As(err, &end) {
		return int(end.Code)
	}
	return 4000
}

func (g *gwsPeer) drop() {
	_ = g.conn.NetConn().Close()
	<-g.over
}

func gwsServer(m mode) http.Handler {
	up := gws.NewUpgrader(&gwsEvents{server: true}, &gws.ServerOption{
		PermessageDeflate: m.gws(), ReadMaxPayloadSize: maxMessage, WriteMaxPayloadSize: maxMessage, CheckUtf8Enabled: true,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := up.Upgrade(w, r); err == nil {
			conn.ReadLoop()
		}
	})
}
