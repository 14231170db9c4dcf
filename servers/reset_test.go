package servers_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// transports connect a server's side, near, with a client's. Where there are Unix sockets, "unix" is one of them.
var transports = map[string]func(testing.TB) (near, far *chanio.Conn){
	"tcp": connectTCP,
	"tls": connectTLS,
}

// views are the ways to notice the end of a connection whose peer has sent nothing. Each returns why it ended.
var views = map[string]func(ctx context.Context, c *chanio.Conn) error{
	"Recv": receiveOne,
	"C of In": func(ctx context.Context, c *chanio.Conn) error {
		for chunk := range c.In.C(ctx) {
			return errors.New("received " + string(chunk))
		}
		return c.In.Err()
	},
	"All": func(ctx context.Context, c *chanio.Conn) error {
		for chunk := range c.In.All(ctx) {
			return errors.New("received " + string(chunk))
		}
		return c.In.Err()
	},
	"Send": sendOn,
	"TrySend": func(_ context.Context, c *chanio.Conn) (err error) {
		for err == nil {
			_, err = c.Out.TrySend([]byte("hello"))
		}
		return err
	},
	"C of Out": func(ctx context.Context, c *chanio.Conn) error {
		out := c.Out.C(ctx)
		defer close(out)
		for {
			select {
			case out <- []byte("hello"):
			case <-c.Out.Done():
				return c.Out.Err()
			}
		}
	},
	"Send after Recv": func(ctx context.Context, c *chanio.Conn) error {
		_ = receiveOne(ctx, c)
		return sendOn(ctx, c)
	},
	"Recv after Send": func(ctx context.Context, c *chanio.Conn) error {
		_ = sendOn(ctx, c)
		return receiveOne(ctx, c)
	},
}

func receiveOne(ctx context.Context, c *chanio.Conn) error {
	_, err := c.In.Recv(ctx)
	return err
}

func sendOn(ctx context.Context, c *chanio.Conn) (err error) {
	for err == nil {
		err = c.Out.Send(ctx, []byte("hello"))
	}
	return err
}

// Both halves report a reset, whichever notices it first and however: received data does not look complete.
func TestG15AResetSaysSoOnEveryView(t *testing.T) {
	for name, connect := range transports {
		for view, meet := range views {
			for _, side := range []string{"server", "client"} {
				t.Run(name+" "+side+" "+view, func(t *testing.T) {
					near, far := connect(t)
					if side == "client" {
						near, far = far, near
					}
					// A Unix socket resets only if there is unread data.
					require.NoError(t, near.Out.Send(t.Context(), []byte("never read")))
					require.NoError(t, near.Out.Flush(t.Context()))
					far.Out.Abort(errors.New("enough"))
					err := meet(t.Context(), near)
					if name == "unix" && errors.Is(err, syscall.EPIPE) {
						require.False(t, strings.Contains(view, "Recv"), "only writes get no better word for it")
						return
					}
					require.ErrorIs(t, err, syscall.ECONNRESET)
					require.Error(t, near.Cause())
				})
			}
		}
	}
}
