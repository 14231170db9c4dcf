package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

// Problems reported by users of similar servers.

// The timeout of the PROXY header does not bound the connection.
func TestTheTimeoutOfAHeaderEndsWithTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, connect := listenInMemory(t, &servers.Config{ProxyAlways: true, ProxyTimeout: time.Second})
		result := serveOn(t, t.Context(), ln, echo)
		for _, header := range []string{proxyLine, "PROXY UNKNOWN\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
			nc := connect()
			for i := range len(header) { // byte by byte
				_, err := io.WriteString(nc, header[i:i+1])
				require.NoError(t, err)
				synctest.Wait()
			}
			for range 3 {
				time.Sleep(time.Minute)
				require.Equal(t, "hello", say(t, nc, "hello"))
			}
			require.NoError(t, nc.Close())
		}
		silent := connect()
		start := time.Now()
		_, err := silent.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, time.Second, time.Since(start))
		require.NoError(t, silent.Close())
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

// A connection releases its place once, however its handler ends.
func TestLimitsCountDownOnceHoweverAConnectionEnds(t *testing.T) {
	why := errors.New("why")
	ends := map[string]handler{
		"returns":     func(context.Context, *chanio.Conn) error { return nil },
		"fails":       func(context.Context, *chanio.Conn) error { return why },
		"panics":      func(context.Context, *chanio.Conn) error { panic(why) },
		"exits":       func(context.Context, *chanio.Conn) error { runtime.Goexit(); return nil },
		"aborts":      func(_ context.Context, c *chanio.Conn) error { c.Abort(why); return nil },
		"closes":      func(_ context.Context, c *chanio.Conn) error { return c.Close() },
		"both":        func(_ context.Context, c *chanio.Conn) error { defer c.Abort(why); return c.Close() },
		"closes In":   func(_ context.Context, c *chanio.Conn) error { return c.In.Close() },
		"panics late": func(_ context.Context, c *chanio.Conn) error { _ = c.Close(); panic(why) },
	}
	for _, cfg := range []*servers.Config{{MaxPerIP: 1}, {MaxConns: 1}, {MaxPerIP: 1, MaxConns: 1, ProxyFrom: onLoopback()}} {
		next := make(chan handler, 1)
		ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
			if _, err := c.In.Recv(ctx); err != nil {
				return err
			}
			return (<-next)(ctx, c)
		})
		for name, end := range ends {
			for range 2 {
				next <- end
				nc := dial(t, ln)
				hello := "hello"
				if cfg.ProxyFrom != nil {
					hello = proxyLine + hello
				}
				_, err := io.WriteString(nc, hello)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, nc)
				require.NoError(t, nc.Close())
				await(t, ln, 0)
			}
			next <- func(ctx context.Context, c *chanio.Conn) error { return c.Out.Send(ctx, []byte("hello")) }
			nc := dial(t, ln)
			if cfg.ProxyFrom != nil {
				_, err := io.WriteString(nc, proxyLine)
				require.NoError(t, err)
			}
			require.Equal(t, "hello", say(t, nc, "hello"), name)
			require.NoError(t, nc.Close())
			await(t, ln, 0)
		}
	}
}

// Undelivered data is reported in one line. A peer that has sent nothing is usually a health check.
func TestAPeerThatDoesNotTakeAllIsReported(t *testing.T) {
	for words, level := range map[string]string{"hello": "level=INFO", "": "level=DEBUG"} {
		var log logbook
		cfg := &servers.Config{
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Conn:   chanio.ConnConfig{Linger: 50 * time.Millisecond},
		}
		ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
			if words != "" {
				if _, err := c.In.Recv(ctx); err != nil {
					return err
				}
			}
			_, err := c.Out.TrySend(make([]byte, 32<<20)) // exceeds the kernel's buffers
			return err
		})
		nc := dial(t, ln)
		_, err := io.WriteString(nc, words)
		require.NoError(t, err)
		for len(log.lines()) == 0 {
			time.Sleep(time.Millisecond)
		}
		require.Len(t, log.lines(), 1)
		require.Contains(t, log.lines()[0], level)
		require.Contains(t, log.lines()[0], "peer did not take all that was sent")
		require.Contains(t, log.lines()[0], "peer="+nc.LocalAddr().String())
	}
}

// A connection whose handshake has completed is ended when no receiver will take it.
func TestClosingConnsEndsWhatNobodyHasReceived(t *testing.T) {
	secure, config := signed(t)
	opened := make(chan struct{}, 1)
	ln := listenTLS(t, secure, &servers.Config{Hooks: &servers.Hooks{Opened: func(*chanio.Conn, time.Duration) { opened <- struct{}{} }}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ln.Conns.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = ln.Conns.Recv(ctx) // starts accepting
	require.ErrorIs(t, err, context.DeadlineExceeded)
	nc, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	defer nc.Close()
	<-opened
	require.NoError(t, ln.Conns.Close())
	_, err = nc.Read(make([]byte, 1))
	require.Error(t, err)
	await(t, ln, 0)
	require.NoError(t, ln.Shutdown(t.Context()))
}
