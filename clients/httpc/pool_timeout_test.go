package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestPoolTimeoutBoundsTheWaitsOfAllAttempts lets a request wait for a connection that turns out to be dead, and then for
// a dial.
func TestPoolTimeoutBoundsTheWaitsOfAllAttempts(t *testing.T) {
	cfg := Config{PoolTimeout: 5 * time.Second, MaxPerHost: 1}
	inBubble(t, cfg, answerLateAndHangUp, func(t *testing.T, c *Client, _ *atomic.Int64) {
		dial, dials := c.t.cfg.Dial, 0
		c.t.cfg.Dial = func(ctx context.Context, addr string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
			if dials++; dials > 1 {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return dial(ctx, addr, cfg)
		}
		first, err := c.Get(t.Context(), "http://server/")
		require.NoError(t, err)
		start := time.Now()
		second := make(chan error, 1)
		go func() {
			_, err := c.Get(t.Context(), "http://server/")
			second <- err
		}()
		text, err := first.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", text)
		var timeout *TimeoutError
		require.True(t, errors.As(<-second, &timeout))
		require.Equal(t, PhasePool, timeout.Phase)
		require.Equal(t, 2, dials)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

// answerLateAndHangUp answers a request, with the end of the body after 4 s, and closes the connection when the next one
// has come.
func answerLateAndHangUp(nc net.Conn, in *bufio.Reader) {
	if readRequest(in) == nil {
		return
	}
	_, _ = io.WriteString(nc, hello[:len(hello)-1])
	time.Sleep(4 * time.Second)
	_, _ = io.WriteString(nc, "o")
	readRequest(in)
}
