package sockets

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

type gorillaPeer struct {
	conn  *gorilla.Conn
	pongs chan string
}

func gorillaDial(t *testing.T, s ecosystem.Server, m mode) theirs {
	dialer := gorilla.Dialer{TLSClientConfig: s.TLS(), EnableCompression: m != plain, HandshakeTimeout: ecosystem.Patience}
	conn, _, err := dialer.Dial(strings.Replace(s.URL, "http", "ws", 1), nil) //nolint:bodyclose // it has none
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(ecosystem.Patience)))
	p := &gorillaPeer{conn, make(chan string, 1)}
	conn.SetPongHandler(func(s string) error { p.pongs <- s; return nil })
	return p
}

func (g *gorillaPeer) kind(m message) int {
	if m.binary {
		return gorilla.BinaryMessage
	}
	return gorilla.TextMessage
}

// send sends a message that is longer than the write buffer of 4 KiB, in fragments if there should be several.
func (g *gorillaPeer) send(m message) error {
	if m.pieces < 2 {
		return g.conn.WriteMessage(g.kind(m), m.data)
	}
	w, err := g.conn.NextWriter(g.kind(m))
	if err != nil {
		return err
	}
	for rest := m.data; len(rest) > 0; {
		n, err := w.Write(rest[:min(1000, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return w.Close()
}

func (g *gorillaPeer) recv() (message, error) {
	kind, p, err := g.conn.ReadMessage()
	return message{binary: kind == gorilla.BinaryMessage, data: p}, err
}

// ping reads concurrently, because gorilla handles a pong only then; the message that it reads is an echo.
func (g *gorillaPeer) ping() error {
	deadline := time.Now().Add(ecosystem.Patience)
	if err := g.conn.WriteControl(gorilla.PingMessage, []byte("payload"), deadline); err != nil {
		return err
	}
	if err := g.conn.WriteMessage(gorilla.TextMessage, nil); err != nil {
		return err
	}
	if _, _, err := g.conn.ReadMessage(); err != nil {
		return err
	}
	select {
	case s := <-g.pongs:
		if s == "payload" {
			return nil
		}
	default:
	}
	return errors.New("no pong")
}

func (g *gorillaPeer) close(code int, reason string) error {
	return g.conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(ecosystem.Patience))
}

func (g *gorillaPeer) code(err error) int {
	var end *gorilla.CloseError
	if errors.As(err, &end) {
		return end.Code
	}
	return -1
}

func (g *gorillaPeer) drop() { _ = g.conn.Close() }

func gorillaServer(m mode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := gorilla.Upgrader{EnableCompression: m != plain}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			kind, p, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if string(p) == "close" {
				_ = conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4001, "as told"), time.Now().Add(ecosystem.Patience))
				continue // until the answer
			}
			if conn.WriteMessage(kind, p) != nil {
				return
			}
		}
	})
}
