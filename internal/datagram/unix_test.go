//go:build unix && !aix && !solaris

package datagram

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unixfile"
)

func fillUnix(t *testing.T, c *chanio.UnixPacketConn, to string) (n int) {
	for ; ; n++ {
		ok, err := c.Out.TrySend(chanio.UnixPacket{Addr: to, Data: []byte{byte(n)}})
		require.NoError(t, err)
		if !ok {
			return n
		}
	}
}

// countUnix counts the system calls that c makes from now on.
func countUnix(c *chanio.UnixPacketConn) *counted {
	u := c.PacketSocket.(*UnixConn)
	calls := newCounted(u.raw)
	u.raw = calls
	return calls
}

// unixWays runs a test with a sender that is connected, and with one that is not.
func unixWays(t *testing.T, test func(t *testing.T, from, to *chanio.UnixPacketConn, addr string)) {
	t.Run("connected", func(t *testing.T) {
		to, from := connectedUnix(t, UnixConfig{})
		test(t, from, to, "")
	})
	t.Run("unconnected", func(t *testing.T) {
		to, from := openUnixConn(t, UnixConfig{Local: socketPath(t)}), openUnixConn(t, UnixConfig{Local: socketPath(t)})
		test(t, from, to, to.LocalAddr())
	})
}

func TestAFullUnixReceiverIsWaitedFor(t *testing.T) {
	unixWays(t, func(t *testing.T, from, to *chanio.UnixPacketConn, addr string) {
		n := fillUnix(t, from, addr)
		calls := countUnix(from)
		late := chanio.UnixPacket{Addr: addr, Data: []byte("late")}
		for _, cause := range []error{errGivenUp, net.ErrClosed, uncomparable{}} {
			ctx, cancel := context.WithCancelCause(t.Context())
			sent := make(chan error)
			go func() { sent <- from.Out.Send(ctx, late) }()
			<-calls.wrote
			cancel(cause)
			require.Equal(t, chanio.Cause(ctx), <-sent)
			require.NoError(t, from.Out.Err())
		}
		sent := make(chan error)
		go func() {
			_, err := from.Out.SendAll(t.Context(), late, late, late)
			sent <- err
		}()
		for i := range n {
			p, err := to.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, []byte{byte(i)}, p.Data)
		}
		for range 3 {
			p, err := to.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "late", string(p.Data), "what was cancelled was not sent")
		}
		require.NoError(t, <-sent)
		require.EqualValues(t, n+3, from.Stats().Sent)
	})
}

func TestAFullUnixReceiverDoesNotHoldUpOthers(t *testing.T) {
	full, other := openUnixConn(t, UnixConfig{Local: socketPath(t)}), openUnixConn(t, UnixConfig{Local: socketPath(t)})
	from := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	n := fillUnix(t, from, full.LocalAddr())
	calls := countUnix(from)
	sent := make(chan error)
	go func() {
		sent <- from.Out.Send(t.Context(), chanio.UnixPacket{Addr: full.LocalAddr(), Data: []byte("late")})
	}()
	<-calls.wrote // and finds no room
	for range 10 {
		require.NoError(t, from.Out.Send(t.Context(), chanio.UnixPacket{Addr: other.LocalAddr(), Data: []byte("in time")}))
		_, err := other.In.Recv(t.Context())
		require.NoError(t, err)
	}
	for range n + 1 {
		_, err := full.In.Recv(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, <-sent)
}

func TestG5AbortWakesUnixSenders(t *testing.T) {
	unixWays(t, func(t *testing.T, from, to *chanio.UnixPacketConn, addr string) {
		fillUnix(t, from, addr)
		calls, sent := countUnix(from), make(chan error)
		for range 3 { // one waits for room, the others behind it
			go func() { sent <- from.Out.Send(context.Background(), chanio.UnixPacket{Addr: addr}) }()
		}
		<-calls.wrote
		why := uncomparable{[]string{"why"}}
		from.Out.Abort(why)
		for range 3 {
			require.Equal(t, why, <-sent)
		}
		_, err := from.In.Recv(context.Background())
		require.Equal(t, why, err)
		<-from.Done()
		require.Equal(t, why, from.Out.Flush(context.Background()))
		_, err = from.Out.TrySend(chanio.UnixPacket{Addr: addr})
		require.Equal(t, why, err)
	})
}

func TestTrySendOfUnixDoesNotWaitForATurn(t *testing.T) {
	from, to := openUnixConn(t, UnixConfig{Local: socketPath(t)}), openUnixConn(t, UnixConfig{Local: socketPath(t)})
	c := from.PacketSocket.(*UnixConn)
	c.out.turn <- struct{}{} // somebody sends
	ok, err := from.Out.TrySend(chanio.UnixPacket{Addr: to.LocalAddr()})
	require.NoError(t, err)
	require.False(t, ok)
	<-c.out.turn
	ok, err = from.Out.TrySend(chanio.UnixPacket{Addr: to.LocalAddr()})
	require.NoError(t, err)
	require.True(t, ok)
}

func TestUnixShutdownReceivesWhatHasArrived(t *testing.T) {
	path := socketPath(t)
	to := openUnixConn(t, UnixConfig{Local: path, Shutdown: errGivenUp})
	from := openUnixConn(t, UnixConfig{Local: socketPath(t), Remote: path})
	for range 3 {
		require.NoError(t, from.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("x")}))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	down := make(chan error)
	go func() { down <- to.Shutdown(ctx) }()
	n := 0
	for range to.In.All(t.Context()) {
		n++
	}
	require.Equal(t, 3, n)
	require.ErrorIs(t, to.In.Err(), errGivenUp)
	require.NoError(t, to.Out.Err())
	cancel(context.Canceled)
	require.ErrorIs(t, <-down, context.Canceled)
	<-to.Done()
	require.ErrorIs(t, to.Out.Err(), context.Canceled, "Shutdown aborts")
}

func TestACloseOfUnixRemovesItsFile(t *testing.T) {
	path := socketPath(t)
	c := openUnixConn(t, UnixConfig{Local: path})
	require.ErrorIs(t, c.Out.Close(), errors.ErrUnsupported)
	require.FileExists(t, path)
	require.NoError(t, c.In.Close())
	<-c.Done()
	require.NoFileExists(t, path)
	require.ErrorIs(t, c.PacketSocket.(*UnixConn).uc.SetReadBuffer(4096), net.ErrClosed)
}

// TestAConnectedUnixSenderIsWokenByTheKernel has two senders wait. The one that is not connected has to try again and
// again.
func TestAConnectedUnixSenderIsWokenByTheKernel(t *testing.T) {
	if !tellsRoom {
		t.Skip("this kernel does not tell")
	}
	to, from := connectedUnix(t, UnixConfig{})
	other := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	full := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	n, m := fillUnix(t, from, ""), fillUnix(t, other, full.LocalAddr())
	woken, again := countUnix(from), countUnix(other)
	sent := make(chan error)
	go func() { sent <- from.Out.Send(t.Context(), chanio.UnixPacket{}) }()
	<-woken.waits
	go func() { sent <- other.Out.Send(t.Context(), chanio.UnixPacket{Addr: full.LocalAddr()}) }()
	for range 8 {
		<-again.wrote
	}
	require.EqualValues(t, 2, woken.writes.Load(), "one to try, one to wait")
	drain := func(c *chanio.UnixPacketConn, n int) {
		for range n {
			_, err := c.In.Recv(t.Context())
			require.NoError(t, err)
		}
	}
	drain(to, n)
	require.NoError(t, <-sent)
	drain(full, m)
	require.NoError(t, <-sent)
}

func TestUnixRefusesWhatItCannotSend(t *testing.T) {
	a, b := connectedUnix(t, UnixConfig{})
	require.ErrorIs(t, b.Out.Send(t.Context(), chanio.UnixPacket{Addr: "/elsewhere"}), errOtherName)
	require.NoError(t, b.Out.Send(t.Context(), chanio.UnixPacket{Addr: a.LocalAddr()}))
	c := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	require.ErrorIs(t, c.Out.Send(t.Context(), chanio.UnixPacket{}), errUnnamed)
	_, err := c.Out.TrySend(chanio.UnixPacket{})
	require.ErrorIs(t, err, errUnnamed)
	long := strings.Repeat("x", unixfile.MaxPath)
	require.ErrorIs(t, c.Out.Send(t.Context(), chanio.UnixPacket{Addr: long + "x"}), errLongName)
	require.ErrorIs(t, c.Out.Send(t.Context(), chanio.UnixPacket{Addr: long}), syscall.ENOENT)
	require.NoError(t, c.Out.Err(), "nothing ends")
}

func TestAUnixPeerThatIsBackIsFound(t *testing.T) {
	path := socketPath(t)
	first := openUnixConn(t, UnixConfig{Local: path})
	c := openUnixConn(t, UnixConfig{Local: socketPath(t), Remote: path})
	require.NoError(t, first.Close())
	err := c.Out.Send(t.Context(), chanio.UnixPacket{})
	require.ErrorIs(t, err, syscall.ENOENT)
	require.ErrorContains(t, err, c.LocalAddr()+"->"+path)
	require.ErrorContains(t, err, "is the server running")
	second := openUnixConn(t, UnixConfig{Local: path})
	require.NoError(t, c.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("again")}))
	p, err := second.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, chanio.UnixPacket{Addr: c.LocalAddr(), Data: []byte("again")}, p)
}

func TestTheSecondUnixHalfToEndClosesTheSocket(t *testing.T) {
	c := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	require.NoError(t, c.In.Close())
	require.ErrorIs(t, c.Out.Close(), errors.ErrUnsupported)
	<-c.Done()
	require.Contains(t, c.String(), "unixgram "+c.LocalAddr()+" (closed, 0 received, 0 sent)")
	_, err := c.Out.TrySend(chanio.UnixPacket{Addr: c.LocalAddr()})
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestUnixSocketsWithoutFilesAreNamed makes a socket with an abstract name answer one that the kernel named.
func TestUnixSocketsWithoutFilesAreNamed(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := OpenUnix(&UnixConfig{Local: "@weir"})
		require.ErrorIs(t, err, errNoAbstract)
		return
	}
	name := "@weir/" + socketPath(t)
	server, client := openUnixConn(t, UnixConfig{Local: name}), openUnixConn(t, UnixConfig{Remote: name})
	require.Equal(t, name, server.LocalAddr())
	require.Regexp(t, "^@.", client.LocalAddr())
	require.NoError(t, client.Out.Send(t.Context(), chanio.UnixPacket{Data: []byte("ping")}))
	p, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.LocalAddr(), p.Addr)
	require.NoError(t, server.Out.Send(t.Context(), p))
	p, err = client.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, chanio.UnixPacket{Addr: name, Data: []byte("ping")}, p)
}

func TestDropReadsUntilNothingIsQueued(t *testing.T) {
	c := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	for _, data := range []string{"a", "", "b"} {
		require.NoError(t, c.Out.Send(t.Context(), chanio.UnixPacket{Addr: c.LocalAddr(), Data: []byte(data)}))
	}
	raw := c.PacketSocket.(*UnixConn).raw
	require.ErrorIs(t, control(raw, drop), syscall.EAGAIN)
	require.ErrorIs(t, control(raw, func(fd uintptr) error {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_DONTWAIT)
		return err
	}), syscall.EAGAIN)
}

// A sender that gets its turn after the end is refused.
func TestUnixRefusesASenderWhoseTurnComesAfterTheEnd(t *testing.T) {
	c := openUnixConn(t, UnixConfig{Local: socketPath(t)})
	why := errors.New("why")
	c.Out.Abort(why)
	require.Equal(t, why, c.PacketSocket.(*UnixConn).out.write(&chanio.UnixPacket{Addr: c.LocalAddr()}, false))
}

func TestACloseOfUnixInWakesItsSenders(t *testing.T) {
	unixWays(t, func(t *testing.T, from, to *chanio.UnixPacketConn, addr string) {
		fillUnix(t, from, addr)
		calls, sent := countUnix(from), make(chan error)
		go func() { sent <- from.Out.Send(t.Context(), chanio.UnixPacket{Addr: addr}) }()
		<-calls.wrote
		require.NoError(t, to.In.Close()) // to.Out stays open
		require.ErrorIs(t, <-sent, syscall.EPIPE)
	})
}
