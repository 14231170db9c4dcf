package sockets

import (
	"context"
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

type coderPeer struct {
	ctx  context.Context
	conn *coder.Conn
}

func (m mode) coder() coder.CompressionMode {
	return map[mode]coder.CompressionMode{
		plain: coder.CompressionDisabled, alone: coder.CompressionNoContextTakeover, takeover: coder.CompressionContextTakeover,
	}[m]
}

func coderDial(t *testing.T, s ecosystem.Server, m mode) theirs {
	ctx := ecosystem.Within(t)
	conn, _, err := coder.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1), &coder.DialOptions{ //nolint:bodyclose // it has none
		HTTPClient: s.Client(t), CompressionMode: m.coder(), CompressionThreshold: 1,
	})
	require.NoError(t, err)
	conn.SetReadLimit(maxMessage)
	return &coderPeer{ctx, conn}
}

func (c *coderPeer) send(m message) error {
	kind := coder.MessageText
	if m.binary {
		kind = coder.MessageBinary
	}
	if m.pieces < 2 {
		return c.conn.Write(c.ctx, kind, m.data)
	}
	w, err := c.conn.Writer(c.ctx, kind)
	if err != nil {
		return err
	}
	for rest, n := m.data, len(m.data)/m.pieces; len(rest) > 0; {
		n = min(n, len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return w.Close()
}

func (c *coderPeer) recv() (message, error) {
	kind, p, err := c.conn.Read(c.ctx)
	return message{binary: kind == coder.MessageBinary, data: p}, err
}

// ping reads concurrently, because coder handles a pong only then; the message that it reads is an echo.
func (c *coderPeer) ping() error {
	ended := make(chan error, 1)
	go func() { ended <- c.conn.Ping(c.ctx) }()
	if _, _, err := c.echo(); err != nil {
		return err
	}
	for {
		select {
		case err := <-ended:
			return err
		default:
			if _, _, err := c.echo(); err != nil {
				return err
			}
		}
	}
}

func (c *coderPeer) echo() (coder.MessageType, []byte, error) {
	if err := c.conn.Write(c.ctx, coder.MessageText, nil); err != nil {
		return 0, nil, err
	}
	return c.conn.Read(c.ctx)
}

func (c *coderPeer) close(code int, reason string) error {
	return c.conn.Close(coder.StatusCode(code), reason) // it waits for the answer
}

// code returns the code that this side sent if it has closed the connection: the close succeeds only with the answer.
func (c *coderPeer) code(err error) int {
	if code := coder.CloseStatus(err); code != -1 {
		return int(code)
	}
	return 4000
}

func (c *coderPeer) drop() { _ = c.conn.CloseNow() }

func coderServer(m mode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: m.coder(), CompressionThreshold: 1})
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(maxMessage)
		for {
			kind, p, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if string(p) == "close" {
				_ = conn.Close(4001, "as told")
				return
			}
			if conn.Write(r.Context(), kind, p) != nil {
				return
			}
		}
	})
}
