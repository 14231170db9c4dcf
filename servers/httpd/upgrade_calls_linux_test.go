package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// writes returns the number of write system calls of this process.
func writes(t *testing.T) (n int) {
	p, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	_, err = fmt.Sscanf(string(p[strings.Index(string(p), "syscw:"):]), "syscw: %d", &n)
	require.NoError(t, err)
	return n
}

// TestRepliesToManyMessagesLeaveInFewWrites sends 64 messages at once, like a client with a window of 64.
func TestRepliesToManyMessagesLeaveInFewWrites(t *testing.T) {
	const window, rounds = 64, 100
	for name, handler := range map[string]http.Handler{
		"Connect": echoes(nil),
		"Recv and Send": httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
			for {
				m, err := conn.In.Recv(ctx)
				if err != nil {
					return conn.In.Err()
				}
				if err := conn.Out.Send(ctx, m); err != nil {
					return err
				}
			}
		}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serveOurs(t, handler)
			nc, err := net.Dial("tcp", strings.TrimPrefix(url, "://"))
			require.NoError(t, err)
			defer nc.Close()
			_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			require.NoError(t, err)
			in := bufio.NewReaderSize(nc, 64<<10)
			_, err = http.ReadResponse(in, nil)
			require.NoError(t, err)
			asked := strings.Repeat("\x82\xc0\x00\x00\x00\x00"+strings.Repeat("x", 64), window)
			answered := make([]byte, window*66)
			before := writes(t)
			for range rounds {
				_, err = io.WriteString(nc, asked)
				require.NoError(t, err)
				_, err = io.ReadFull(in, answered)
				require.NoError(t, err)
			}
			each := float64(writes(t)-before-rounds) / rounds // without the client's
			t.Logf("%.2f writes for %d replies", each, window)
			require.Less(t, each, 8.0, "one, unless the delay of coalescing passes on a busy machine")
		})
	}
}
