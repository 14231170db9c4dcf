package memconn

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestDialConnectsToAccept(t *testing.T) {
	l := Listen("server", 0)
	l.Capacity = 3
	near, err := l.Dial(t.Context())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	io.WriteString(near, "hi")
	near.CloseWrite()
	got, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Equal(t, "hi", string(got))
	n, err := far.(*Conn).TryWrite([]byte("four"))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, "server#1", near.LocalAddr().String())
	require.Equal(t, l.Addr(), near.RemoteAddr())
	require.Equal(t, l.Addr(), far.LocalAddr())
	require.Equal(t, near.LocalAddr(), far.RemoteAddr())
}

func TestConnsAreAcceptedInTheOrderOfDial(t *testing.T) {
	l := Listen("server", 0)
	for range 5 {
		near, err := l.Dial(t.Context())
		require.NoError(t, err)
		defer near.Close()
	}
	for _, want := range []string{"server#1", "server#2", "server#3", "server#4", "server#5"} {
		far, err := l.Accept()
		require.NoError(t, err)
		require.Equal(t, want, far.RemoteAddr().String())
	}
}

func TestDialWaitsForAPlaceInTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("server", 1)
		_, err := l.Dial(t.Context())
		require.NoError(t, err)
		dialed := dialing(t.Context(), l)
		synctest.Wait()
		require.Empty(t, dialed)
		_, err = l.Accept()
		require.NoError(t, err)
		require.NoError(t, <-dialed)
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("server", 1)
		_, err := l.Dial(t.Context())
		require.NoError(t, err)
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		dialed := dialing(ctx, l)
		synctest.Wait()
		cancel(why)
		require.ErrorIs(t, <-dialed, why)
		l.Accept()
		_, err = l.Dial(ctx)
		require.ErrorIs(t, err, why)
	})
}

func TestListenerCloseUnblocksAcceptAndDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("server", 1)
		accepted := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-accepted, net.ErrClosed)

		l = Listen("server", 1)
		_, err := l.Dial(t.Context())
		require.NoError(t, err)
		dialed := dialing(t.Context(), l)
		synctest.Wait()
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-dialed, syscall.ECONNREFUSED)
	})
}

func TestAClosedListenerRefuses(t *testing.T) {
	for range 20 { // a select between two ready cases picks at random
		l := Listen("server", 0)
		near, err := l.Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Close())
		_, err = l.Dial(t.Context())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		requireEveryCallFails(t, near, syscall.ECONNRESET)
	}
}

func TestAcceptedConnsOutliveTheListener(t *testing.T) {
	l := Listen("server", 0)
	near, err := l.Dial(t.Context())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = near.Write([]byte("x"))
	require.NoError(t, err)
	_, err = far.Read(make([]byte, 1))
	require.NoError(t, err)
}

func TestEveryDialIsAcceptedOrEndedByClose(t *testing.T) {
	for range 100 {
		l := Listen("server", 2)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				near, err := l.Dial(context.Background())
				if err != nil {
					return
				}
				near.Read(make([]byte, 1)) // would hang if the far end were lost
				near.Close()
			})
		}
		all.Go(func() {
			for far, err := l.Accept(); err == nil; far, err = l.Accept() {
				far.Close()
			}
		})
		all.Go(func() { l.Close() })
		all.Wait()
	}
}

func dialing(ctx context.Context, l *Listener) <-chan error {
	dialed := make(chan error, 1)
	go func() {
		_, err := l.Dial(ctx)
		dialed <- err
	}()
	return dialed
}
