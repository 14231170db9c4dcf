//go:build unix

package chanio_test

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// A goroutine more for each of many connections that end at once takes longer than all the rest.
func TestCloseWaitsForThePeerInItsOwnGoroutine(t *testing.T) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	defer b.Close()
	near := chanio.NewConn(a, &chanio.ConnConfig{Linger: time.Hour, CloseWait: time.Hour})
	closed := make(chan error)
	go func() { closed <- near.Close() }()
	var waiting string
	buf := make([]byte, 1<<20)
	for waiting == "" {
		for one := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(one, "lingerOn") {
				waiting = one
			}
		}
	}
	require.Contains(t, waiting, "chanio.(*Conn).Close")
	near.Abort(nil)
	require.NoError(t, <-closed)
}

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

// Whichever goroutine ends the second half, one of them waits for the peer.
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
