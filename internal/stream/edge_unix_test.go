//go:build unix

package stream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// Another goroutine changes a deadline repeatedly while one call waits.
func TestADeadlineThatIsMovedOftenEndsNoStream(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		var ctx deadline.Context
		got := make(chan error, 1)
		go func() {
			for {
				_, err := x.In.Next(&ctx)
				if err == nil || !deadline.Resumable(&ctx, err) {
					got <- err
					return
				}
			}
		}()
		for range 5000 {
			_ = ctx.SetDeadline(time.Unix(1, 0))
			_ = ctx.SetDeadline(time.Time{})
		}
		require.NoError(t, y.Out.Send(bg, []byte("x")))
		require.NoError(t, <-got)
	})
}

// A slow peer reads less at a time than the kernel waits for before it accepts more.
func TestAWriteTimeoutSparesAPeerWhoseProgressOnlyTheKernelSees(t *testing.T) {
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		p, q := tcpPair(t)
		testSlowPeer(t, p, q, q)
	})
	t.Run("crypto/tls", func(t *testing.T) {
		t.Parallel()
		p, q := tcpPair(t)
		server, client := tlsConfigs()
		testSlowPeer(t, tls.Server(p, server), tls.Client(q, client), q)
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		p, q := tcpPair(t)
		server, client := tlsConfigs()
		peer := tls.Client(q, client)
		go peer.Handshake()
		nc, err := stream.TLSServer(bg, lowerOf(stream.New(p, config(nil))), server, false)
		require.NoError(t, err)
		testSlowPeer(t, nc, peer, q)
	})
}

func testSlowPeer(t *testing.T, p, q net.Conn, peer *net.TCPConn) {
	require.NoError(t, peer.SetReadBuffer(64<<10))
	x := stream.New(p, config(&stream.Config{WriteTimeout: 3 * time.Second})) // a busy machine may take nothing for one
	defer x.Abort(nil)
	sent := make(chan error, 1)
	go func() { sent <- x.Out.Send(bg, data(16<<20)) }()
	buf := make([]byte, 32<<10)
	for range 30 { // the peer is slow
		_, err := io.ReadFull(q, buf)
		require.NoError(t, err)
		time.Sleep(150 * time.Millisecond)
	}
	require.NoError(t, x.Cause())
	_ = peer.Close()
	require.Error(t, <-sent)
}

// A raw write in progress when Out is closed is interrupted only by its ctx, not by the half-close.
func TestCloseWaitsForARawWrite(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	defer x.Abort(nil)
	big, total := data(8<<20), 0
	moved := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		first := true
		n, err := x.Out.WriteRaw(bg, func(fd uintptr) (int, bool, error) {
			n, err := syscall.Write(int(fd), big[total:])
			if first {
				close(started)
				first = false
			}
			if errors.Is(err, syscall.EAGAIN) {
				return 0, true, nil
			}
			total += max(n, 0)
			return max(n, 0), total < len(big), err
		})
		if n != len(big) && err == nil {
			err = io.ErrShortWrite
		}
		moved <- err
	}()
	<-started
	closed := make(chan error, 1)
	go func() { closed <- x.Out.Close() }()
	<-x.Out.Ending().Done()
	all, err := io.ReadAll(q)
	require.NoError(t, err)
	require.NoError(t, <-moved)
	require.NoError(t, <-closed)
	require.Len(t, all, len(big))
}

func TestAnErrorOfARawCallSaysWhere(t *testing.T) {
	p, q := tcpPair(t)
	_ = q
	x := stream.New(p, config(nil))
	defer x.Abort(nil)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	_, err := x.Out.WriteRaw(ctx, func(uintptr) (int, bool, error) { return 0, false, syscall.ENOSPC })
	var oe *net.OpError
	require.ErrorAs(t, err, &oe)
	require.Equal(t, x.NetConn().RemoteAddr(), oe.Addr)
	require.ErrorIs(t, err, syscall.ENOSPC)
}
