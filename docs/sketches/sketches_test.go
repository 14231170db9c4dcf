package sketches

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

type programs interface {
	Echo(ctx context.Context, ln *servers.Listener) error
	JSON(ctx context.Context, ln *servers.Listener) error
	Statsd(ctx context.Context, socket *chanio.PacketConn, every time.Duration, emit func(Sums) error) error
	Chat(ctx context.Context, ln *servers.Listener) error
	Numbers(w http.ResponseWriter, r *http.Request)
}

func TestProgramsAreShort(t *testing.T) {
	for file, most := range map[string]int{"stages_test.go": 54, "channels_test.go": 75} {
		n, each := count(t, file)
		t.Logf("%s: %d lines: %s", file, n, each)
		require.LessOrEqual(t, n, most, file)
	}
}

// count returns how many lines the functions of a file have that are not blank.
func count(t *testing.T, file string) (n int, each string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, 0)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		own := 0
		for _, line := range lines[files.Position(f.Pos()).Line-1 : files.Position(f.End()).Line] {
			if strings.TrimSpace(line) != "" {
				own++
			}
		}
		n += own
		each += fmt.Sprintf("%s %d, ", f.Name.Name, own)
	}
	require.NotZero(t, n)
	return n, strings.TrimSuffix(each, ", ")
}

func TestPrograms(t *testing.T) {
	for name, p := range map[string]programs{"stages": stages{}, "channels": channels{}} {
		t.Run(name, func(t *testing.T) {
			t.Run("Echo", func(t *testing.T) { testEcho(t, p) })
			t.Run("JSON", func(t *testing.T) { testJSON(t, p) })
			t.Run("Statsd", func(t *testing.T) { testStatsd(t, p) })
			t.Run("Chat", func(t *testing.T) { testChat(t, p) })
			t.Run("Numbers", func(t *testing.T) { testNumbers(t, p) })
			t.Run("cancel", func(t *testing.T) { testCancel(t, p) })
		})
	}
}

// start runs a server until the test ends.
func start(t *testing.T, serve func(context.Context, *servers.Listener) error) (addr string) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = serve(ctx, ln)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		require.NoError(t, ln.Close())
	})
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn)
}

func testEcho(t *testing.T, p programs) {
	nc := dial(t, start(t, p.Echo))
	sent := bytes.Repeat([]byte("0123456789ab"), 10_000)
	go func() { _, _ = nc.Write(sent); _ = nc.CloseWrite() }()
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
}

func testJSON(t *testing.T, p programs) {
	addr := start(t, p.JSON)
	t.Run("a byte at a time", func(t *testing.T) {
		nc := dial(t, addr)
		frame, err := codec.Marshal(numberFrames, Number{41})
		require.NoError(t, err)
		for _, b := range frame {
			_, err := nc.Write([]byte{b})
			require.NoError(t, err)
		}
		require.NoError(t, nc.CloseWrite())
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		answer, err := codec.Unmarshal(numberFrames, got)
		require.NoError(t, err)
		require.Equal(t, Number{42}, answer)
	})
	t.Run("malformed", func(t *testing.T) {
		nc := dial(t, addr)
		_, err := io.WriteString(nc, "\x00\x00\x00\x03{N}")
		require.NoError(t, err)
		got, err := io.ReadAll(nc)
		require.NoError(t, err, "an orderly end")
		require.Empty(t, got)
	})
}

func testStatsd(t *testing.T, p programs) {
	socket, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer socket.Close()
	ctx, cancel := context.WithCancel(t.Context())
	total, emitted := Sums{}, make(chan error, 1)
	go func() {
		emitted <- p.Statsd(ctx, socket, time.Millisecond, func(sums Sums) error {
			for name, n := range sums {
				total[name] += n
			}
			if total["a"] == 6 && total["b"] == 4 {
				cancel()
			}
			return nil
		})
	}()
	nc, err := net.Dial("udp", socket.LocalAddr().String())
	require.NoError(t, err)
	defer nc.Close()
	for _, packet := range []string{"a:1", "garbage", "b:4", "a:2", ":", "a:3"} {
		_, err := io.WriteString(nc, packet)
		require.NoError(t, err)
	}
	require.ErrorIs(t, <-emitted, context.Canceled)
}

func testChat(t *testing.T, p programs) {
	addr := start(t, p.Chat)
	alice, bob := dial(t, addr), dial(t, addr)
	hear := map[net.Conn]*bufio.Scanner{alice: bufio.NewScanner(alice), bob: bufio.NewScanner(bob)}
	say := func(from net.Conn, text string, to ...net.Conn) {
		_, err := io.WriteString(from, text+"\n")
		require.NoError(t, err)
		for _, nc := range to {
			require.True(t, hear[nc].Scan())
		}
	}
	say(alice, "ships\nalice\nI am here", alice)
	require.Equal(t, "alice: I am here", hear[alice].Text())
	say(bob, "ships\nbob\nme too", bob, alice)
	require.Equal(t, "bob: me too", hear[alice].Text())
	say(alice, "goodbye", alice, bob)
	require.Equal(t, "alice: goodbye", hear[bob].Text())
	require.NoError(t, alice.CloseWrite())
	require.False(t, hear[alice].Scan())
	require.NoError(t, hear[alice].Err())
	say(bob, "alone?", bob)
	require.Equal(t, "bob: alone?", hear[bob].Text())
	require.NoError(t, bob.Close())
}

func testNumbers(t *testing.T, p programs) {
	server := httptest.NewServer(streaming(p.Numbers))
	defer server.Close() // waits for the handlers, that of the client that walked away included
	client := server.Client()
	r, err := client.Get(server.URL + "?count=3")
	require.NoError(t, err)
	got, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, "0\n1\n2\n", string(got))

	r, err = client.Get(server.URL + "?count=many")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusBadRequest, r.StatusCode)

	r, err = client.Get(server.URL + "?count=1000000")
	require.NoError(t, err)
	_, err = io.ReadFull(r.Body, make([]byte, 4))
	require.NoError(t, err)
	require.NoError(t, r.Body.Close()) // walks away
}

func testCancel(t *testing.T, p programs) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = p.Echo(ctx, ln)
	}()
	idle, err := clients.DialTCP(t.Context(), ln.Addr().String(), nil)
	require.NoError(t, err)
	require.NoError(t, idle.Out.Send(t.Context(), []byte("x")))
	_, err = idle.In.Recv(t.Context())
	require.NoError(t, err)
	cancel()
	_, err = idle.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.NoError(t, idle.Close())
	<-over
	require.NoError(t, ln.Close())
}
