package recipes

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// serve serves handler until the test ends and returns the address.
func serve(t *testing.T, ln *servers.Listener, handler func(context.Context, *chanio.Conn) error) (addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- ln.Serve(ctx, handler) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-over)
	})
	return ln.Addr().String()
}

func listen(t *testing.T, handler func(context.Context, *chanio.Conn) error) (addr string) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	return serve(t, ln, handler)
}

func TestCalls(t *testing.T) {
	caller := newCaller(listen(t, answerAll))
	defer caller.Close()
	text, err := ask(t.Context(), caller, "hello")
	require.NoError(t, err)
	require.Equal(t, "HELLO", text)
}

func TestPool(t *testing.T) {
	pool := newPool(listen(t, answerAll))
	defer pool.Close()
	for range 2 {
		a, err := askPooled(t.Context(), pool, "hello")
		require.NoError(t, err)
		require.Equal(t, Answer{"HELLO"}, a)
	}
	require.EqualValues(t, 1, pool.Stats().Opened)
}

func TestProxy(t *testing.T) {
	backend := listen(t, answerAll)
	caller := newCaller(listen(t, func(ctx context.Context, c *chanio.Conn) error { return proxy(ctx, c, backend) }))
	defer caller.Close()
	text, err := ask(t.Context(), caller, "through")
	require.NoError(t, err)
	require.Equal(t, "THROUGH", text)
}

func TestRelayEndsWhenNeitherDirectionMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, front := chanio.Pipe()
		back, server := chanio.Pipe()
		for _, c := range []*chanio.Conn{client, front, back, server} {
			defer c.Close()
		}
		began := time.Now()
		go func() {
			for range 10 { // a download, during which the client is silent
				time.Sleep(time.Minute)
				_ = server.Out.Send(t.Context(), []byte("news"))
			}
		}()
		over := make(chan error, 1)
		go func() { over <- relayWhileActive(t.Context(), front, back, 2*time.Minute) }()
		for range 10 {
			_, err := client.In.Recv(t.Context())
			require.NoError(t, err)
		}
		require.ErrorIs(t, <-over, os.ErrDeadlineExceeded)
		require.InDelta(t, 13*time.Minute, time.Since(began), float64(time.Minute))
		_, err := client.In.Recv(t.Context())
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF) // the client does not take what it has for complete
	})
}

func TestRelayWhileActiveEndsWithTheRelay(t *testing.T) {
	client, front := chanio.Pipe()
	back, server := chanio.Pipe()
	require.NoError(t, errors.Join(client.Out.Close(), server.Out.Close()))
	require.NoError(t, relayWhileActive(t.Context(), front, back, time.Hour))
	require.NoError(t, errors.Join(client.Close(), front.Close(), back.Close(), server.Close()))
}

func TestFollow(t *testing.T) {
	addr := listen(t, func(ctx context.Context, c *chanio.Conn) error {
		return codec.Send(ctx, c.Out, codec.Lines, "news")
	})
	ctx, cancel := context.WithCancel(t.Context())
	heard := 0
	err := follow(ctx, addr, func(line string) {
		require.Equal(t, "news", line)
		if heard++; heard == 2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, heard)
}

func TestTimeouts(t *testing.T) {
	ln, err := timeouts()
	require.NoError(t, err)
	serve(t, ln, answerAll)
	synctest.Test(t, func(t *testing.T) {
		in, out := chanio.PipeOf[string](1)
		_, err := recvWithin(in, time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, out.Send(t.Context(), "later"))
		got, err := recvWithin(in, time.Second)
		require.NoError(t, err)
		require.Equal(t, "later", got)
	})
}

func TestSTARTTLS(t *testing.T) {
	cert, roots, err := servers.SelfSigned("localhost")
	require.NoError(t, err)
	addr := listen(t, func(ctx context.Context, c *chanio.Conn) error {
		secure, err := secureServer(ctx, c, cert)
		if err != nil {
			return err
		}
		defer secure.Close()
		return codec.Send(ctx, secure.Out, codec.Lines, "secret")
	})
	c, err := clients.DialTCP(t.Context(), addr, nil)
	require.NoError(t, err)
	secure, err := secureClient(t.Context(), c, "localhost", trusting(roots))
	require.NoError(t, err)
	defer secure.Close()
	line, err := codec.Recv(t.Context(), secure.In, codec.Lines)
	require.NoError(t, err)
	require.Equal(t, "secret", line)
}

func trusting(roots *x509.CertPool) *clients.TLSConfig { return &clients.TLSConfig{RootCAs: roots} }

func TestLongest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte("to be\nor not to be\n"), 0o600))
	word, err := longest(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, "not", word)
}

func TestRoom(t *testing.T) {
	messages := bus.New[string, string]()
	defer messages.Close()
	addr := listen(t, func(ctx context.Context, c *chanio.Conn) error { return room(ctx, c, messages) })
	c, err := clients.DialTCP(t.Context(), addr, nil)
	require.NoError(t, err)
	lines := codec.Frame(c, codec.Lines)
	defer lines.Close()
	require.NoError(t, lines.Out.Send(t.Context(), "hello"))
	line, err := lines.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", line)
}

func TestStore(t *testing.T) {
	var sizes []int
	rows := chanio.FromSlice(strings.Fields(strings.Repeat("row ", 250)))
	require.NoError(t, store(t.Context(), rows, func(rows []string) error {
		sizes = append(sizes, len(rows))
		return nil
	}))
	require.Equal(t, []int{100, 100, 50}, sizes)
}

func TestCounters(t *testing.T) {
	var m counters
	cfg := &servers.Config{Hooks: m.hooks()}
	ln, err := servers.ListenTCP("127.0.0.1:0", cfg)
	require.NoError(t, err)
	web, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 2)
	go func() {
		over <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			return errors.Join(c.Out.Send(ctx, []byte("bye")), errors.New("a failure"))
		})
	}()
	go func() {
		over <- httpd.New(http.NotFoundHandler(), &httpd.Config{Hooks: m.httpHooks()}).ServeListener(ctx, web)
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(io.Discard, nc)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	resp, err := httpc.Get(t.Context(), "http://"+web.Addr().String())
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	httpc.Default().CloseIdleConnections()
	cancel()
	require.NoError(t, <-over)
	require.NoError(t, <-over)
	require.EqualValues(t, 1, m.opened.Load())
	require.EqualValues(t, 1, m.failed.Load())
	require.EqualValues(t, 3, m.bytesOut.Load())
	require.EqualValues(t, 1, m.replies[4].Load())
	require.Zero(t, m.open.Load())
}

// TestAskAgain has a server that answers nothing on its first connection.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		l, err := network.Listen("server")
		require.NoError(t, err)
		ln, err := servers.Listen(l, nil)
		require.NoError(t, err)
		var served atomic.Int64
		serve(t, ln, func(ctx context.Context, c *chanio.Conn) error {
			if served.Add(1) == 1 {
				<-ctx.Done()
				return nil
			}
			return answerAll(ctx, c)
		})
		caller := newPatientCaller(func(ctx context.Context) (*chanio.Conn, error) { return network.Dial(ctx, "server") })
		defer caller.Close()
		start := time.Now()
		reply, err := askAgain(t.Context(), caller, "hello")
		require.NoError(t, err)
		require.Equal(t, "HELLO", reply)
		require.Greater(t, time.Since(start), 4*time.Second, "a call, and as long again until the connection is replaced")
		require.EqualValues(t, 2, served.Load())
	})
}

func TestDump(t *testing.T) {
	near, far := chanio.Pipe()
	defer near.Close()
	defer far.Close()
	sent := make(chan error, 1)
	go func() { sent <- dump(t.Context(), near, strings.NewReader("all of it")) }()
	got, err := chanio.ReadAll(t.Context(), far.In, 100)
	require.NoError(t, err)
	require.NoError(t, <-sent)
	require.Equal(t, "all of it", string(got))
}

// Without sockets, and with time under control.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := chanio.Pipe() // a connection in memory
		defer client.Close()
		go func() {
			defer server.Close()
			_, _ = recvWithin(codec.Decode(server.In, codec.Lines), time.Hour)
		}()
		began := time.Now()
		_, err := client.In.Recv(t.Context())
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, time.Hour, time.Since(began)) // which took no time
	})
}
