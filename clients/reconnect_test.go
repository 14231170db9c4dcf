package clients_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/deadline"
)

// flaky is a server that can be down.
type flaky struct {
	down    []error // results of the next attempts; nil: it is up
	takes   time.Duration
	proxied func(ctx context.Context) (*chanio.Conn, error) // dials in place of it, or nil

	start time.Time
	dials []time.Duration // since start
	fars  []net.Conn
}

func (f *flaky) dial(ctx context.Context) (*chanio.Conn, error) {
	f.dials = append(f.dials, time.Since(f.start))
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if len(f.down) > 0 {
		err := f.down[0]
		f.down = f.down[1:]
		if err != nil {
			return nil, err
		}
	}
	near, far := chaniotest.Pipe(0)
	f.fars = append(f.fars, far)
	return chanio.NewConn(near, nil), nil
}

// hangUp ends the latest connection from the far side, then from the near side.
func (f *flaky) hangUp(t *testing.T, c *chanio.Conn) {
	t.Helper()
	require.NoError(t, f.fars[len(f.fars)-1].Close())
	_, err := c.In.Recv(t.Context())
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.Close())
}

func reconnecting(t *testing.T, f *flaky, cfg clients.ReconnectConfig, test func(t *testing.T, r *clients.Reconnector)) {
	synctest.Test(t, func(t *testing.T) {
		f.start = time.Now()
		if cfg.Backoff == nil {
			cfg.Backoff = clients.ExponentialBackoff(time.Second, 10*time.Second, 0)
		}
		dial := f.dial
		if f.proxied != nil {
			dial = f.proxied
		}
		r := clients.Reconnect(dial, &cfg)
		defer func() {
			require.NoError(t, r.Close())
			require.Equal(t, clients.Ended, r.State().Phase)
		}()
		test(t, r)
	})
}

// seconds returns durations in seconds.
func seconds(n ...float64) []time.Duration {
	out := make([]time.Duration, len(n))
	for i, s := range n {
		out[i] = time.Duration(s * float64(time.Second))
	}
	return out
}

var errDown = errors.New("down")

func TestReconnectPausesDoubleUpToTheMost(t *testing.T) {
	f := &flaky{down: []error{errDown, errDown, errDown, errDown, errDown, errDown}}
	reconnecting(t, f, clients.ReconnectConfig{}, func(t *testing.T, r *clients.Reconnector) {
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, seconds(0, 1, 3, 7, 15, 25, 35), f.dials)
		require.NoError(t, c.Close())
	})
}

func TestReconnectBeginsAnewAfterAConnectionThatWasStable(t *testing.T) {
	f := &flaky{down: []error{errDown, errDown, nil, errDown, nil}}
	reconnecting(t, f, clients.ReconnectConfig{Stable: time.Minute}, func(t *testing.T, r *clients.Reconnector) {
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, seconds(0, 1, 3), f.dials)
		time.Sleep(time.Minute)
		f.hangUp(t, c)
		c, err = r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, seconds(64, 65), f.dials[3:])
		require.NoError(t, c.Close())
	})
}

func TestReconnectAsksUsefulAboutAShortLife(t *testing.T) {
	f := &flaky{}
	asked := 0
	cfg := clients.ReconnectConfig{Stable: time.Minute, MaxAttempts: 2, Useful: func(*chanio.Conn) bool {
		asked++
		return true
	}}
	reconnecting(t, f, cfg, func(t *testing.T, r *clients.Reconnector) {
		for range 4 {
			c, err := r.Conns.Recv(t.Context())
			require.NoError(t, err)
			f.hangUp(t, c)
		}
		require.Equal(t, seconds(0, 1, 2, 3), f.dials, "none of them counts as a failure")
		require.Equal(t, 3, asked)
	})
}

func TestReconnectTakesAShortLifeForAFailure(t *testing.T) {
	f := &flaky{}
	cfg := clients.ReconnectConfig{Stable: time.Minute, MaxAttempts: 4}
	reconnecting(t, f, cfg, func(t *testing.T, r *clients.Reconnector) {
		for range 4 {
			c, err := r.Conns.Recv(t.Context())
			require.NoError(t, err)
			f.hangUp(t, c)
		}
		require.Equal(t, seconds(0, 1, 3, 7), f.dials)
		_, err := r.Conns.Recv(t.Context())
		require.ErrorContains(t, err, "gave up after 4 failures in a row")
		require.ErrorContains(t, err, "too soon to count as stable")
	})
	f = &flaky{}
	reconnecting(t, f, clients.ReconnectConfig{Stable: -1, MaxAttempts: 1}, func(t *testing.T, r *clients.Reconnector) {
		for range 4 {
			c, err := r.Conns.Recv(t.Context())
			require.NoError(t, err)
			f.hangUp(t, c)
		}
		require.Equal(t, seconds(0, 1, 2, 3), f.dials)
	})
}

// The dialogue with a proxy says nothing about the server behind it.
func TestReconnectTakesAShortLifeBehindAProxyForAFailure(t *testing.T) {
	for greeting, failures := range map[string]int{"": 3, "220 hello": 0} {
		f := &flaky{}
		proxy := &peers{play: func(_ string, nc net.Conn) {
			f.dials = append(f.dials, time.Since(f.start))
			_ = perform(nc, [][2]string{
				{"\x05\x01\x00", "\x05\x00"},
				{"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x07", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00" + greeting}, {"hi", ""},
			})
		}}
		f.proxied = func(ctx context.Context) (*chanio.Conn, error) {
			return (&clients.SOCKS5{Addr: "proxy:1"}).DialThrough(ctx, "192.0.2.1:7", nil, proxy.dial)
		}
		reconnecting(t, f, clients.ReconnectConfig{Stable: time.Minute}, func(t *testing.T, r *clients.Reconnector) {
			for range 4 {
				c, err := r.Conns.Recv(t.Context())
				require.NoError(t, err)
				require.NoError(t, c.Out.Send(t.Context(), []byte("hi")))
				for err == nil {
					_, err = c.In.Recv(t.Context())
				}
				require.ErrorIs(t, err, io.EOF)
				require.NoError(t, c.Close())
			}
			proxy.playing.Wait()
			want := seconds(0, 1, 3, 7)
			if failures == 0 {
				want = seconds(0, 1, 2, 3)
			}
			require.Equal(t, want, f.dials, "%q", greeting)
			require.Equal(t, failures, r.State().Failures)
		})
	}
}

func TestReconnectYieldsTheNextConnectionWhenTheLastIsReleased(t *testing.T) {
	f := &flaky{}
	reconnecting(t, f, clients.ReconnectConfig{Stable: time.Second}, func(t *testing.T, r *clients.Reconnector) {
		first, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		got := make(chan *chanio.Conn)
		go func() {
			c, _ := r.Conns.Recv(t.Context())
			got <- c
		}()
		time.Sleep(time.Hour)
		require.Len(t, f.dials, 1)
		f.hangUp(t, first)
		second := <-got
		require.Equal(t, seconds(0, 3601), f.dials)
		require.NoError(t, second.Close())
	})
}

func TestReconnectGivesUp(t *testing.T) {
	f := &flaky{down: []error{errDown, errDown, errDown, nil}}
	reconnecting(t, f, clients.ReconnectConfig{MaxAttempts: 3}, func(t *testing.T, r *clients.Reconnector) {
		for range 2 { // sticky
			_, err := r.Conns.Recv(t.Context())
			require.ErrorIs(t, err, errDown)
			require.ErrorContains(t, err, "gave up after 3 failures in a row")
		}
		require.Len(t, f.dials, 3)
		require.ErrorIs(t, r.State().Err, errDown)
	})
	f = &flaky{down: []error{deadline.Exceeded, nil}} // of a call on a connection of dial
	reconnecting(t, f, clients.ReconnectConfig{MaxAttempts: 1}, func(t *testing.T, r *clients.Reconnector) {
		for range 2 {
			_, err := r.Conns.Recv(t.Context())
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.False(t, chanio.Resumable(t.Context(), err))
		}
		require.Equal(t, r.State().Err, r.Conns.Err())
	})
	f = &flaky{down: []error{errDown, io.ErrNoProgress, nil}}
	permanent := func(err error) bool { return errors.Is(err, io.ErrNoProgress) }
	reconnecting(t, f, clients.ReconnectConfig{Permanent: permanent}, func(t *testing.T, r *clients.Reconnector) {
		_, err := r.Conns.Recv(t.Context())
		require.Equal(t, io.ErrNoProgress, err)
		require.Len(t, f.dials, 2)
	})
}

func TestG1ReconnectADialThatFailsWithEOFIsNoCleanEnd(t *testing.T) {
	for name, cfg := range map[string]clients.ReconnectConfig{
		"permanent": {Permanent: func(error) bool { return true }},
		"last":      {MaxAttempts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &flaky{down: []error{io.EOF}} // as from a Recv of a dialogue in dial
			reconnecting(t, f, cfg, func(t *testing.T, r *clients.Reconnector) {
				_, err := r.Conns.Recv(t.Context())
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NotErrorIs(t, err, io.EOF)
				require.Equal(t, err, r.Conns.Err())
			})
		})
	}
}

func TestG2ReconnectCancelledReceiverLosesNothing(t *testing.T) {
	why := errors.New("why")
	f := &flaky{down: []error{errDown, errDown}, takes: 2 * time.Second}
	reconnecting(t, f, clients.ReconnectConfig{MaxAttempts: 3}, func(t *testing.T, r *clients.Reconnector) {
		until := func(d time.Duration) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(d, func() { cancel(why) })
			_, err := r.Conns.Recv(ctx)
			require.ErrorIs(t, err, why)
		}
		until(time.Second) // during the dial: no failure, and no pause
		require.Equal(t, clients.Idle, r.State().Phase)
		until(2500 * time.Millisecond) // during the pause, which continues
		require.Equal(t, clients.Waiting, r.State().Phase)
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, seconds(0, 1, 4, 8), f.dials)
		until(time.Second) // while the connection is open
		require.NoError(t, c.Out.Send(t.Context(), []byte("alive")))
		require.NoError(t, c.Close())
	})
}

func TestG3ReconnectCloseEndsPauseDiallingAndWaiting(t *testing.T) {
	for name, f := range map[string]*flaky{
		"pause": {down: []error{errDown}}, "dialling": {takes: time.Hour}, "connected": {},
	} {
		reconnecting(t, f, clients.ReconnectConfig{}, func(t *testing.T, r *clients.Reconnector) {
			ended := make(chan error)
			go func() {
				c, err := r.Conns.Recv(t.Context())
				if err == nil {
					defer c.Out.Abort(nil)
					_, err = r.Conns.Recv(t.Context())
				}
				ended <- err
			}()
			synctest.Wait()
			start := time.Now()
			require.NoError(t, r.Close())
			require.ErrorIs(t, <-ended, net.ErrClosed, name)
			require.Equal(t, start, time.Now(), name)
			require.Equal(t, net.ErrClosed, r.State().Err, name)
		})
	}
}

func TestReconnectClosesWhatWasDialledTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chaniotest.Pipe(0)
		r := clients.Reconnect(func(context.Context) (*chanio.Conn, error) {
			time.Sleep(time.Second) // ignores its ctx
			return chanio.NewConn(near, nil), nil
		}, nil)
		time.AfterFunc(time.Millisecond, func() { _ = r.Close() })
		_, err := r.Conns.Recv(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = far.Read(make([]byte, 1))
		require.Error(t, err)
	})
}

func TestReconnectEndsAConnectionThatNobodyTook(t *testing.T) {
	f := &flaky{}
	reconnecting(t, f, clients.ReconnectConfig{MaxAttempts: 1}, func(t *testing.T, r *clients.Reconnector) {
		ctx, cancel := context.WithCancel(t.Context())
		ch := r.Conns.C(ctx)
		synctest.Wait()
		require.Equal(t, clients.Connected, r.State().Phase)
		cancel()
		synctest.Wait()
		_, open := <-ch
		require.False(t, open)
		_, err := f.fars[0].Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, clients.Idle, r.State().Phase)

		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err, "that was no failure")
		require.Equal(t, seconds(0, 0), f.dials)
		require.NoError(t, c.Close())
	})
}

func TestReconnectStatesAreAStream(t *testing.T) {
	f := &flaky{down: []error{errDown, nil}, takes: time.Second}
	reconnecting(t, f, clients.ReconnectConfig{MaxAttempts: 2}, func(t *testing.T, r *clients.Reconnector) {
		var got []clients.ReconnectState
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for s := range r.States.All(t.Context()) {
				got = append(got, s)
			}
		}()
		synctest.Wait()
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		f.hangUp(t, c)
		_, err = r.Conns.Recv(t.Context())
		require.Error(t, err)
		<-watched
		require.NoError(t, r.States.Err())
		require.Equal(t, []clients.ReconnectState{
			{Phase: clients.Idle},
			{Phase: clients.Connecting},
			{Phase: clients.Waiting, Failures: 1, Err: errDown, Due: f.start.Add(2 * time.Second)},
			{Phase: clients.Connecting, Failures: 1},
			{Phase: clients.Connected, Failures: 1},
			{Phase: clients.Ended, Failures: 2, Err: err},
		}, got)
	})
}

func TestG13ReconnectSlowWatcherSeesTheLatestState(t *testing.T) {
	f := &flaky{down: []error{errDown, errDown, errDown}}
	reconnecting(t, f, clients.ReconnectConfig{}, func(t *testing.T, r *clients.Reconnector) {
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		s, err := r.States.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, clients.ReconnectState{Phase: clients.Connected, Failures: 3}, s)
		require.NoError(t, c.Close())

		closed := make(chan error)
		go func() {
			_, err := r.States.Recv(t.Context())
			closed <- err
		}()
		synctest.Wait()
		require.NoError(t, r.States.Close())
		require.ErrorIs(t, <-closed, net.ErrClosed)
	})
}

func TestBackoffFollowsItsFormula(t *testing.T) {
	exact := clients.ExponentialBackoff(100*time.Millisecond, 30*time.Second, 0)
	for n, want := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 9: 25600 * time.Millisecond,
		10: 30 * time.Second, 5000: 30 * time.Second,
	} {
		require.Equal(t, want, exact(n))
	}
	half := clients.ExponentialBackoff(time.Second, time.Minute, 0.5)
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := half(2)
		require.LessOrEqual(t, d, 2*time.Second)
		require.Greater(t, d, time.Second-1)
		seen[d] = true
	}
	require.Greater(t, len(seen), 900)
	for _, jitter := range []float64{0, 0.5, 1} {
		endless := clients.ExponentialBackoff(time.Second, math.MaxInt64, jitter)
		for _, n := range []int{35, 63, 64, 65, 2000, math.MaxInt} {
			require.Positive(t, endless(n), "a pause never wraps around")
		}
	}
	require.Panics(t, func() { clients.ExponentialBackoff(0, time.Second, 0) })
	require.Panics(t, func() { clients.ExponentialBackoff(2, 1, 0) })
	require.Panics(t, func() { clients.ExponentialBackoff(1, 2, 1.5) })
	require.PanicsWithValue(t, "clients: Reconnect: needs a function to dial", func() { clients.Reconnect(nil, nil) })
	require.PanicsWithValue(t, "clients: Reconnect: MaxAttempts must be at least 0, got -1", func() {
		clients.Reconnect((&flaky{}).dial, &clients.ReconnectConfig{MaxAttempts: -1})
	})
}

// A pause starts with the end of a connection, not when the next one is requested.
func TestReconnectCountsFromTheEndOfAConnection(t *testing.T) {
	f := &flaky{}
	reconnecting(t, f, clients.ReconnectConfig{}, func(t *testing.T, r *clients.Reconnector) {
		c, err := r.Conns.Recv(t.Context())
		require.NoError(t, err)
		f.hangUp(t, c)
		time.Sleep(time.Hour)
		c, err = r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, time.Hour}, f.dials)
		require.Equal(t, 1, r.State().Failures, "it lived for a moment only")
		f.hangUp(t, c)
		time.Sleep(500 * time.Millisecond)
		_, err = r.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Hour+2*time.Second, f.dials[2], "what is left of the pause")
	})
}

func TestReconnectTakesNothingForAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := func(context.Context) (*chanio.Conn, error) { return nil, nil }
		r := clients.Reconnect(nothing, &clients.ReconnectConfig{MaxAttempts: 2})
		_, err := r.Conns.Recv(t.Context())
		require.ErrorContains(t, err, "neither a connection nor an error")
	})
}
