package clients_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// A ctx with the cause io.EOF or net.ErrClosed ends a call, and the error is not mistaken for the end of a stream, a
// pool or a peer.
func TestG15ACauseIsNotTakenForAnEnd(t *testing.T) {
	block := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	silent := func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
		near, far := chanio.Pipe()
		go func() {
			<-near.Done()
			far.Abort(nil)
		}()
		return near, nil
	}
	resolver := clients.ResolverFunc(func(ctx context.Context, _ string) ([]netip.Addr, error) { return nil, block(ctx) })
	calls := map[string]func(ctx context.Context) error{
		"DialTCP": func(ctx context.Context) error {
			_, err := clients.DialTCP(ctx, "weir.test:1", &clients.Config{Resolver: resolver})
			return err
		},
		"HTTPProxy": func(ctx context.Context) error {
			_, err := (&clients.HTTPProxy{Addr: "proxy:1"}).DialThrough(ctx, "a:1", nil, silent)
			return err
		},
		"SOCKS5": func(ctx context.Context) error {
			_, err := (&clients.SOCKS5{Addr: "proxy:1"}).DialThrough(ctx, "a:1", nil, silent)
			return err
		},
		"Pool.Get opens": func(ctx context.Context) error {
			p := clients.NewPool(func(ctx context.Context) (int, error) { return 0, block(ctx) }, func(int) {}, nil)
			_, err := p.Get(ctx)
			return errors.Join(err, p.Close())
		},
		"Pool.Get waits": func(ctx context.Context) error {
			p := clients.NewPool(func(context.Context) (int, error) { return 1, nil }, func(int) {}, &clients.PoolConfig[int]{MaxOpen: 1})
			l, err := p.Get(ctx)
			require.NoError(t, err)
			_, err = p.Get(ctx)
			l.Release()
			return errors.Join(err, p.Close())
		},
		"Reconnector": func(ctx context.Context) error {
			r := clients.Reconnect(func(ctx context.Context) (*chanio.Conn, error) { return nil, block(ctx) }, nil)
			_, err := r.Conns.Recv(ctx)
			return errors.Join(err, r.Close())
		},
		"States": func(ctx context.Context) error {
			r := clients.Reconnect(func(ctx context.Context) (*chanio.Conn, error) { return nil, block(ctx) }, nil)
			var err error
			for err == nil {
				_, err = r.States.Recv(ctx)
			}
			return errors.Join(err, r.Close())
		},
	}
	for name, call := range calls {
		for _, cause := range []error{io.EOF, net.ErrClosed} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				err := call(ctx)
				require.ErrorIs(t, err, context.Canceled, name)
				require.NotErrorIs(t, err, cause, name)
			})
		}
	}
}
