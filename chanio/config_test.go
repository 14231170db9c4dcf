package chanio_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// configured returns a Conn with cfg, and its peer, in memory.
func configured(t *testing.T, cfg *chanio.ConnConfig) (near, far *chanio.Conn) {
	network := chaniotest.Network{Config: cfg}
	ln, err := network.Listen("a")
	require.NoError(t, err)
	near, err = network.Dial(t.Context(), "a")
	require.NoError(t, err)
	nc, err := ln.Accept()
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return near, chanio.NewConn(nc, nil)
}

func TestCoalesceIsWhatTheConfigSays(t *testing.T) {
	for coalesce, want := range map[time.Duration]time.Duration{
		-1: 0, 0: 200 * time.Microsecond, time.Minute: time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := configured(t, &chanio.ConnConfig{Coalesce: coalesce})
			defer far.Out.Abort(nil)
			defer near.Out.Abort(nil)
			defer near.Out.Cork()()
			start := time.Now()
			require.NoError(t, near.Out.Send(t.Context(), []byte("x")))
			_, err := far.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, time.Since(start))
		})
	}
}

func TestCloseWaitIsWhatTheConfigSays(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{0: 250 * time.Millisecond, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			near, far := configured(t, &chanio.ConnConfig{CloseWait: wait})
			defer far.Out.Abort(nil)
			start := time.Now()
			require.NoError(t, near.Close())
			<-near.Done()
			require.Equal(t, want, time.Since(start))
		})
	}
}

func TestPanicsOfCallbacksGoToTheLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		near, far := configured(t, &chanio.ConnConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer far.Out.Abort(nil)
		near.Out.OnDone(func() { panic("a callback") })
		near.Out.Abort(nil)
		synctest.Wait()
		require.Contains(t, log.String(), "a callback")
	})
}
