package servers_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

// Peers that send their hello slowly never have more handshakes than the limit. After a second the oldest ones make
// room for others, so that honest peers are soon served. Without waiting connections, handshakes keep their usual time.
func TestG19SlowHandshakesHoldNoMoreThanTheLimit(t *testing.T) {
	const (
		most   = 8
		slow   = 50
		within = 10 * time.Second
		alone  = time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		secure, config := signed(t)
		secure.HandshakeTimeout = within
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		var underWay atomic.Int64
		failures := make(chan error, slow)
		ln, err := servers.Listen(nl, &servers.Config{TLS: secure,
			MaxHandshakes: most,
			Wrap: func(nc net.Conn) net.Conn {
				require.LessOrEqual(t, underWay.Add(1), int64(most))
				return nc
			},
			Hooks: &servers.Hooks{
				Opened: func(*chanio.Conn, time.Duration) { underWay.Add(-1) },
				HandshakeFailed: func(_ net.Addr, err error) {
					underWay.Add(-1)
					failures <- err
				},
			},
		})
		require.NoError(t, err)
		result := serveOn(t, t.Context(), ln, echo)
		start := time.Now()
		var dripping sync.WaitGroup
		for range slow {
			nc, err := network.DialContext(t.Context(), "mem", "server")
			require.NoError(t, err)
			dripping.Go(func() { drip(nc) })
		}
		synctest.Wait()
		require.EqualValues(t, most, underWay.Load())

		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		c := tls.Client(nc, config)
		require.NoError(t, c.Handshake())
		require.Equal(t, slow/most*alone, time.Since(start))
		require.Equal(t, "hello", say(t, c, "hello"))
		require.NoError(t, c.Close())

		late := 0
		for range slow {
			if err := <-failures; errors.Is(err, os.ErrDeadlineExceeded) {
				late++
			} else {
				require.ErrorContains(t, err, "made room for others")
			}
		}
		require.Equal(t, most-1, late, "the honest one was one of the last")
		require.Equal(t, slow/most*alone+within, time.Since(start))
		dripping.Wait()
		require.Zero(t, underWay.Load())
		require.NoError(t, ln.Shutdown(t.Context()))
		require.NoError(t, <-result)
	})
}

// drip sends the first bytes of a hello, one a second, until the server closes.
func drip(nc net.Conn) {
	hello := append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 1<<10)...)
	for _, b := range hello {
		if _, err := nc.Write([]byte{b}); err != nil {
			break
		}
		time.Sleep(time.Second)
	}
	_, err := io.Copy(io.Discard, nc)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		panic("the server did not reset the connection")
	}
	_ = nc.Close()
}

// Nor do clients that send nothing after the header of their balancer.
func TestG19SilentClientsOfABalancerDoNotUseUpMaxConns(t *testing.T) {
	secure, _ := signed(t)
	secure.HandshakeTimeout = time.Minute
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	cfg := servers.Config{TLS: secure, ProxyAlways: true, MaxConns: 2}
	inMemory(t, cfg, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		from := func() net.Conn {
			nc := dial()
			_, err := io.WriteString(nc, anyProxy)
			require.NoError(t, err)
			return nc
		}
		start := time.Now()
		silent := []net.Conn{from(), from()}
		nc := tls.Client(from(), config)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.Equal(t, time.Second, time.Since(start))
		for _, nc := range append(silent, nc) {
			_ = nc.Close()
		}
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

// A header that arrives in pieces makes no difference: its client is silent from its end on.
func TestG19SilentClientAfterAHeaderInPiecesDoesNotUseUpMaxConns(t *testing.T) {
	secure, _ := signed(t)
	secure.HandshakeTimeout = time.Hour
	config := &tls.Config{InsecureSkipVerify: true} // the bubble has its own clock
	cfg := servers.Config{TLS: secure, ProxyAlways: true, MaxConns: 1}
	inMemory(t, cfg, echo, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, result <-chan error) {
		silent := dial()
		for _, piece := range []string{anyProxy[:5], anyProxy[5:]} {
			_, err := io.WriteString(silent, piece)
			require.NoError(t, err)
			time.Sleep(3 * time.Second / 2)
		}
		start := time.Now()
		nc := dial()
		_, err := io.WriteString(nc, anyProxy)
		require.NoError(t, err)
		secured := tls.Client(nc, config)
		require.Equal(t, "hello", say(t, secured, "hello"))
		require.LessOrEqual(t, time.Since(start), 2*time.Second)
		_, _ = silent.Close(), secured.Close()
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

// Peers that connect and send nothing do not use up MaxConns either, and those that have spoken keep their time.
func TestG19SilentPeersDoNotUseUpMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secure, config := signed(t)
		secure.HandshakeTimeout = time.Minute
		for _, cfg := range []*servers.Config{{TLS: secure}, {ProxyAlways: true}} {
			var network chaniotest.Network
			nl, err := network.Listen("server")
			require.NoError(t, err)
			cfg.MaxConns, cfg.ProxyTimeout = 3, time.Minute
			failures := make(chan error, 10)
			cfg.Hooks = &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failures <- err }}
			ln, err := servers.Listen(nl, cfg)
			require.NoError(t, err)
			result := serveOn(t, t.Context(), ln, echo)
			dial := func() net.Conn {
				nc, err := network.DialContext(t.Context(), "mem", "server")
				require.NoError(t, err)
				return nc
			}
			slow := dial()
			_, err = io.WriteString(slow, map[bool]string{true: "\x16\x03\x01", false: "PRO"}[cfg.TLS != nil])
			require.NoError(t, err)
			var ends []net.Conn
			start := time.Now()
			for range 2 {
				ends = append(ends, dial())
				synctest.Wait()
			}
			for range 3 {
				nc := dial()
				if cfg.TLS != nil {
					nc = tls.Client(nc, config)
				} else {
					_, err := io.WriteString(nc, "PROXY UNKNOWN\r\n")
					require.NoError(t, err)
				}
				require.Equal(t, "hello", say(t, nc, "hello"))
				require.NoError(t, nc.Close())
				synctest.Wait()
			}
			require.Equal(t, time.Second, time.Since(start))
			for range 2 {
				require.ErrorContains(t, <-failures, "made room")
			}
			time.Sleep(30 * time.Second)
			require.Empty(t, failures)
			for _, nc := range append(ends, slow) {
				_ = nc.Close()
			}
			require.NoError(t, ln.Close())
			require.NoError(t, <-result)
		}
	})
}
