package servers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

type handler = func(context.Context, *chanio.Conn) error

// listen returns a Listener on a free loopback port. It is closed when the test ends.
func listen(t testing.TB, cfg *servers.Config) *servers.Listener {
	ln, err := servers.ListenTCP("127.0.0.1:0", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ln.Close()) })
	return ln
}

// serve runs handle on a new Listener. result receives the result of Serve. The test waits for it.
func serve(t testing.TB, cfg *servers.Config, handle handler) (ln *servers.Listener, result <-chan error) {
	ln = listen(t, cfg)
	return ln, serveOn(t, context.Background(), ln, handle)
}

func serveOn(t testing.TB, ctx context.Context, ln *servers.Listener, handle handler) <-chan error {
	result, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		result <- ln.Serve(ctx, handle)
	}()
	t.Cleanup(func() { _ = ln.Close(); <-over })
	return result
}

// dial returns a plain connection to ln, so that the tested code does not test itself. Its deadline turns a server that
// does not answer into a failure.
func dial(t testing.TB, ln *servers.Listener) *net.TCPConn {
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn)
}

func echo(ctx context.Context, c *chanio.Conn) error { return pipeline.Connect(ctx, c.In, c.Out) }

// say sends text and returns a reply of the same length.
func say(t testing.TB, nc net.Conn, text string) string {
	_, err := io.WriteString(nc, text)
	require.NoError(t, err)
	reply := make([]byte, len(text))
	_, err = io.ReadFull(nc, reply)
	require.NoError(t, err)
	return string(reply)
}

// logbook is a Logger that collects its lines.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logbook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.buf.String(), func(r rune) bool { return r == '\n' })
}

// listenInMemory returns a Listener in memory, for bubbles of testing/synctest, and a function that connects to it.
func listenInMemory(t testing.TB, cfg *servers.Config) (ln *servers.Listener, connect func() net.Conn) {
	var network chaniotest.Network
	nl, err := network.Listen("server")
	require.NoError(t, err)
	ln, err = servers.Listen(nl, cfg)
	require.NoError(t, err)
	return ln, func() net.Conn {
		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		return nc
	}
}
