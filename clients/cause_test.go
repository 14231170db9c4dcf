package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
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

// The cause of a ctx is often the error of another call, as in an errgroup.
func TestG15ACauseIsNotTakenForTheErrorOfThisCall(t *testing.T) {
	within := func(t *testing.T, cause error, f func(ctx context.Context) error) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		return f(ctx)
	}
	notSent := fmt.Errorf("another request: %w: %w", clients.ErrNotSent, &net.AddrError{Err: "no address"})
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		go func() { _, _ = far.In.Recv(t.Context()) }()
		err := within(t, notSent, func(ctx context.Context) error { _, err := m.Call(ctx, "w"); return err })
		require.ErrorIs(t, err, notSent)
		require.ErrorAs(t, err, new(*net.AddrError))
		require.NotErrorIs(t, err, clients.ErrNotSent, "it was sent")
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[string, string](0)
		go func() { _, _ = far.In.Recv(t.Context()) }()
		err := within(t, notSent, func(ctx context.Context) error {
			_, err := clients.NewCaller(ctx, near, nil).Call(t.Context(), "w")
			return err
		})
		require.ErrorContains(t, err, "another request")
		require.ErrorAs(t, err, new(*net.AddrError))
		require.NotErrorIs(t, err, clients.ErrNotSent, "it was sent")
	})

	other := &net.DNSError{Err: "no such host", Name: "other.test", IsNotFound: true}
	isOfCtx := func(t *testing.T, err error) {
		var dns *net.DNSError
		require.ErrorIs(t, err, other)
		require.True(t, errors.As(err, &dns) && !dns.IsNotFound || dns == other, "got %#v", err)
	}
	inDNS(t, clients.DNSConfig{}, func(query, func([]byte)) {}, func(t *testing.T, r *clients.DNSResolver, _ *dnsServer) {
		var first sync.WaitGroup
		first.Go(func() { _, _ = r.LookupAddrs(t.Context(), "a.test") })
		synctest.Wait()
		isOfCtx(t, within(t, other, func(ctx context.Context) error { _, err := r.LookupAddrs(ctx, "a.test"); return err }))
		first.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		table, err := clients.NewStaticResolver(map[string][]string{"b.test": {"10.0.0.1"}})
		require.NoError(t, err)
		r := clients.FirstOf(clients.ResolverFunc(func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}), table)
		isOfCtx(t, within(t, other, func(ctx context.Context) error { _, err := r.LookupAddrs(ctx, "a.test"); return err }))
	})
}

// A call that waits to be sent may be cancelled as the peer wants no more.
func TestG15TheCauseOfOneCallDoesNotEndACaller(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		sent := call(t.Context(), m, "a")
		require.Equal(t, "a", recv(t, far.In))
		ctx, cancel := context.WithCancelCause(t.Context())
		waits := call(ctx, m, "b")
		synctest.Wait()
		cause := errors.New("this call only")
		cancel(cause)
		require.NoError(t, far.In.Close())
		require.ErrorIs(t, (<-waits).err, cause)
		require.NotErrorIs(t, (<-sent).err, cause)
		require.NotErrorIs(t, m.Err(), cause)
		require.NoError(t, far.Close())
	})
}
