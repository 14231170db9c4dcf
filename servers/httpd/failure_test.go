package httpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
)

// TestErrorsOfStreamingFunctionsAreLoggedAndReported holds for functions that fail after their reply has started, while
// the client is there.
func TestErrorsOfStreamingFunctionsAreLoggedAndReported(t *testing.T) {
	boom := errors.New("boom")
	serve := func(context.Context, *websocket.Conn) error { return boom }
	wrapped := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
	}
	const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for name, of := range map[string]struct {
		handler http.Handler
		request string
	}{
		"websocket":         {WebSocket(serve, nil), upgrade},
		"websocket wrapped": {wrapped(WebSocket(serve, nil)), upgrade},
		"events": {EventStream(func(ctx context.Context, events *chanio.Sink[sse.Event]) error {
			_ = events.Send(ctx, sse.Event{Data: "x"})
			return boom
		}, nil), getLine},
		"stream": {Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
			_ = d.Out.Send(ctx, []byte("x"))
			_ = d.Out.Flush(ctx)
			return boom
		}), getLine},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLockedBuffer()
			cfg := Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
			seen := accessOf(t, cfg, of.handler, func(t *testing.T, addr string) {
				nc, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				defer nc.Close()
				_, err = io.WriteString(nc, of.request)
				require.NoError(t, err)
				in := bufio.NewReader(nc)
				r, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				if r.StatusCode == http.StatusSwitchingProtocols {
					_, err = in.ReadByte() // of the close frame
					require.NoError(t, err)
					return
				}
				_, err = io.ReadAll(r.Body)
				require.Error(t, err, "the reply is cut")
			})
			require.Contains(t, log.String(), "level=ERROR")
			require.Contains(t, log.String(), "boom")
			require.Len(t, seen.ended, 1)
			require.ErrorIs(t, seen.ended[0].Err, boom)
		})
	}
}

func TestEndsOfWebSocketsAreNoFailures(t *testing.T) {
	for name, serve := range map[string]func(context.Context, *websocket.Conn) error{
		"the client leaves": func(ctx context.Context, conn *websocket.Conn) error {
			for {
				if _, err := conn.In.Recv(ctx); err != nil {
					return err
				}
			}
		},
		"a close code": func(context.Context, *websocket.Conn) error {
			return &websocket.CloseError{Code: websocket.PolicyViolation}
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLockedBuffer()
			cfg := Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
			accessOf(t, cfg, WebSocket(serve, nil), func(t *testing.T, addr string) {
				nc, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
					"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
				require.NoError(t, err)
				_, err = nc.Read(make([]byte, 1))
				require.NoError(t, err)
				require.NoError(t, nc.Close())
			})
			require.NotContains(t, log.String(), "level=ERROR")
		})
	}
}
