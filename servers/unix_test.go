//go:build unix && !aix && !solaris

package servers_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

// socketPath returns a path in a new directory. It is short even if the name of the test is long.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func listenUnix(t testing.TB, path string, cfg *servers.Config) *servers.Listener {
	ln, err := servers.ListenUnix(path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func init() { transports["unix"] = connectUnix }

func connectUnix(t testing.TB) (near, far *chanio.Conn) {
	path := socketPath(t)
	ln := listenUnix(t, path, nil)
	return accepted(t, ln, func() (*chanio.Conn, error) { return clients.DialUnix(t.Context(), path, nil) })
}

func dialUnix(t testing.TB, path string) *net.UnixConn {
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.UnixConn)
}

// leaveBehind creates a stale socket file.
func leaveBehind(t testing.TB, path string) {
	nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	nl.SetUnlinkOnClose(false)
	require.NoError(t, nl.Close())
	before := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(path, before, before))
}

func TestUnixConnectionsConform(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Facts: chaniotest.Facts{NoReset: true},
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			path := socketPath(t)
			ln := listenUnix(t, path, nil)
			far, err := clients.DialUnix(t.Context(), path, nil)
			require.NoError(t, err)
			near, err = ln.Conns.Recv(t.Context())
			require.NoError(t, err)
			return near, far
		},
	})
}

func TestUnixServes(t *testing.T) {
	path := socketPath(t)
	ln := listenUnix(t, path, &servers.Config{MaxConns: 1})
	require.Equal(t, "unix "+path+" (listening, 0 open)", ln.String())
	result := serveOn(t, t.Context(), ln, echo)
	for range 3 {
		nc := dialUnix(t, path)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
	}
	require.NoError(t, ln.Close())
	require.NoError(t, <-result)
}

func TestG20UnixHooksAreTold(t *testing.T) {
	path := socketPath(t)
	var d diary
	var log logbook
	ln := listenUnix(t, path, &servers.Config{Hooks: d.hooks(), Wrap: func(nc net.Conn) net.Conn {
		return chanio.LogActivity(nc, log.logger(), slog.LevelInfo, 0)
	}})
	serveOn(t, t.Context(), ln, echo)
	nc := dialUnix(t, path)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.ElementsMatch(t, []string{"opened {0 0} false", "returned <nil>", "closed {5 5} <nil>"}, d.all())
	require.Contains(t, log.lines()[0], "opened")
}

func TestUnixAnErrorOfAHandlerIsLoggedWithoutAnAddressOfThePeer(t *testing.T) {
	path := socketPath(t)
	var log logbook
	ln := listenUnix(t, path, &servers.Config{Logger: log.logger()})
	serveOn(t, t.Context(), ln, func(context.Context, *chanio.Conn) error { return errors.New("sorry") })
	nc := dialUnix(t, path)
	_, err := nc.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], "sorry")
}

func TestUnixModeIsThatOfTheFile(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666, 0o777} {
		path := socketPath(t)
		listenUnix(t, path, &servers.Config{Mode: mode})
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm())
		require.Equal(t, fs.ModeSocket, info.Mode().Type())
	}
}

// A client that keeps connecting checks the file: from the first connection on it has its mode.
func TestUnixNobodyConnectsBeforeTheModeIsSet(t *testing.T) {
	for range 50 {
		path := socketPath(t)
		var started, stop sync.WaitGroup
		var over atomic.Bool
		started.Add(1)
		stop.Go(func() {
			started.Done()
			for !over.Load() {
				nc, err := net.Dial("unix", path)
				if err != nil {
					continue
				}
				info, err := os.Lstat(path)
				_ = nc.Close()
				if err == nil && info.Mode().Perm() != 0o600 {
					t.Errorf("connected while the mode was %v", info.Mode())
				}
			}
		})
		started.Wait()
		ln, err := servers.ListenUnix(path, &servers.Config{Mode: 0o600})
		require.NoError(t, err)
		over.Store(true)
		stop.Wait()
		require.NoError(t, ln.Close())
	}
}

func TestUnixAStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	leaveBehind(t, path)
	_, err := net.Dial("unix", path)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	ln := listenUnix(t, path, nil)
	serveOn(t, t.Context(), ln, echo)
	require.Equal(t, "hello", say(t, dialUnix(t, path), "hello"))
}

func TestUnixALiveSocketIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	ln := listenUnix(t, path, nil)
	serveOn(t, t.Context(), ln, echo)
	for range 3 {
		_, err := servers.ListenUnix(path, nil)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.ErrorContains(t, err, "servers: listen unix "+path+": ")
		require.ErrorContains(t, err, "; something listens there already")
	}
	require.Equal(t, "hello", say(t, dialUnix(t, path), "hello"))
}

// A foreign server with a full backlog refuses differently from one that has ended.
func TestUnixALiveSocketWithAFullBacklogIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	dialUnix(t, path)
	_, err = servers.ListenUnix(path, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestUnixASocketOfAnotherKindIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	pc, err := net.ListenPacket("unixgram", path)
	require.NoError(t, err)
	defer pc.Close()
	_, err = servers.ListenUnix(path, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

func TestUnixAFileThatIsNoSocketIsNotRemoved(t *testing.T) {
	path := socketPath(t)
	require.NoError(t, os.WriteFile(path, []byte("dear diary"), 0o600))
	_, err := servers.ListenUnix(path, nil)
	require.ErrorContains(t, err, "there is a file that is not a socket; remove it")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "dear diary", string(text))
}

// Many start concurrently over one stale socket. The one that succeeds is the one that clients reach.
func TestUnixOneOfManyStartersListens(t *testing.T) {
	for range 20 {
		path := socketPath(t)
		leaveBehind(t, path)
		var starters sync.WaitGroup
		listeners := make(chan *servers.Listener, 8)
		for range cap(listeners) {
			starters.Go(func() {
				ln, err := servers.ListenUnix(path, nil)
				if err == nil {
					listeners <- ln
				} else if !errors.Is(err, syscall.EADDRINUSE) {
					t.Error(err)
				}
			})
		}
		starters.Wait()
		require.Len(t, listeners, 1)
		ln := <-listeners
		nc := dialUnix(t, path)
		c := ln.Conns
		conn, err := c.Recv(t.Context())
		require.NoError(t, err)
		conn.Out.Abort(nil)
		require.NoError(t, nc.Close())
		require.NoError(t, ln.Close())
	}
}

func TestUnixTheFileIsRemovedAtClose(t *testing.T) {
	path := socketPath(t)
	ln := listenUnix(t, path, nil)
	require.NoError(t, ln.Close())
	_, err := os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, ln.Close())
}

func TestUnixTheSocketOfAnotherIsNotRemovedAtClose(t *testing.T) {
	path := socketPath(t)
	ln := listenUnix(t, path, nil)
	require.NoError(t, os.Rename(path, path+".old")) // another process has moved it
	other := listenUnix(t, path, nil)
	require.NoError(t, ln.Close())
	_, err := net.Dial("unix", path+".old")
	require.ErrorIs(t, err, syscall.ECONNREFUSED, "the socket is closed")
	serveOn(t, t.Context(), other, echo)
	require.Equal(t, "hello", say(t, dialUnix(t, path), "hello"))
}

func TestUnixARelativePathIsRemovedFromWhereItWas(t *testing.T) {
	path := socketPath(t)
	t.Chdir(filepath.Dir(path))
	ln := listenUnix(t, "s", nil)
	t.Chdir("/")
	require.NoError(t, ln.Close())
	_, err := os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestG15ErrorsOfListeningOnUnixSayWhatToDo(t *testing.T) {
	long := socketPath(t) + strings.Repeat("x", 120)
	for _, c := range []struct {
		path string
		cfg  *servers.Config
		want string
	}{
		{"", nil, "no path"},
		{"/does/not/exist/s", nil, "no such file or directory; the directory has to be made first"},
		{long, nil, "107 at most"},
		{socketPath(t), &servers.Config{Mode: fs.ModeDir | 0o600}, "more than permission bits"},
		{"@weir", &servers.Config{Mode: 0o600}, "an abstract name has no file"},
	} {
		_, err := servers.ListenUnix(c.path, c.cfg)
		require.ErrorContains(t, err, c.want)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, 1, strings.Count(err.Error(), "listen unix"), err)
	}
}

func TestG15ErrorsOfDiallingUnixSayWhatToDo(t *testing.T) {
	path := socketPath(t)
	_, err := clients.DialUnix(t.Context(), path, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "is the server running, and is this its path?")
	leaveBehind(t, path)
	_, err = clients.DialUnix(t.Context(), path, nil)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "nobody listens there")
}

func TestUnixWhereTheDirectoryMayNotBeWritten(t *testing.T) {
	out, err := child(t, "TestChildListensOnUnixWithoutPermission").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "this user has to be allowed to write to the directory")
}

func TestChildListensOnUnixWithoutPermission(t *testing.T) {
	skipUnlessChild(t)
	path := socketPath(t)
	if os.Getuid() == 0 {
		require.NoError(t, syscall.Setuid(65534))
	} else {
		require.NoError(t, os.Chmod(filepath.Dir(path), 0o500))
	}
	_, err := servers.ListenUnix(path, nil)
	require.ErrorIs(t, err, fs.ErrPermission)
	t.Log(err)
}

func TestListenersOfEachKindRefuseAnEmptyTLSConfig(t *testing.T) {
	empty := &servers.Config{TLS: &servers.TLSConfig{}}
	path := t.TempDir() + "/s"
	_, err := servers.ListenUnix(path, empty)
	require.ErrorContains(t, err, "certificate")
	require.NoFileExists(t, path)
	_, err = servers.ListenTCP("127.0.0.1:0", empty)
	require.ErrorContains(t, err, "certificate")
}

// A process with a second descriptor still serves at the path; a File that fails changes nothing.
func TestUnixTheFileStaysForAProcessWithTheDescriptor(t *testing.T) {
	path := socketPath(t)
	ln, err := servers.ListenUnix(path, nil)
	require.NoError(t, err)
	f, err := ln.File()
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	_, err = ln.File()
	require.ErrorIs(t, err, net.ErrClosed)
	next, err := servers.ListenFile(f, nil)
	require.NoError(t, err)
	serveOn(t, t.Context(), next, echo)
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	require.NoError(t, next.Close())
	require.FileExists(t, path, "it belongs to the process that has created it")
}
