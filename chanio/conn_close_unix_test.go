//go:build unix

package chanio_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestOnReleaseMayNeedALockOfTheCallerOfClose(t *testing.T) {
	var mu sync.Mutex
	told := make(chan struct{})
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	defer b.Close()
	near := chanio.NewConn(a, &chanio.ConnConfig{CloseWait: time.Millisecond, OnRelease: func(*chanio.Conn) {
		mu.Lock()
		defer mu.Unlock()
		close(told)
	}})
	mu.Lock()
	require.NoError(t, near.Close())
	mu.Unlock()
	<-told
}

// Whichever call ends the second half, the connection is released.
func TestG4AConnectionIsReleasedWhoeverClosesWhat(t *testing.T) {
	for range 100 {
		a, b := socketPair(t, "tcp", "127.0.0.1:0")
		near := chanio.NewConn(a, &chanio.ConnConfig{CloseWait: time.Millisecond})
		var closing sync.WaitGroup
		for _, f := range []func() error{near.Close, near.Out.Close, near.In.Close, near.Close} {
			closing.Go(func() { _ = f() })
		}
		closing.Wait()
		<-near.Done()
		require.ErrorIs(t, a.Close(), net.ErrClosed)
		require.NoError(t, b.Close())
	}
}
