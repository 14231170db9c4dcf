//go:build unix && !aix && !solaris

package servers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func TestKeepAliveReachesConnectionsOfAListenerFromElsewhere(t *testing.T) {
	for _, c := range []struct {
		cfg  *servers.Config
		want int
	}{{nil, 1}, {&servers.Config{KeepAlive: -1}, 0}} {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ln, err := servers.Listen(nl, c.cfg)
		require.NoError(t, err)
		nc := dial(t, ln)
		conn, err := ln.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, c.want, option(t, conn, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
		require.NoError(t, nc.Close())
		require.NoError(t, conn.Close())
		require.NoError(t, ln.Close())
	}
}

func TestListenFileServes(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = socketPath(t)
		}
		nl, err := net.Listen(network, addr)
		require.NoError(t, err)
		f, err := nl.(interface{ File() (*os.File, error) }).File()
		require.NoError(t, err)
		ln, err := servers.ListenFile(f, nil)
		require.NoError(t, err)
		require.ErrorIs(t, f.Close(), os.ErrClosed, "the Listener has its own")
		require.NoError(t, ln.Close())
		_, err = os.Lstat(addr)
		require.Equal(t, network == "unix", err == nil, "the file of a socket is its maker's")
		require.NoError(t, nl.Close())
	}
}

func TestListenFileRefusesWhatDoesNotListen(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	nc, err := net.Dial("tcp", nl.Addr().String())
	require.NoError(t, err)
	defer nc.Close()
	connected, err := nc.(*net.TCPConn).File()
	require.NoError(t, err)
	defer connected.Close()
	_, err = servers.ListenFile(connected, nil)
	require.ErrorContains(t, err, "the socket does not listen")
	plain, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer plain.Close()
	_, err = servers.ListenFile(plain, nil)
	require.ErrorIs(t, err, syscall.ENOTSOCK)
	require.ErrorContains(t, err, "servers: listen on "+os.DevNull)
}

func TestListenFileThatFailsLeavesTheFile(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	f, err := nl.(*net.TCPListener).File()
	require.NoError(t, err)
	ln, err := servers.ListenFile(f, &servers.Config{ReusePort: true})
	require.ErrorContains(t, err, "the socket is bound already")
	require.Nil(t, ln)
	require.NoError(t, f.Close())
}

func TestFileFailsAsTheListenerBelowDoes(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln, err := servers.Listen(rawless{nl}, nil)
	require.NoError(t, err)
	defer ln.Close()
	f, err := ln.File()
	require.ErrorIs(t, err, syscall.ENOTSUP)
	require.Nil(t, f)
}

// rawless is a listener without access to its socket.
type rawless struct{ net.Listener }

func (rawless) SyscallConn() (syscall.RawConn, error) { return nil, syscall.ENOTSUP }

func TestInheritedSocketsAreForThisProcessAndOnce(t *testing.T) {
	for _, c := range []struct{ pid, fds string }{
		{"", ""},
		{strconv.Itoa(os.Getppid()), "1"}, // for another process
		{strconv.Itoa(os.Getpid()), "0"},
	} {
		t.Setenv("LISTEN_PID", c.pid)
		t.Setenv("LISTEN_FDS", c.fds)
		files, err := servers.Inherited()
		require.NoError(t, err)
		require.Empty(t, files)
		_, set := os.LookupEnv("LISTEN_FDS")
		require.False(t, set)
	}
	t.Setenv("LISTEN_FDS", "many")
	_, err := servers.Inherited()
	require.ErrorIs(t, err, strconv.ErrSyntax)
	require.ErrorContains(t, err, `LISTEN_FDS="many" is not a number of sockets`)
	t.Setenv("LISTEN_FDS", "65535") // a file of a descriptor that is opened later would close it
	_, err = servers.Inherited()
	require.ErrorContains(t, err, `servers: LISTEN_FDS="65535", but descriptor `)
}

// As systemd does, with a TCP and a Unix socket.
func TestSocketActivation(t *testing.T) {
	path := socketPath(t)
	overTCP, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer overTCP.Close()
	overUnix, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer overUnix.Close()
	cmd := child(t, "TestChildIsActivated")
	for _, nl := range []net.Listener{overTCP, overUnix} {
		f, err := nl.(interface{ File() (*os.File, error) }).File()
		require.NoError(t, err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=web:control")
	in, lines := startChild(t, cmd, cmd.Start)
	require.Equal(t, "web tcp", after(t, lines, "serving "))
	require.Equal(t, "control unix", after(t, lines, "serving "))
	for _, addr := range []net.Addr{overTCP.Addr(), overUnix.Addr()} {
		nc, err := net.Dial(addr.Network(), addr.String())
		require.NoError(t, err)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
	}
	endChild(t, cmd, in, lines)
}

// startChild runs start and returns the child's input, and its output line by line.
func startChild(t *testing.T, cmd *exec.Cmd, start func() error) (in io.Closer, lines *bufio.Scanner) {
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, start())
	return in, bufio.NewScanner(out)
}

func endChild(t *testing.T, cmd *exec.Cmd, in io.Closer, lines *bufio.Scanner) {
	require.NoError(t, in.Close())
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait())
}

func TestChildIsActivated(t *testing.T) {
	skipUnlessChild(t)
	if _, handedOver := os.LookupEnv("LISTEN_FDNAMES"); handedOver {
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // a Go parent cannot know it
	}
	ctx, cancel := context.WithCancel(t.Context())
	files, err := servers.Inherited()
	require.NoError(t, err)
	for _, f := range files {
		name := f.Name()
		ln, err := servers.ListenFile(f, nil)
		require.NoError(t, err)
		serveOn(t, ctx, ln, echo)
		fmt.Printf("serving %s %s\n", name, ln.Addr().Network())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
}

// Each of many clients is served, by either process, while one takes over from the other.
func TestHandOverRefusesNobody(t *testing.T) {
	path := socketPath(t)
	overTCP, overUnix := listen(t, nil), listenUnix(t, path, nil)
	results := []<-chan error{serveOn(t, t.Context(), overTCP, echo), serveOn(t, t.Context(), overUnix, echo)}
	stop, over := make(chan struct{}), make(chan error, 2)
	for _, ln := range []*servers.Listener{overTCP, overUnix} {
		go func() { over <- keepCalling(ln.Addr(), stop) }()
	}
	cmd := child(t, "TestChildIsActivated")
	in, lines := startChild(t, cmd, func() error { return servers.HandOver(cmd, overTCP, overUnix) })
	require.Equal(t, "LISTEN_FD_3 tcp", after(t, lines, "serving "))
	require.Equal(t, "LISTEN_FD_4 unix", after(t, lines, "serving "))
	require.NoError(t, overTCP.Shutdown(t.Context())) // accepting can still be interrupted
	require.NoError(t, overUnix.Shutdown(t.Context()))
	for _, result := range results {
		require.NoError(t, <-result)
	}
	for _, addr := range []net.Addr{overTCP.Addr(), overUnix.Addr()} { // only the child is left
		require.NoError(t, call(addr))
	}
	close(stop)
	require.NoError(t, <-over)
	require.NoError(t, <-over)
	endChild(t, cmd, in, lines)
}

// keepCalling has conversations until stop is closed. Each gets its reply, also from a server that shuts down.
func keepCalling(addr net.Addr, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
			if err := call(addr); err != nil {
				return err
			}
		}
	}
}

func call(addr net.Addr) error {
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "hello"); err != nil {
		return err
	}
	_, err = io.ReadFull(nc, make([]byte, 5))
	return err
}

func TestHandOverNeedsTheFirstFiles(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.ExtraFiles = []*os.File{os.Stdin}
	require.ErrorContains(t, servers.HandOver(cmd, listen(t, nil)), "has ExtraFiles already")
	require.Len(t, cmd.ExtraFiles, 1)

	ln := listen(t, nil)
	require.NoError(t, ln.Close())
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	require.ErrorIs(t, servers.HandOver(cmd, ln), net.ErrClosed)
	cmd = exec.CommandContext(t.Context(), "/does/not/exist")
	require.ErrorIs(t, servers.HandOver(cmd, listen(t, nil)), os.ErrNotExist)
}

// option returns 1 if a socket option of c is on, else 0.
func option(t testing.TB, c *chanio.Conn, level, name int) (value int) {
	raw, err := c.NetConn().(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		value, err = syscall.GetsockoptInt(int(fd), level, name)
	}))
	require.NoError(t, err)
	return min(value, 1)
}
