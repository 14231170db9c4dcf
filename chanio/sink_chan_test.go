package chanio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// gated is an endpoint that has no room until open is called. It counts the calls of its hooks.
type gated struct {
	mu            sync.Mutex
	got           []int
	room          chan struct{} // closed when there is room
	closes, corks int
	aborted       error
	refuse        func(v int) error
}

func newGated() *gated { return &gated{room: make(chan struct{})} }

func (g *gated) open() { close(g.room) }

func (g *gated) sent() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]int(nil), g.got...)
}

func (g *gated) send(ctx context.Context, v int) error {
	select {
	case <-g.room:
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse != nil {
		if err := g.refuse(v); err != nil {
			return err
		}
	}
	g.got = append(g.got, v)
	return nil
}

func (g *gated) sink() *chanio.Sink[int] {
	return chanio.NewSink(chanio.SinkHooks[int]{
		Send:  g.send,
		Close: func() error { g.closes++; return nil },
		Abort: func(err error) { g.aborted = err },
		Cork: func() func() {
			g.corks++
			return func() { g.corks-- }
		},
	})
}

func TestSendAllAcceptsAPrefix(t *testing.T) {
	g := newGated()
	g.open()
	g.refuse = func(v int) error {
		if v == 2 {
			return errBroken
		}
		return nil
	}
	sink := g.sink()
	n, err := sink.SendAll(t.Context(), 0, 1, 2, 3)
	require.Equal(t, errBroken, err)
	require.Equal(t, 2, n)
	require.Equal(t, []int{0, 1}, g.sent())
	require.NoError(t, sink.Err(), "an error that concerns a value leaves the sink as it was")
	n, err = sink.SendAll(t.Context(), 3, 4)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = sink.SendAll(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Zero(t, g.corks, "every cork was taken back")
	require.NoError(t, sink.Close())
	n, err = sink.SendAll(t.Context(), 5)
	require.Equal(t, net.ErrClosed, err)
	require.Zero(t, n)
}

func TestSendAllWaitsForRoomValueByValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := chanio.PipeOf[int](2)
		ctx, cancel := context.WithCancelCause(t.Context())
		res := make(chan error)
		n := 0
		go func() {
			var err error
			n, err = sink.SendAll(ctx, 0, 1, 2, 3)
			res <- err
		}()
		synctest.Wait()
		require.Equal(t, 0, first(t, src))
		synctest.Wait()
		cancel(errBroken)
		require.Equal(t, errBroken, <-res)
		require.Equal(t, 3, n)
		require.NoError(t, sink.Close())
		require.Equal(t, []int{1, 2}, collect(t, src))
	})
}

func TestSendAllCorksSeveralValuesAndCorksNest(t *testing.T) {
	g := newGated()
	g.open()
	var corked []int
	g.refuse = func(int) error { corked = append(corked, g.corks); return nil }
	sink := g.sink()
	_, err := sink.SendAll(t.Context(), 1)
	require.NoError(t, err)
	_, err = sink.SendAll(t.Context(), 1, 2)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 1}, corked)
	outer, inner := sink.Cork(), sink.Cork()
	require.Equal(t, 2, g.corks)
	inner()
	outer()
	require.Zero(t, g.corks)
	_, plain := chanio.PipeOf[int](1)
	plain.Cork()() // a sink that holds nothing back
}

// TestG7AValueThatIsRefusedUnderAChannelLosesNoneBefore uses a Sink above another, which share their end. Neither waits
// for the other.
func TestG7AValueThatIsRefusedUnderAChannelLosesNoneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		up := upper(near.Out)
		out := up.C(t.Context())
		began := time.Now()
		for _, v := range []string{"good ", "too", "bad", "late"} {
			out <- v
		}
		<-up.Done()
		got, err := readAll(t, far)
		require.NoError(t, err)
		require.Equal(t, "GOOD TOO", string(got))
		require.EqualError(t, up.Close(), "not encodable")
		require.EqualError(t, near.Out.Err(), "not encodable")
		require.EqualError(t, up.Send(t.Context(), "x"), "not encodable")
		for range 100 {
			out <- "discarded, and not waited for"
		}
		require.Zero(t, time.Since(began), "nobody waited for the linger bound")
		require.NoError(t, far.Close())
		near.Out.Abort(nil)
	})
}

// TestG5FlushOfAChannelThatWaitsForRoomEndsNothing checks that only its ctx bounds a Flush while the peer reads
// nothing.
func TestG5FlushOfAChannelThatWaitsForRoomEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		sink := g.sink()
		ctx, cancel := context.WithCancel(t.Context())
		out := sink.C(ctx)
		out <- 0
		out <- 1
		late, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		require.Equal(t, context.DeadlineExceeded, sink.Flush(late))
		require.NoError(t, sink.Err())
		g.open()
		require.NoError(t, sink.Flush(t.Context()))
		require.Equal(t, []int{0, 1}, g.sent())
		cancel()
	})
}

func TestG5CloseOfAChannelThatWaitsForRoomGivesUpAfterTheLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		sink := g.sink()
		ctx, cancel := context.WithCancel(t.Context())
		out := sink.C(ctx)
		out <- 1
		began := time.Now()
		err := sink.Close()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, chanio.DefaultLinger, time.Since(began))
		require.Equal(t, err, g.aborted)
		require.Zero(t, g.closes, "Close is not called after Abort")
		require.Equal(t, err, sink.Close())
		for range 100 {
			out <- 2 // the value that waited was given up, and the channel discards
		}
		cancel()
	})
}

// TestG7TheEndOfCtxPassesOnWhatTheChannelHolds includes the case in which the current value waits for room at that
// moment.
func TestG7TheEndOfCtxPassesOnWhatTheChannelHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		sink := g.sink()
		ctx, cancel := context.WithCancel(t.Context())
		out := sink.C(ctx)
		for v := range 10 {
			out <- v
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		g.open()
		require.NoError(t, sink.Flush(t.Context()))
		require.Equal(t, upTo(10), g.sent())
		require.NoError(t, sink.Err())
		require.NoError(t, sink.Close())
		require.Equal(t, 1, g.closes)
	})
}

// The peer resets the connection while a sender waits for room in the channel.
func TestSendThatWaitsForRoomSucceedsWhenTheConnectionIsReleased(t *testing.T) {
	for range 50 { // the goroutine may see the release or the value first
		synctest.Test(t, func(t *testing.T) {
			near, far := chanio.Pipe()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range 1000 {
					near.Out.C(t.Context()) <- make([]byte, 16<<10)
				}
			}()
			synctest.Wait() // both are full, and so is the channel
			near.Abort(nil)
			<-sent
			far.Abort(nil)
		})
	}
}

func TestG11ChannelsAfterTheEndShareOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chanio.Pipe()
		_, pipe := chanio.PipeOf[[]byte](1)
		ctx, cancel := context.WithCancel(t.Context())
		for _, sink := range []*chanio.Sink[[]byte]{a.Out, pipe} {
			require.NoError(t, sink.Close())
			before := started()
			for range 1000 {
				sink.C(ctx) <- []byte("x")
			}
			require.LessOrEqual(t, started()-before, 2)
		}
		cancel()
		a.Out.Abort(nil)
		b.Out.Abort(nil)
	})
}

// TestG16AHookThatDoesNotReturnUnderTheChannelOfASink lets each hook panic or exit in a goroutine of the library.
func TestG16AHookThatDoesNotReturnUnderTheChannelOfASink(t *testing.T) {
	ok := func(context.Context, int) error { return nil }
	for how, exit := range map[string]func(){"panic": func() { panic(errBroken) }, "Goexit": runtime.Goexit} {
		cause := errBroken
		if how == "Goexit" {
			cause = nil
		}
		for name, hooks := range map[string]chanio.SinkHooks[int]{
			"Send":    {Send: func(context.Context, int) error { exit(); return nil }},
			"SendAll": {Send: ok, SendAll: func(context.Context, []int) (int, error) { exit(); return 0, nil }},
			"Send and Abort": {
				Send:  func(context.Context, int) error { exit(); return nil },
				Abort: func(error) { exit() },
			},
			"Close": {Send: ok, Close: func() error { exit(); return nil }},
			"Close after a refusal": {
				Send:  func(context.Context, int) error { return errors.New("refused") },
				Close: func() error { exit(); return nil },
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				sink := chanio.NewSink(hooks)
				ctx, cancel := context.WithCancel(t.Context())
				out := sink.C(ctx)
				out <- 1
				if name == "Close" {
					close(out)
				}
				synctest.Wait()
				require.True(t, isClosed(sink.Done()), "%s in %s", how, name)
				requirePanicError(t, sink.Err(), cause)
				requirePanicError(t, sink.Close(), cause)
				requirePanicError(t, sink.Flush(t.Context()), cause)
				cancel()
			})
		}
	}
}

func TestG16APanicUnderCloseEndsTheSinkAndGoesOn(t *testing.T) {
	sink := chanio.NewSink(chanio.SinkHooks[int]{
		Send:  func(context.Context, int) error { return nil },
		Close: func() error { panic(errBroken) },
	})
	require.PanicsWithValue(t, errBroken, func() { _ = sink.Close() })
	requirePanicError(t, sink.Close(), errBroken)
	requirePanicError(t, sink.Err(), errBroken)
}

func TestG4CallbacksOfASinkMayCallBack(t *testing.T) {
	for name, call := range map[string]func(d *chanio.Duplex[[]byte, []byte]){
		"Close": func(d *chanio.Duplex[[]byte, []byte]) { _ = d.Close() },
		"Abort": func(d *chanio.Duplex[[]byte, []byte]) { d.Out.Abort(errBroken) },
		"Flush": func(d *chanio.Duplex[[]byte, []byte]) { _ = d.Out.Flush(context.Background()) },
		"In":    func(d *chanio.Duplex[[]byte, []byte]) { _ = d.In.Close() },
		"C":     func(d *chanio.Duplex[[]byte, []byte]) { close(d.Out.C(context.Background())) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := chanio.Pipe()
				called := make(chan struct{})
				a.Out.OnDone(func() {
					call(&a.Duplex)
					close(called)
				})
				if err := a.Out.Close(); name != "Abort" || err != errBroken { // it may come while Close drains
					require.NoError(t, err)
				}
				_ = b.Close()
				<-called
				a.Out.Abort(nil)
				b.Out.Abort(nil)
			})
		})
	}
}

func TestAbortAfterACloseThatSentEverythingChangesNothing(t *testing.T) {
	sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error { return nil }})
	require.NoError(t, sink.Close())
	sink.Abort(errBroken)
	require.NoError(t, sink.Err())
	require.NoError(t, sink.Close())
	require.Equal(t, net.ErrClosed, sink.Send(t.Context(), 1))
}

// TestG1ARefusedValueDoesNotEndACloseUnderWay lets the endpoint reject a value of the channel after Close has started.
// Close returns only after the endpoint has drained.
func TestG1ARefusedValueDoesNotEndACloseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draining, drained := make(chan struct{}), make(chan struct{})
		sending, refuse := make(chan struct{}), make(chan struct{})
		end := new(chanio.End)
		sink := chanio.NewSink(chanio.SinkHooks[int]{
			Send: func(context.Context, int) error {
				close(sending)
				<-refuse
				return net.ErrClosed
			},
			Close: func() error {
				close(draining)
				<-drained
				return errBroken
			},
			End: end,
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := sink.C(ctx)
		end.BeforeClose(func(context.Context) error { // after the channel's own
			out <- 1
			<-sending
			return nil
		})
		closed := make(chan error)
		go func() { closed <- sink.Close() }()
		<-draining
		close(refuse)
		synctest.Wait()
		require.False(t, end.Ended(), "it is still draining")
		close(drained)
		require.Equal(t, errBroken, <-closed)
		require.Equal(t, errBroken, sink.Err())
	})
}

// TestG11ChannelsOfACtxThatHasEndedShareOneGoroutine holds that a program which asks for the channel with each value is
// not punished for a ctx that ends in between.
func TestG11ChannelsOfACtxThatHasEndedShareOneGoroutine(t *testing.T) {
	a, b := chanio.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	before := started()
	a.Out.C(ctx)
	cancel()
	for range 100 {
		a.Out.C(ctx) <- []byte("dropped")
	}
	require.Less(t, started(), before+50)
	live, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.Out.C(live) <- []byte("sent")
	close(a.Out.C(live))
	all, err := chanio.ReadAll(t.Context(), b.In, 1<<20)
	require.NoError(t, err)
	require.Contains(t, string(all), "sent")
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
}

// TestG5AWriteDeadlineLosesNothingThatAChannelHolds fills a connection, lets a deadline pass, and reads slowly then.
func TestG5AWriteDeadlineLosesNothingThatAChannelHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 300, 1 << 10 // more than is buffered on the way
		a, b := chanio.Pipe()
		out := a.Out.C(t.Context())
		go func() {
			for range n {
				out <- make([]byte, size)
			}
			close(out)
		}()
		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		time.Sleep(2 * time.Second)
		got := 0
		for p, err := range b.In.Values(t.Context()) {
			require.NoError(t, err)
			got += len(p)
			time.Sleep(time.Second)
		}
		require.Equal(t, n*size, got)
		require.NoError(t, b.Close())
		require.NoError(t, a.Close())
	})
}

func TestAcceptedValuesAreSentIfTheCtxEndsBehindAWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		before := 0
		for {
			ok, err := near.Out.TrySend(make([]byte, 1<<10))
			require.NoError(t, err)
			if !ok {
				break
			}
			before += 1 << 10
		}
		require.NoError(t, near.SetWriteDeadline(time.Now()))
		ctx, cancel := context.WithCancel(t.Context())
		out := near.Out.C(ctx)
		out <- []byte("first")
		synctest.Wait() // it is taken and finds no room, and the deadline has passed
		out <- []byte("second")
		cancel()
		synctest.Wait()
		require.NoError(t, near.SetWriteDeadline(time.Time{}))
		closed := make(chan error, 1)
		go func() { closed <- near.Out.Close() }()
		got, err := io.ReadAll(chanio.NewReader(t.Context(), far.In))
		require.NoError(t, err)
		require.Equal(t, "firstsecond", string(got[before:]))
		require.NoError(t, <-closed)
		require.NoError(t, far.Close())
		require.NoError(t, near.Close())
	})
}
