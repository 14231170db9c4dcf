package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

const bodySize = 30

// upload is a protocol with a message for the end: it sends "bye" when asked to finish, and still receives the body in
// progress.
func upload(ctx context.Context, c *chanio.Conn) error {
	draining := make(chan struct{})
	defer c.OnDrain(func(cause error) {
		defer close(draining)
		if errors.Is(cause, servers.ErrShutdown) {
			_, _ = c.Out.TrySend([]byte("bye\n"))
		}
	})()
	for {
		body, err := codec.Recv(ctx, c.In, codec.Exactly(bodySize, codec.Bytes))
		if err != nil {
			return err
		}
		if err := codec.Send(ctx, c.Out, codec.Lines, "got "+string(body)); err != nil {
			return err
		}
		select {
		case <-draining:
			return nil
		default:
		}
	}
}

// A body in progress when the server shuts down is received and answered if it ends before the deadline. Otherwise the
// deadline cuts it off.
func TestG18ShutdownCutsNoBodyInFlight(t *testing.T) {
	secure, config := signed(t)
	for _, c := range []struct {
		secure *servers.TLSConfig
		comes  bool
	}{{nil, true}, {nil, false}, {secure, true}, {secure, false}} {
		synctest.Test(t, func(t *testing.T) {
			config := config.Clone()
			config.Time = func() time.Time { return secure.Certificates[0].Leaf.NotBefore.Add(time.Hour) }
			ln, connect := listenInMemory(t, &servers.Config{TLS: c.secure})
			result := serveOn(t, t.Context(), ln, upload)
			nc := connect()
			defer nc.Close()
			if c.secure != nil {
				nc = tls.Client(nc, config)
			}
			send := func(n int) {
				_, err := io.WriteString(nc, strings.Repeat("x", n))
				require.NoError(t, err)
			}
			receive := func(want string) {
				got := make([]byte, len(want))
				_, err := io.ReadFull(nc, got)
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			send(bodySize)
			receive("got " + strings.Repeat("x", bodySize) + "\n")
			send(bodySize / 3)
			synctest.Wait()

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			down := make(chan error, 1)
			go func() { down <- ln.Shutdown(ctx) }()
			receive("bye\n")
			if !c.comes {
				_, err := nc.Read(make([]byte, 1))
				require.Error(t, err)
				require.NotEqual(t, io.EOF, err, "a reset")
				require.ErrorIs(t, <-down, context.DeadlineExceeded)
				require.NoError(t, <-result)
				return
			}
			for range 2 {
				time.Sleep(20 * time.Second)
				send(bodySize / 3)
			}
			receive("got " + strings.Repeat("x", bodySize) + "\n")
			rest, err := io.ReadAll(nc)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, nc.Close())
			require.NoError(t, <-down)
			require.NoError(t, <-result)
		})
	}
}
