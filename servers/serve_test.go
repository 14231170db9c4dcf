package servers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/afresh"
	"github.com/weir-go/weir/servers"
)

func TestServeRunsOneHandlerForEachConnection(t *testing.T) {
	ln, _ := serve(t, nil, echo)
	var clients sync.WaitGroup
	for i := range 50 {
		nc := dial(t, ln)
		clients.Go(func() {
			text := fmt.Sprintf("this is client number %d", i)
			require.Equal(t, text, say(t, nc, text))
			require.NoError(t, nc.CloseWrite())
			rest, err := io.ReadAll(nc)
			require.NoError(t, err)
			require.Empty(t, rest)
		})
	}
	clients.Wait()
}

func TestServeIsForOneCaller(t *testing.T) {
	ln, result := serve(t, nil, echo)
	nc := dial(t, ln)
	say(t, nc, "x") // it runs
	require.NoError(t, nc.Close())
	require.PanicsWithValue(t,
		"chanio: this Source already has a consumer, servers.Listener.Serve; to give its values to several consumers, use pipeline.Tee",
		func() { _ = ln.Serve(t.Context(), echo) })
	require.Panics(t, func() { _, _ = ln.Conns.Recv(t.Context()) })
	require.PanicsWithValue(t, "servers: Serve: handle is nil", func() { _ = ln.Serve(t.Context(), nil) })
	require.NoError(t, ln.Close())
	require.NoError(t, <-result)
}

func TestG1InputOfAConnectionHasOneEnd(t *testing.T) {
	got := make(chan error, 4)
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		for range c.In.All(ctx) {
		}
		_, again := c.In.Recv(ctx)
		got <- again
		got <- c.In.Err()
		return nil
	})
	t.Run("clean", func(t *testing.T) {
		nc := dial(t, ln)
		_, err := io.WriteString(nc, "x")
		require.NoError(t, err)
		require.NoError(t, nc.CloseWrite())
		require.Equal(t, io.EOF, <-got)
		require.NoError(t, <-got)
	})
	t.Run("reset", func(t *testing.T) {
		nc := dial(t, ln)
		_, err := io.WriteString(nc, "x")
		require.NoError(t, err)
		require.NoError(t, nc.SetLinger(0))
		require.NoError(t, nc.Close())
		require.ErrorIs(t, <-got, syscall.ECONNRESET)
		require.ErrorIs(t, <-got, syscall.ECONNRESET)
	})
}

func TestG6PeerMayGoOnReadingAfterItsLastByte(t *testing.T) {
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		n := 0
		for chunk := range c.In.All(ctx) {
			n += len(chunk)
		}
		return c.Out.Send(ctx, fmt.Appendf(nil, "%d bytes", n))
	})
	nc := dial(t, ln)
	_, err := nc.Write(make([]byte, 100_000))
	require.NoError(t, err)
	require.NoError(t, nc.CloseWrite())
	reply, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "100000 bytes", string(reply))
}

// The peer never stops sending, so closing with unread data would reset the connection and lose the reply.
func TestG7WhatAHandlerSentBeforeItReturnedArrives(t *testing.T) {
	for name, result := range map[string]error{"nil": nil, "error": errors.New("enough")} {
		t.Run(name, func(t *testing.T) {
			reply := bytes.Repeat([]byte("last words "), 1<<18)
			ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
				return errors.Join(c.Out.Send(ctx, reply), result)
			})
			nc := dial(t, ln)
			var sending sync.WaitGroup
			sending.Go(func() {
				for {
					if _, err := nc.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			})
			got, err := io.ReadAll(nc)
			require.NoError(t, err)
			require.True(t, bytes.Equal(reply, got), "%d of %d bytes", len(got), len(reply))
			require.NoError(t, nc.Close())
			sending.Wait()
		})
	}
}

func TestG7ChannelIsDrainedWhenTheHandlerReturns(t *testing.T) {
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		out := c.Out.C(ctx)
		for range 1000 {
			out <- []byte("0123456789")
		}
		return nil
	})
	got, err := io.ReadAll(dial(t, ln))
	require.NoError(t, err)
	require.Len(t, got, 10_000)
}

func TestG7FramesInTheChannelAreDrainedWhenTheHandlerReturns(t *testing.T) {
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		lines := codec.Frame(c, codec.Lines)
		for line := range lines.In.C(ctx) {
			lines.Out.C(ctx) <- line
		}
		return lines.In.Err()
	})
	for range 50 {
		nc := dial(t, ln)
		_, err := io.WriteString(nc, "one\ntwo\nthree\n")
		require.NoError(t, err)
		require.NoError(t, nc.CloseWrite())
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Equal(t, "one\ntwo\nthree\n", string(got))
	}
}

func TestHandlersContextEndsAfterTheDrain(t *testing.T) {
	over := make(chan error, 1)
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error {
		context.AfterFunc(ctx, func() { over <- c.Out.Send(context.Background(), nil) })
		return nil
	})
	nc := dial(t, ln)
	require.ErrorIs(t, <-over, net.ErrClosed, "Out was closed first")
	require.NoError(t, nc.Close())
}

func TestHandlersErrorIsOneLogLine(t *testing.T) {
	var log logbook
	ln, result := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err // io.EOF: the conversation is over
		}
		return errors.New("no such order")
	})
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "x")
	require.NoError(t, err)
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, dial(t, ln).CloseWrite())
	require.NoError(t, nc.Close())
	require.NoError(t, ln.Close())
	require.NoError(t, <-result)
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], `level=WARN msg="servers: handler failed"`)
	require.Contains(t, log.lines()[0], `err="no such order"`)
	require.Contains(t, log.lines()[0], "peer="+nc.LocalAddr().String())
}

// A handler may add to the error of its ctx, and return that of either kind.
func TestHandlersThatReturnTheirCtxsErrorAreNotLogged(t *testing.T) {
	errStopped := errors.New("stopped by the operator")
	for what, of := range map[string]func(context.Context) error{"Err": context.Context.Err, "Cause": context.Cause} {
		synctest.Test(t, func(t *testing.T) {
			var log logbook
			ln, connect := listenInMemory(t, &servers.Config{Logger: log.logger()})
			ctx, cancel := context.WithCancelCause(t.Context())
			result := serveOn(t, ctx, ln, func(ctx context.Context, _ *chanio.Conn) error {
				<-ctx.Done()
				return fmt.Errorf("lookup: %w", of(ctx))
			})
			nc := connect()
			synctest.Wait()
			cancel(errStopped)
			require.NoError(t, <-result)
			require.Empty(t, log.lines(), what)
			require.NoError(t, nc.Close())
		})
	}
}

func TestG16PanicInAHandlerEndsItsOwnConnection(t *testing.T) {
	for name, fall := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			var log logbook
			inErr := make(chan error, 1)
			ln, result := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
				for chunk := range c.In.All(ctx) {
					if string(chunk) == "fall" {
						context.AfterFunc(ctx, func() { inErr <- c.Out.Err() })
						fall()
					}
					if err := c.Out.Send(ctx, chunk); err != nil {
						return err
					}
				}
				return nil
			})
			bystander, nc := dial(t, ln), dial(t, ln)
			require.Equal(t, "hello", say(t, bystander, "hello"))
			_, err := io.WriteString(nc, "fall")
			require.NoError(t, err)
			_, err = io.ReadAll(nc)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			var panicked *chanio.PanicError
			require.ErrorAs(t, <-inErr, &panicked)
			require.Contains(t, string(panicked.Stack), "serve_test.go")
			require.Equal(t, "still", say(t, bystander, "still"))
			require.NoError(t, bystander.Close())
			require.NoError(t, ln.Close())
			require.NoError(t, <-result)
			require.Len(t, log.lines(), 1)
			require.Contains(t, log.lines()[0], "level=ERROR")
			require.Contains(t, log.lines()[0], "serve_test.go", "the stack")
		})
	}
}

func TestEndOfServesContextEndsHandlersAndDrains(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the operator said so")
	ln := listen(t, nil)
	started, causes := make(chan struct{}), make(chan error, 1)
	result := serveOn(t, ctx, ln, func(ctx context.Context, c *chanio.Conn) error {
		close(started)
		_, err := c.In.Recv(ctx)
		causes <- context.Cause(ctx)
		return errors.Join(err, c.Out.Send(context.Background(), []byte("goodbye")))
	})
	nc := dial(t, ln)
	<-started
	cancel(reason)
	require.Equal(t, reason, <-causes)
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "goodbye", string(got))
	require.NoError(t, nc.Close())
	require.NoError(t, <-result)
	_, err = net.Dial("tcp", ln.Addr().String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestServeUnderAnEndedContextReturns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, <-serveOn(t, ctx, listen(t, nil), echo))
}

func TestG11NoGoroutineOutlivesServe(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	ln := listen(t, nil)
	result := serveOn(t, ctx, ln, func(ctx context.Context, c *chanio.Conn) error {
		out := c.Out.C(ctx)
		for chunk := range c.In.C(ctx) {
			out <- chunk
		}
		return nil
	})
	conns := make([]*net.TCPConn, 20)
	for i := range conns {
		conns[i] = dial(t, ln)
		say(t, conns[i], "hello")
	}
	cancel()
	for _, nc := range conns {
		_, _ = io.ReadAll(nc)
		_ = nc.Close()
	}
	require.NoError(t, <-result)
	settle(t, before)
}

// settle waits until there are no more goroutines than before. One that is ending may take a moment.
func settle(t testing.TB, before int) {
	for giveUp := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(giveUp); {
		time.Sleep(time.Millisecond)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestG19IdleTimeoutIsPassedOn(t *testing.T) {
	got := make(chan error, 1)
	cfg := &servers.Config{Conn: chanio.ConnConfig{IdleTimeout: time.Millisecond}}
	ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
		_, err := c.In.Recv(ctx)
		got <- err
		return nil
	})
	nc := dial(t, ln)
	var timeout net.Error
	require.ErrorAs(t, <-got, &timeout)
	require.True(t, timeout.Timeout())
	require.NoError(t, nc.Close())
}

// Both sides send until both block, and only then read.
func TestTwoPeersThatOnlySendAreNotStuckForEver(t *testing.T) {
	ln, _ := serve(t, nil, func(ctx context.Context, c *chanio.Conn) error { return sendThenReceive(ctx, c) })
	c, err := clients.DialTCP(t.Context(), ln.Addr().String(), nil)
	require.NoError(t, err)
	require.NoError(t, sendThenReceive(t.Context(), c))
	require.NoError(t, c.Close())
}

func sendThenReceive(ctx context.Context, c *chanio.Conn) error {
	chunk := make([]byte, 32<<10)
	for full := 0; full < 1000; full++ {
		if ok, err := c.Out.TrySend(chunk); err != nil {
			return err
		} else if ok {
			full = 0
		}
		runtime.Gosched()
	}
	closed := make(chan error, 1)
	go func() { closed <- c.Out.Close() }()
	for range c.In.All(ctx) {
	}
	return errors.Join(<-closed, c.In.Err())
}

func TestAHandlerMayGoOnInAnotherGoroutine(t *testing.T) {
	ln, _ := serve(t, nil, func(context.Context, *chanio.Conn) error { return &afresh.Handler{Handle: echo} })
	nc := dial(t, ln)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	await(t, ln, 0)
}
