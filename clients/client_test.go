package clients_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// lineServer is the server of a Client of lines. The n-th function serves the n-th connection, and the last one all
// further ones.
type lineServer struct {
	plays []func(far *chanio.Duplex[string, string])

	mu      sync.Mutex
	dialled int
	playing sync.WaitGroup
}

func (s *lineServer) dial(context.Context) (*chanio.Conn, error) {
	s.mu.Lock()
	play := s.plays[min(s.dialled, len(s.plays)-1)]
	s.dialled++
	s.mu.Unlock()
	if play == nil {
		return nil, errDown
	}
	near, far := chanio.Pipe()
	s.playing.Go(func() {
		defer far.Close()
		play(codec.Frame(far, codec.Lines))
	})
	return near, nil
}

// answerAll answers until the client ends.
func answerAll(far *chanio.Duplex[string, string]) { answerSome(far, -1) }

func answerSome(far *chanio.Duplex[string, string], n int) {
	for ; n != 0; n-- {
		line, err := far.In.Recv(context.Background())
		if err != nil {
			return
		}
		_ = far.Out.Send(context.Background(), "re: "+line)
	}
}

type lineClient = clients.Client[string, string]

// asking runs test in a bubble with a Client of a lineServer.
func asking(
	t *testing.T, cfg clients.ClientConfig[string, string], test func(*testing.T, *lineClient, *lineServer),
	plays ...func(far *chanio.Duplex[string, string]),
) {
	synctest.Test(t, func(t *testing.T) {
		s := &lineServer{plays: plays}
		cfg.Reconnect.Backoff = func(n int) time.Duration { return time.Duration(n) * time.Second }
		cl := clients.NewClient(s.dial, codec.Lines, codec.Lines, &cfg)
		test(t, cl, s)
		require.NoError(t, cl.Close())
		require.NoError(t, cl.Close())
		s.playing.Wait()
		_, err := cl.Call(t.Context(), "late")
		require.ErrorIs(t, err, clients.ErrNotSent)
	})
}

func requireReply(t *testing.T, cl *lineClient, request string) {
	t.Helper()
	reply, err := cl.Call(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "re: "+request, reply)
}

func TestClientDialsWithTheFirstCallAndSharesTheConnection(t *testing.T) {
	asking(t, clients.ClientConfig[string, string]{}, func(t *testing.T, cl *lineClient, s *lineServer) {
		synctest.Wait()
		require.Zero(t, s.dialled)
		require.Equal(t, clients.Idle, cl.State().Phase)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { requireReply(t, cl, fmt.Sprint(i)) })
		}
		all.Wait()
		require.Equal(t, 1, s.dialled)
	}, answerAll)
}

func TestClientCallsEndWithClose(t *testing.T) {
	silent := func(far *chanio.Duplex[string, string]) {
		for range far.In.All(context.Background()) {
		}
	}
	for what, play := range map[string]func(*chanio.Duplex[string, string]){"silent": silent, "down": nil} {
		asking(t, clients.ClientConfig[string, string]{Timeout: -1}, func(t *testing.T, cl *lineClient, _ *lineServer) {
			failed := make(chan error, 1)
			go func() {
				_, err := cl.Call(t.Context(), "a")
				failed <- err
			}()
			synctest.Wait()
			require.NoError(t, cl.Close())
			err := <-failed
			require.ErrorIs(t, err, net.ErrClosed, what)
			require.Equal(t, play == nil, errors.Is(err, clients.ErrNotSent))
		}, play)
	}
}

func TestClientConnectsAgainWhenThereIsACall(t *testing.T) {
	one := func(far *chanio.Duplex[string, string]) { answerSome(far, 1) }
	asking(t, clients.ClientConfig[string, string]{}, func(t *testing.T, cl *lineClient, s *lineServer) {
		requireReply(t, cl, "a")
		time.Sleep(time.Minute)
		require.Equal(t, 1, s.dialled, "nobody wants another one")
		for range 5 { // each one was useful, so the pause does not grow
			start := time.Now()
			requireReply(t, cl, "b")
			require.LessOrEqual(t, time.Since(start), time.Second)
			synctest.Wait()
		}
		require.Equal(t, 6, s.dialled)
	}, one)
}

// When the first connection ends, one request has been sent and is lost. The other has not, and is sent over the next
// one.
func TestClientSendsAgainWhatWasNotSentOnly(t *testing.T) {
	hangUp := func(far *chanio.Duplex[string, string]) {
		_, _ = far.In.Recv(context.Background())
		time.Sleep(time.Second)
	}
	cfg := clients.ClientConfig[string, string]{Caller: clients.CallerConfig[string]{MaxOutstanding: 1}}
	asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
		sent := make(chan error, 1)
		go func() {
			_, err := cl.Call(t.Context(), "sent")
			sent <- err
		}()
		synctest.Wait()
		requireReply(t, cl, "not sent")
		err := <-sent
		require.Error(t, err)
		require.NotErrorIs(t, err, clients.ErrNotSent)
		require.Equal(t, 2, s.dialled)
	}, hangUp, answerAll)
}

func TestClientCallsWaitWhileConnectingFails(t *testing.T) {
	asking(t, clients.ClientConfig[string, string]{Timeout: time.Minute}, func(t *testing.T, cl *lineClient, s *lineServer) {
		start := time.Now()
		requireReply(t, cl, "a")
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, 3, s.dialled)
	}, nil, nil, answerAll)
	asking(t, clients.ClientConfig[string, string]{Timeout: 2 * time.Second}, func(t *testing.T, cl *lineClient, _ *lineServer) {
		_, err := cl.Call(t.Context(), "a")
		require.ErrorIs(t, err, clients.ErrNotSent)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorIs(t, err, errDown, "the error says why there is no connection")
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		cancel(why)
		_, err = cl.Call(ctx, "b")
		require.ErrorIs(t, err, why)
	}, nil)
}

func TestClientGivesUpWhenReconnectDoes(t *testing.T) {
	cfg := clients.ClientConfig[string, string]{Reconnect: clients.ReconnectConfig{MaxAttempts: 3}}
	asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
		_, err := cl.Call(t.Context(), "a")
		require.ErrorIs(t, err, errDown)
		require.ErrorContains(t, err, "gave up after 3 failures")
		require.NoError(t, cl.Close())
		s.playing.Wait()
	}, nil)
}

func TestClientCallHasATimeoutAndTheNextOneAReply(t *testing.T) {
	slow := func(far *chanio.Duplex[string, string]) {
		line, _ := far.In.Recv(context.Background())
		time.Sleep(3 * time.Second)
		_ = far.Out.Send(context.Background(), "re: "+line)
		answerAll(far)
	}
	asking(t, clients.ClientConfig[string, string]{Timeout: 2 * time.Second}, func(t *testing.T, cl *lineClient, s *lineServer) {
		_, err := cl.Call(t.Context(), "slow")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "no reply within 2s")
		require.NotErrorIs(t, err, clients.ErrNotSent)
		requireReply(t, cl, "next")
		require.Equal(t, 1, s.dialled)
	}, slow)
}

// If replies come in order, a lost reply ends the connection, not the Client.
func TestClientLeavesAConnectionThatHasLostAReply(t *testing.T) {
	deaf := func(far *chanio.Duplex[string, string]) {
		for range far.In.All(context.Background()) {
		}
	}
	asking(t, clients.ClientConfig[string, string]{Timeout: 2 * time.Second}, func(t *testing.T, cl *lineClient, s *lineServer) {
		_, err := cl.Call(t.Context(), "lost")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		requireReply(t, cl, "next")
		require.Equal(t, 2, s.dialled)
	}, deaf, answerAll)
}

func TestClientSaysHelloFirst(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	play := func(far *chanio.Duplex[string, string]) {
		for line := range far.In.All(context.Background()) {
			mu.Lock()
			seen = append(seen, line)
			mu.Unlock()
			_ = far.Out.Send(context.Background(), "re: "+line)
		}
	}
	hellos := 0
	cfg := clients.ClientConfig[string, string]{
		Hello: func(ctx context.Context, d *chanio.Duplex[string, string]) error {
			if hellos++; hellos == 1 {
				return errors.New("wrong password")
			}
			if err := d.Out.Send(ctx, "hello"); err != nil {
				return err
			}
			_, err := d.In.Recv(ctx)
			return err
		},
	}
	asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
		requireReply(t, cl, "a")
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []string{"hello", "a"}, seen)
		require.Equal(t, 2, s.dialled)
	}, play)
}

func TestG16ClientSurvivesPanicsOfUserCode(t *testing.T) {
	for what, fall := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		falls := true
		cfg := clients.ClientConfig[string, string]{
			Hello: func(context.Context, *chanio.Duplex[string, string]) error {
				if falls {
					falls = false
					fall()
				}
				return nil
			},
		}
		asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
			requireReply(t, cl, "a")
			require.Equal(t, 2, s.dialled, what)
		}, answerAll)
		cfg = clients.ClientConfig[string, string]{Reconnect: clients.ReconnectConfig{Permanent: func(error) bool { fall(); return false }}}
		asking(t, cfg, func(t *testing.T, cl *lineClient, _ *lineServer) {
			_, err := cl.Call(t.Context(), "a")
			require.ErrorAs(t, err, new(*chanio.PanicError), what)
		}, nil)
	}
	synctest.Test(t, func(t *testing.T) {
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) { panic("dial") }, codec.Lines, codec.Lines,
			&clients.ClientConfig[string, string]{Timeout: time.Second})
		_, err := cl.Call(t.Context(), "a")
		require.ErrorAs(t, err, new(*chanio.PanicError))
		require.NoError(t, cl.Close())
	})
}

// A nil *net.OpError panics when errors.Is or errors.As examines it.
func TestG16ClientSurvivesAnErrorThatPanics(t *testing.T) {
	var unsound error = (*net.OpError)(nil)
	synctest.Test(t, func(t *testing.T) {
		cl := clients.NewClient(func(context.Context) (*chanio.Conn, error) { return nil, unsound }, codec.Lines, codec.Lines,
			&clients.ClientConfig[string, string]{Timeout: time.Minute})
		_, err := cl.Call(t.Context(), "a")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorIs(t, err, clients.ErrNotSent)
		require.ErrorContains(t, err, "*net.OpError with a method that panics")
		require.Equal(t, clients.Waiting, cl.State().Phase)
		require.NoError(t, cl.Close())
	})
	for _, fail := range []func(d *chanio.Duplex[string, string]) error{
		func(*chanio.Duplex[string, string]) error { return unsound },
		func(d *chanio.Duplex[string, string]) error { d.Out.Abort(unsound); return nil },
	} {
		failed := false
		cfg := clients.ClientConfig[string, string]{Hello: func(_ context.Context, d *chanio.Duplex[string, string]) error {
			if failed {
				return nil
			}
			failed = true
			return fail(d)
		}}
		asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
			requireReply(t, cl, "a")
			require.Equal(t, 2, s.dialled)
		}, answerAll)
	}
}

// lineTags put the number in front of a line. The servers here answer with "re: " in front of that.
var lineTags = &clients.CallerTags[string, string]{
	Tag: func(w string, id uint64) string { return fmt.Sprint(id, " ", w) },
	ID: func(r string) uint64 {
		var id uint64
		_, _ = fmt.Sscan(strings.TrimPrefix(r, "re: "), &id)
		return id
	},
}

func TestClientMatchesRepliesByTag(t *testing.T) {
	backwards := func(far *chanio.Duplex[string, string]) {
		one, _ := far.In.Recv(context.Background())
		two, _ := far.In.Recv(context.Background())
		_, _ = far.Out.SendAll(context.Background(), "re: "+two, "re: "+one)
	}
	asking(t, clients.ClientConfig[string, string]{Tags: lineTags}, func(t *testing.T, cl *lineClient, _ *lineServer) {
		var all sync.WaitGroup
		for _, w := range []string{"a", "b"} {
			all.Go(func() {
				reply, err := cl.Call(t.Context(), w)
				require.NoError(t, err)
				require.True(t, strings.HasSuffix(reply, w), "%q", reply)
			})
		}
		all.Wait()
	}, backwards)
}

// A peer that has vanished does not reset the connection. It is given up once a reply is lost and nothing has arrived
// since that request. A peer that answers other requests keeps its connection.
func TestClientLeavesAPeerThatHasVanished(t *testing.T) {
	vanishing := func(far *chanio.Duplex[string, string]) { // drops one request, answers the next, then drops all
		_, _ = far.In.Recv(context.Background())
		line, _ := far.In.Recv(context.Background())
		_ = far.Out.Send(context.Background(), "re: "+line)
		for range far.In.All(context.Background()) {
		}
	}
	cfg := clients.ClientConfig[string, string]{Tags: lineTags, Timeout: 2 * time.Second}
	asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
		_, err := cl.Call(t.Context(), "dropped")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = cl.Call(t.Context(), "answered")
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		require.Equal(t, clients.Connected, cl.State().Phase, "it has answered since")
		_, err = cl.Call(t.Context(), "lost")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, err = cl.Call(t.Context(), "over the next one")
		require.NoError(t, err)
		require.Equal(t, 2, s.dialled)
	}, vanishing, answerAll)
}

func TestClientShutdownWaitsForReplies(t *testing.T) {
	slow := func(far *chanio.Duplex[string, string]) {
		line, _ := far.In.Recv(context.Background())
		time.Sleep(time.Second)
		_ = far.Out.Send(context.Background(), "re: "+line)
	}
	asking(t, clients.ClientConfig[string, string]{}, func(t *testing.T, cl *lineClient, _ *lineServer) {
		var all sync.WaitGroup
		all.Go(func() { requireReply(t, cl, "a") })
		synctest.Wait()
		require.NoError(t, cl.Shutdown(t.Context()))
		all.Wait()
	}, slow)
}

// A server that accepts and sends nothing is abandoned after HelloTimeout.
func TestClientDoesNotWaitForHelloForEver(t *testing.T) {
	cfg := clients.ClientConfig[string, string]{
		Timeout: time.Hour, HelloTimeout: time.Minute,
		Hello: func(ctx context.Context, d *chanio.Duplex[string, string]) error {
			_, err := d.In.Recv(ctx)
			return err
		},
	}
	silent := func(far *chanio.Duplex[string, string]) { _, _ = far.In.Recv(context.Background()) }
	welcoming := func(far *chanio.Duplex[string, string]) {
		_ = far.Out.Send(context.Background(), "welcome")
		answerAll(far)
	}
	asking(t, cfg, func(t *testing.T, cl *lineClient, _ *lineServer) {
		start := time.Now()
		requireReply(t, cl, "a")
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	}, silent, welcoming)
}

// A failed Hello counts as a failure to connect, however long it took.
func TestClientCountsAHelloThatFails(t *testing.T) {
	for takes, stable := range map[time.Duration]time.Duration{0: -1, 15 * time.Second: 0} {
		failing := func(ctx context.Context, _ *chanio.Duplex[string, string]) error {
			select {
			case <-time.After(takes):
			case <-ctx.Done():
			}
			return errDown
		}
		cfg := clients.ClientConfig[string, string]{Timeout: time.Hour, Hello: failing}
		cfg.Reconnect = clients.ReconnectConfig{MaxAttempts: 3, Stable: stable}
		asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
			_, err := cl.Call(t.Context(), "a")
			require.ErrorIs(t, err, errDown)
			require.ErrorContains(t, err, "gave up after 3 failures")
			require.Equal(t, 3, s.dialled)
		}, answerAll)
		cfg.Reconnect.Permanent = func(err error) bool { return errors.Is(err, errDown) }
		asking(t, cfg, func(t *testing.T, cl *lineClient, s *lineServer) {
			_, err := cl.Call(t.Context(), "a")
			require.ErrorIs(t, err, errDown)
			require.Equal(t, 1, s.dialled)
		}, answerAll)
	}
}

// If the peer reads nothing and sends nothing, WriteTimeout ends the connection. The next call uses another one.
func TestClientLeavesAConnectionThatTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fars []net.Conn
		dial := func(context.Context) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(1)
			fars = append(fars, far)
			return chanio.NewConn(near, &chanio.ConnConfig{WriteTimeout: time.Second}), nil
		}
		cfg := &clients.ClientConfig[string, string]{Timeout: 5 * time.Second, Caller: clients.CallerConfig[string]{Lost: -1}}
		cl := clients.NewClient(dial, codec.Lines, codec.Lines, cfg)
		_, err := cl.Call(t.Context(), "stuck")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = cl.Call(t.Context(), "sent over the second")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NotErrorIs(t, err, clients.ErrNotSent)
		require.Len(t, fars, 2)
		for _, far := range fars {
			_ = far.Close()
		}
		require.NoError(t, cl.Close())
	})
}

// Once Shutdown has started, no call waits for another connection.
func TestClientShutdownRefusesCallsWhateverItWaitsFor(t *testing.T) {
	held := make(chan struct{})
	cfg := clients.ClientConfig[string, string]{Timeout: time.Hour}
	cfg.Caller = clients.CallerConfig[string]{Lost: time.Second, Push: func(string) bool { <-held; return true }}
	asking(t, cfg, func(t *testing.T, cl *lineClient, _ *lineServer) {
		held = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cl.Call(ctx, "a") // Push holds the reply, which counts as lost a second later
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Second)
		late := make(chan error, 2)
		call := func() {
			_, err := cl.Call(t.Context(), "late")
			late <- err
		}
		go call()
		synctest.Wait()
		require.Empty(t, late, "it waits for the next connection")
		down := make(chan error, 1)
		go func() { down <- cl.Shutdown(t.Context()) }()
		go call()
		synctest.Wait()
		require.Len(t, late, 2)
		require.Empty(t, down)
		for range 2 {
			err := <-late
			require.ErrorIs(t, err, clients.ErrNotSent)
			require.ErrorIs(t, err, net.ErrClosed)
		}
		close(held)
		require.NoError(t, <-down)
	}, answerAll)
}

// After a long outage, the first call after the server is back succeeds, however many failed before.
func TestClientSurvivesALongOutage(t *testing.T) {
	plays := make([]func(*chanio.Duplex[string, string]), 20)
	plays[0] = func(far *chanio.Duplex[string, string]) { answerSome(far, 1) }
	plays = append(plays, answerAll)
	asking(t, clients.ClientConfig[string, string]{Timeout: 10 * time.Second}, func(t *testing.T, cl *lineClient, s *lineServer) {
		requireReply(t, cl, "before")
		synctest.Wait() // until the end of the connection is noticed
		failed := 0
		for {
			_, err := cl.Call(t.Context(), "meanwhile")
			if err == nil {
				break
			}
			require.ErrorIs(t, err, clients.ErrNotSent)
			require.ErrorIs(t, err, errDown)
			failed++
		}
		require.Greater(t, failed, 5)
		requireReply(t, cl, "after")
		require.Equal(t, 21, s.dialled)
	}, plays...)
}
