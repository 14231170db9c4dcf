//go:build unix && !aix && !solaris

package servers_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func listenUnixgram(t testing.TB, path string, cfg *servers.UnixgramConfig) *chanio.UnixPacketConn {
	t.Helper()
	c, err := servers.ListenUnixgram(path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialUnixgram dials from its own path, so that it can be answered on every system.
func dialUnixgram(t testing.TB, path string, cfg *clients.UnixgramConfig) *chanio.UnixPacketConn {
	t.Helper()
	if cfg == nil {
		cfg = &clients.UnixgramConfig{}
	}
	if cfg.LocalAddr == "" {
		cfg.LocalAddr = socketPath(t)
	}
	c, err := clients.DialUnixgram(path, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func sendUnixgram(t testing.TB, c *chanio.UnixPacketConn, to, text string) {
	t.Helper()
	require.NoError(t, c.Out.Send(t.Context(), chanio.UnixPacket{Addr: to, Data: []byte(text)}))
}

func receiveUnixgram(t testing.TB, c *chanio.UnixPacketConn) (from, text string) {
	t.Helper()
	p, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	return p.Addr, string(p.Data)
}

func TestUnixgramEcho(t *testing.T) {
	path := socketPath(t)
	server := listenUnixgram(t, path, nil)
	require.Equal(t, path, server.LocalAddr())
	require.Empty(t, server.RemoteAddr())
	echo := make(chan error, 1)
	go func() { echo <- pipeline.Connect(t.Context(), server.In, server.Out) }()
	client := dialUnixgram(t, path, nil)
	require.Equal(t, path, client.RemoteAddr())
	for _, text := range []string{"first", "", strings.Repeat("x", 100_000)} {
		if len(text) > 2000 && runtime.GOOS != "linux" {
			continue // other systems have small buffers
		}
		sendUnixgram(t, client, "", text)
		from, got := receiveUnixgram(t, client)
		require.Equal(t, text, got)
		require.Equal(t, path, from)
	}
	require.Equal(t, client.Stats().Sent, server.Stats().Received)
	require.Equal(t, "unixgram "+client.LocalAddr()+" to "+path+" (open, 3 received, 3 sent)", client.String())
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-echo, net.ErrClosed)
	require.NoFileExists(t, path)
}

// TestUnixgramOfTheNetPackage sends to a service as sd_notify does: from a socket without a name, which is not
// answered.
func TestUnixgramOfTheNetPackage(t *testing.T) {
	path := socketPath(t)
	server := listenUnixgram(t, path, nil)
	nc, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte("READY=1\nSTATUS=serving"))
	require.NoError(t, err)
	from, text := receiveUnixgram(t, server)
	require.Equal(t, "READY=1\nSTATUS=serving", text)
	require.Empty(t, from)
	require.ErrorContains(t, server.Out.Send(t.Context(), chanio.UnixPacket{Addr: from}), "cannot be answered")
	require.NoError(t, server.Out.Err(), "nothing ends because of it")

	there, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socketPath(t), Net: "unixgram"})
	require.NoError(t, err)
	defer there.Close()
	client := dialUnixgram(t, there.LocalAddr().String(), nil)
	sendUnixgram(t, client, "", "hello")
	var buf [10]byte
	n, from2, err := there.ReadFromUnix(buf[:])
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:n]))
	require.Equal(t, client.LocalAddr(), from2.Name)
}

func TestUnixgramModeIsThatOfTheFile(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o622, 0o666, 0o777} {
		path, own := socketPath(t), socketPath(t)
		listenUnixgram(t, path, &servers.UnixgramConfig{Mode: mode})
		dialUnixgram(t, path, &clients.UnixgramConfig{LocalAddr: own, Mode: mode})
		for _, path := range []string{path, own} {
			info, err := os.Lstat(path)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm())
			require.Equal(t, fs.ModeSocket, info.Mode().Type())
		}
	}
}

func TestUnixgramRemovesAStaleFile(t *testing.T) {
	path := socketPath(t)
	old, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	_, err = servers.ListenUnixgram(path, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "it lives")
	require.ErrorContains(t, err, "choose another path")
	require.True(t, errors.As(err, new(*net.OpError)))
	require.NoError(t, old.Close())
	require.FileExists(t, path, "the net package leaves the files of such sockets")
	server := listenUnixgram(t, path, nil)
	_, err = servers.ListenUnixgram(path, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = servers.ListenUnix(path, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "a server of streams does not take its place")
	client := dialUnixgram(t, path, nil)
	sendUnixgram(t, client, "", "still there")
	_, text := receiveUnixgram(t, server)
	require.Equal(t, "still there", text)

	streams := socketPath(t)
	ln := listenUnix(t, streams, nil)
	_, err = servers.ListenUnixgram(streams, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "nor the other way round")
	require.NoError(t, ln.Close())
	leaveBehind(t, streams)
	listenUnixgram(t, streams, nil)
}

// TestUnixgramStartersTakeTurns starts many concurrently over a stale file.
func TestUnixgramStartersTakeTurns(t *testing.T) {
	path := socketPath(t)
	leaveBehind(t, path)
	var mu sync.Mutex
	var started []*chanio.UnixPacketConn
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := servers.ListenUnixgram(path, nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				started = append(started, c)
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Len(t, started, 1)
	require.FileExists(t, path)
	require.NoError(t, started[0].Close())
	require.NoFileExists(t, path)
}

func TestUnixgramLeavesTheFileOfAnother(t *testing.T) {
	path := socketPath(t)
	first := listenUnixgram(t, path, nil)
	require.NoError(t, os.Remove(path))
	listenUnixgram(t, path, nil)
	require.NoError(t, first.Close())
	require.FileExists(t, path)
}

func TestUnixgramErrorsSayWhatToDo(t *testing.T) {
	dir := filepath.Dir(socketPath(t))
	file := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	streams := filepath.Join(dir, "streams")
	listenUnix(t, streams, nil)
	long := filepath.Join(dir, strings.Repeat("x", 120))
	listen := func(path string, cfg *servers.UnixgramConfig) error {
		_, err := servers.ListenUnixgram(path, cfg)
		return err
	}
	dial := func(path string, cfg *clients.UnixgramConfig) error {
		_, err := clients.DialUnixgram(path, cfg)
		return err
	}
	for _, bad := range []struct {
		err  error
		hint string
		is   error
	}{
		{listen("", nil), "no path", nil},
		{listen(file, nil), "remove it if nobody needs it", nil},
		{listen(long, nil), "107 bytes", nil},
		{listen(filepath.Join(dir, "no", "s"), nil), "directory has to be made", fs.ErrNotExist},
		{listen(dir+"/s", &servers.UnixgramConfig{Mode: fs.ModeSetuid | 0o600}), "permission bits", nil},
		{listen("@weir", &servers.UnixgramConfig{Mode: 0o600}), "Mode", nil},
		{dial("", nil), "no path", nil},
		{dial(dir+"/nobody", nil), "is the server running", fs.ErrNotExist},
		{dial(streams, nil), "DialUnix connects", syscall.EPROTOTYPE},
		{dial(long, nil), "107 bytes", nil},
		{dial(streams, &clients.UnixgramConfig{LocalAddr: file}), "remove it if nobody needs it", nil},
	} {
		require.ErrorContains(t, bad.err, bad.hint)
		if bad.is != nil {
			require.ErrorIs(t, bad.err, bad.is)
		}
		require.True(t, errors.As(bad.err, new(*net.OpError)))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing is left behind")
}

func TestUnixgramTooLarge(t *testing.T) {
	path := socketPath(t)
	server := listenUnixgram(t, path, nil)
	client := dialUnixgram(t, path, &clients.UnixgramConfig{WriteBuffer: 20_000})
	size := 1 << 20
	err := client.Out.Send(t.Context(), chanio.UnixPacket{Data: make([]byte, size)})
	require.ErrorIs(t, err, syscall.EMSGSIZE)
	require.ErrorContains(t, err, "WriteBuffer")
	_, err2 := client.Out.TrySend(chanio.UnixPacket{Data: make([]byte, size)})
	require.ErrorIs(t, err2, syscall.EMSGSIZE)
	require.NoError(t, client.Out.Err(), "nothing ends")
	if runtime.GOOS == "linux" {
		limit := 2*20_000 - 32 // Linux doubles the requested size
		require.ErrorContains(t, err, "the limit is 39968")
		require.NoError(t, client.Out.Send(t.Context(), chanio.UnixPacket{Data: make([]byte, limit)}))
		_, text := receiveUnixgram(t, server)
		require.Len(t, text, limit)
		err = client.Out.Send(t.Context(), chanio.UnixPacket{Data: make([]byte, limit+1)})
		require.ErrorIs(t, err, syscall.EMSGSIZE)
	}
}

func TestUnixgramTruncationIsNoticed(t *testing.T) {
	for _, keep := range []bool{false, true} {
		path := socketPath(t)
		server := listenUnixgram(t, path, &servers.UnixgramConfig{MaxDatagram: 10, KeepTruncated: keep})
		client := dialUnixgram(t, path, nil)
		for _, text := range []string{"0123456789", "0123456789a", "short"} {
			sendUnixgram(t, client, "", text)
		}
		want := []string{"0123456789", "short"}
		if keep {
			want = []string{"0123456789", "0123456789", "short"}
		}
		for _, text := range want {
			_, got := receiveUnixgram(t, server)
			require.Equal(t, text, got)
		}
		require.EqualValues(t, 1, server.Stats().Truncated)
		require.EqualValues(t, 3, server.Stats().Received)
	}
}

// fill calls TrySend until there is no more room, and returns the number of datagrams sent.
func fill(t *testing.T, c *chanio.UnixPacketConn, to string) (n int) {
	for ; n < 100_000; n++ {
		ok, err := c.Out.TrySend(chanio.UnixPacket{Addr: to, Data: []byte("x")})
		require.NoError(t, err)
		if !ok {
			return n
		}
	}
	require.Fail(t, "there is no bound")
	return n
}

// TestG8AFullUnixgramReceiverMakesSendWait uses a connected socket, which the kernel wakes, and a listening one, which
// must poll.
func TestG8AFullUnixgramReceiverMakesSendWait(t *testing.T) {
	for _, connected := range []bool{true, false} {
		path := socketPath(t)
		receiver := listenUnixgram(t, path, nil)
		sender, to := listenUnixgram(t, socketPath(t), nil), path
		if connected {
			sender, to = dialUnixgram(t, path, nil), ""
		}
		n := fill(t, sender, to)
		require.Positive(t, n)
		late := chanio.UnixPacket{Addr: to, Data: []byte("late")}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("given up")
		sent := make(chan error)
		go func() { sent <- sender.Out.Send(ctx, late) }()
		for range 100 {
			runtime.Gosched()
		}
		cancel(why)
		require.ErrorIs(t, <-sent, why, "G2: nothing of it was sent")

		late.Data = []byte("in time")
		for range 2 {
			go func() { sent <- sender.Out.Send(t.Context(), late) }()
		}
		for range n {
			_, text := receiveUnixgram(t, receiver)
			require.Equal(t, "x", text)
		}
		for range 2 {
			_, text := receiveUnixgram(t, receiver)
			require.Equal(t, "in time", text)
			require.NoError(t, <-sent)
		}

		fill(t, sender, to)
		for range 2 {
			go func() { sent <- sender.Out.Send(t.Context(), late) }()
		}
		for range 100 {
			runtime.Gosched()
		}
		require.ErrorIs(t, sender.Out.Close(), errors.ErrUnsupported)
		for range 2 {
			require.ErrorIs(t, <-sent, net.ErrClosed, "G5: Close unblocks")
		}
	}
}

func TestUnixgramSurvivesANewServer(t *testing.T) {
	path := socketPath(t)
	first := listenUnixgram(t, path, nil)
	client := dialUnixgram(t, path, nil)
	sendUnixgram(t, client, "", "to the first")
	require.NoError(t, first.Close())
	err := client.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("to nobody")})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "is the server running")
	require.NoError(t, client.Out.Err(), "nothing ends")

	stranger := listenUnixgram(t, socketPath(t), nil)
	_ = stranger.Out.Send(t.Context(), chanio.UnixPacket{Addr: client.LocalAddr(), Data: []byte("psst")})
	second := listenUnixgram(t, path, nil)
	sendUnixgram(t, client, "", "to the second")
	from, text := receiveUnixgram(t, second)
	require.Equal(t, "to the second", text)
	sendUnixgram(t, second, from, "back")
	_, text = receiveUnixgram(t, client)
	require.Equal(t, "back", text, "strangers are not heard meanwhile")
}

func TestUnixgramSendersAreToldThatInIsClosed(t *testing.T) {
	path := socketPath(t)
	server := listenUnixgram(t, path, nil)
	client := dialUnixgram(t, path, nil)
	received := make(chan error, 1)
	go func() {
		_, err := server.In.Recv(t.Context())
		received <- err
	}()
	for _, end := range []func(c *chanio.UnixPacketConn) error{
		func(c *chanio.UnixPacketConn) error { return c.In.Close() },
		func(c *chanio.UnixPacketConn) error { return c.Close() },
	} {
		other := listenUnixgram(t, socketPath(t), nil)
		late := dialUnixgram(t, other.LocalAddr(), nil)
		fill(t, late, "")
		waiting := make(chan error, 1)
		go func() { waiting <- late.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("x")}) }()
		for range 100 {
			runtime.Gosched()
		}
		require.NoError(t, end(other))
		require.Error(t, <-waiting, "also who waits for room")
	}

	require.NoError(t, server.In.Close())
	require.ErrorIs(t, <-received, net.ErrClosed)
	err := client.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("x")})
	require.Error(t, err)
	if runtime.GOOS == "linux" {
		require.ErrorIs(t, err, syscall.EPIPE)
		require.ErrorContains(t, err, "receives no more")
	}
	sendUnixgram(t, server, client.LocalAddr(), "Out goes on")
	_, text := receiveUnixgram(t, client)
	require.Equal(t, "Out goes on", text)
}

func TestG18ShutdownOfUnixgram(t *testing.T) {
	path := socketPath(t)
	server := listenUnixgram(t, path, nil)
	client := dialUnixgram(t, path, nil)
	for range 3 {
		sendUnixgram(t, client, "", "x")
	}
	down := make(chan error, 1)
	go func() { down <- server.Shutdown(context.Background()) }()
	got := 0
	for p := range server.In.All(t.Context()) {
		got++
		require.NoError(t, server.Out.Send(t.Context(), p), "Out lives")
	}
	require.ErrorIs(t, server.In.Err(), servers.ErrShutdown)
	require.Equal(t, 3, got, "what had arrived was received")
	require.NoError(t, server.Close())
	require.NoError(t, <-down)

	server = listenUnixgram(t, path, nil)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("late")
	cancel(why)
	require.ErrorIs(t, server.Shutdown(ctx), why)
	<-server.Done()
	require.ErrorIs(t, server.Out.Err(), why)
	require.Contains(t, server.String(), "closed")
	require.NoFileExists(t, path)
}

func TestUnixgramPermissionSaysWhatToDo(t *testing.T) {
	path := socketPath(t)
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	listenUnixgram(t, path, &servers.UnixgramConfig{Mode: 0o600})
	cmd := child(t, "TestChildHasNoPermissionForUnixgram")
	cmd.Env = append(cmd.Env, "WEIR_TEST_FILE="+path)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestChildHasNoPermissionForUnixgram(t *testing.T) {
	skipUnlessChild(t)
	dropPrivilege(t)
	path := os.Getenv("WEIR_TEST_FILE")
	if ownedByUs(path) {
		t.Skip("the file is this user's")
	}
	_, err := clients.DialUnixgram(path, nil)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "which the server's Mode can grant")
	_, err = servers.ListenUnixgram(path+"2", nil)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "allowed to write to the directory")
}

func ownedByUs(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && int(info.Sys().(*syscall.Stat_t).Uid) == os.Getuid()
}
