package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
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

// message is a request or a reply of a protocol with numbers.
type message struct {
	id   uint64
	text string
}

var tags = clients.CallerTags[message, message]{
	Tag: func(m message, id uint64) message { m.id = id; return m },
	ID:  func(m message) uint64 { return m.id },
}

// typedPipe returns both ends of an in-memory conversation.
func typedPipe[R, W any](capacity int) (near *chanio.Duplex[R, W], far *chanio.Duplex[W, R]) {
	requests, toFar := chanio.PipeOf[W](capacity)
	replies, toNear := chanio.PipeOf[R](capacity)
	return &chanio.Duplex[R, W]{Out: toFar, In: replies}, &chanio.Duplex[W, R]{Out: toNear, In: requests}
}

type (
	stringCaller = clients.Caller[string, string]
	stringDuplex = chanio.Duplex[string, string]
)

// calling runs test in a bubble with an ordered Caller and the server's end.
func calling(t *testing.T, cfg clients.CallerConfig[string], test func(*testing.T, *stringCaller, *stringDuplex)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[string, string](0)
		m := clients.NewCaller(t.Context(), near, &cfg)
		test(t, m, far)
		require.NoError(t, m.Close())
		<-m.Done()
		require.Error(t, m.Err())
	})
}

// result is the result of a Call.
type result struct {
	reply string
	err   error
}

// call starts a Call in a goroutine.
func call(ctx context.Context, m *stringCaller, w string) <-chan result {
	got := make(chan result, 1)
	go func() {
		reply, err := m.Call(ctx, w)
		got <- result{reply, err}
	}()
	return got
}

func recv[T any](t testing.TB, src *chanio.Source[T]) T {
	t.Helper()
	v, err := src.Recv(t.Context())
	require.NoError(t, err)
	return v
}

func TestCallerMatchesRepliesInOrder(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		var calls []<-chan result
		for i := range 5 {
			calls = append(calls, call(t.Context(), m, fmt.Sprint("request ", i)))
			require.Equal(t, fmt.Sprint("request ", i), recv(t, far.In))
		}
		require.Equal(t, 5, m.Outstanding())
		for i := range 5 {
			require.NoError(t, far.Out.Send(t.Context(), fmt.Sprint("reply ", i)))
		}
		for i := range 5 {
			require.Equal(t, result{fmt.Sprint("reply ", i), nil}, <-calls[i])
		}
		require.Zero(t, m.Outstanding())
	})
}

func TestCallerMatchesRepliesByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[message, message](0)
		limited := tags
		limited.Max = 3
		m := clients.NewTaggedCaller(t.Context(), near, limited, &clients.CallerConfig[message]{MaxOutstanding: 3})
		asked := func(text string) (message, <-chan message) {
			got := make(chan message, 1)
			go func() {
				reply, err := m.Call(t.Context(), message{text: text})
				require.NoError(t, err)
				got <- reply
			}()
			return recv(t, far.In), got
		}
		one, gotOne := asked("one")
		two, gotTwo := asked("two")
		require.Equal(t, []message{{1, "one"}, {2, "two"}}, []message{one, two})
		require.NoError(t, far.Out.Send(t.Context(), message{2, "second"}))
		require.Equal(t, message{2, "second"}, <-gotTwo)
		three, _ := asked("three")
		require.EqualValues(t, 3, three.id)
		four, _ := asked("four")
		require.EqualValues(t, 2, four.id, "1 still awaits its reply")
		require.NoError(t, far.Out.Send(t.Context(), message{1, "first"}))
		require.Equal(t, message{1, "first"}, <-gotOne)
		for _, id := range []uint64{2, 3} {
			require.NoError(t, far.Out.Send(t.Context(), message{id, ""}))
		}
		require.NoError(t, m.Shutdown(t.Context()))
	})
}

func TestCallerCancelledCallLeavesTheStreamInOrder(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		one := call(ctx, m, "one")
		recv(t, far.In)
		two := call(t.Context(), m, "two")
		recv(t, far.In)
		cancel(why)
		got := <-one
		require.Equal(t, why, got.err)
		require.NotErrorIs(t, got.err, clients.ErrNotSent)
		require.Equal(t, 2, m.Outstanding())
		for _, reply := range []string{"to one", "to two"} {
			require.NoError(t, far.Out.Send(t.Context(), reply))
		}
		require.Equal(t, result{"to two", nil}, <-two)
		require.Zero(t, m.Outstanding())
	})
}

func TestG2CallerCallCancelledBeforeItWasSentIsNeverSent(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		sending := call(ctx, m, "in its turn") // without a receiver
		synctest.Wait()
		waiting := call(ctx, m, "waits for its turn")
		synctest.Wait()
		cancel(why)
		late := call(ctx, m, "too late")
		for _, c := range []<-chan result{sending, waiting, late} {
			got := <-c
			require.ErrorIs(t, got.err, why)
			require.ErrorIs(t, got.err, clients.ErrNotSent)
		}
		require.Zero(t, m.Outstanding())
		next := call(t.Context(), m, "next")
		require.Equal(t, "next", recv(t, far.In))
		require.NoError(t, far.Out.Send(t.Context(), "reply"))
		require.Equal(t, result{"reply", nil}, <-next)
		require.NoError(t, m.Shutdown(t.Context()), "it waits until no call counts as outstanding")
	})
}

func TestG8CallerBoundsWhatIsOutstanding(t *testing.T) {
	calling(t, clients.CallerConfig[string]{MaxOutstanding: 2}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		ctx, cancel := context.WithCancel(t.Context())
		one := call(ctx, m, "one")
		recv(t, far.In)
		two := call(t.Context(), m, "two")
		recv(t, far.In)
		cancel()
		require.Error(t, (<-one).err)
		three := call(t.Context(), m, "three")
		synctest.Wait()
		require.Equal(t, 2, m.Outstanding(), "a cancelled one counts")
		require.NoError(t, far.Out.Send(t.Context(), "to one"))
		require.Equal(t, "three", recv(t, far.In))
		require.NoError(t, far.Out.Send(t.Context(), "to two"))
		require.NoError(t, far.Out.Send(t.Context(), "to three"))
		require.Equal(t, "to two", (<-two).reply)
		require.Equal(t, "to three", (<-three).reply)
	})
}

func TestCallerCloseReturnsTheErrorOfItsDuplex(t *testing.T) {
	lost := errors.New("the peer did not take the last of it")
	near, far := typedPipe[string, string](0)
	near.Out = chanio.NewSink(chanio.SinkHooks[string]{
		Send:  func(context.Context, string) error { return nil },
		Close: func() error { return lost },
	})
	m := clients.NewCaller(t.Context(), near, &clients.CallerConfig[string]{})
	require.ErrorIs(t, m.Close(), lost)
	require.ErrorIs(t, m.Err(), net.ErrClosed)
	far.Out.Abort(nil)
}

func TestCallerFailureFailsAllCalls(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		do   func(far *stringDuplex)
		want error
	}{
		"failure": {func(far *stringDuplex) { far.Out.Abort(broken) }, broken},
		"end":     {func(far *stringDuplex) { _ = far.Out.Close() }, io.ErrUnexpectedEOF},
	} {
		calling(t, clients.CallerConfig[string]{MaxOutstanding: 3}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
			var calls []<-chan result
			for range 2 {
				calls = append(calls, call(t.Context(), m, "request"))
				recv(t, far.In)
			}
			sending := call(t.Context(), m, "sending")
			synctest.Wait()
			waiting := call(t.Context(), m, "waiting")
			synctest.Wait()
			c.do(far)
			for _, call := range calls {
				got := <-call
				require.ErrorIs(t, got.err, c.want, name)
				require.NotErrorIs(t, got.err, clients.ErrNotSent)
			}
			for _, call := range []<-chan result{sending, waiting, call(t.Context(), m, "later")} {
				got := <-call
				require.ErrorIs(t, got.err, c.want, name)
				require.ErrorIs(t, got.err, clients.ErrNotSent)
			}
			<-m.Done()
			require.ErrorIs(t, m.Err(), c.want)
			require.NoError(t, m.Close())
		})
	}
}

func TestCallerStrayReplyEndsIt(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		require.NoError(t, far.Out.Send(t.Context(), "unasked"))
		<-m.Done()
		require.ErrorIs(t, m.Err(), clients.ErrStrayReply)
		_, err := m.Call(t.Context(), "request")
		require.ErrorIs(t, err, clients.ErrStrayReply)
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[message, message](0)
		m := clients.NewTaggedCaller(t.Context(), near, tags, nil)
		go func() { _ = far.Out.Send(t.Context(), message{7, "unasked"}) }()
		<-m.Done()
		require.ErrorIs(t, m.Err(), clients.ErrStrayReply)
		require.NoError(t, m.Close())
	})
}

func TestCallerStrayReplyToACallThatIsStillBeingSent(t *testing.T) {
	calling(t, clients.CallerConfig[string]{MaxOutstanding: 1}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		ctx, cancel := context.WithCancel(t.Context())
		sending := call(ctx, m, "request")
		synctest.Wait()
		require.NoError(t, far.Out.Send(t.Context(), "before it was asked"))
		synctest.Wait()
		cancel()
		require.ErrorIs(t, (<-sending).err, clients.ErrNotSent)
		next := call(t.Context(), m, "next")
		require.Equal(t, "next", recv(t, far.In), "its slot was given back, once")
		require.NoError(t, far.Out.Send(t.Context(), "reply"))
		require.Equal(t, "reply", (<-next).reply)
	})
}

func TestCallerPushTakesWhatAnswersNoRequest(t *testing.T) {
	var pushed []string
	cfg := clients.CallerConfig[string]{Push: func(r string) bool {
		if strings.HasPrefix(r, "news") {
			pushed = append(pushed, r)
			return true
		}
		return false
	}}
	calling(t, cfg, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		got := call(t.Context(), m, "request")
		recv(t, far.In)
		for _, r := range []string{"news 1", "reply", "news 2"} {
			require.NoError(t, far.Out.Send(t.Context(), r))
		}
		require.Equal(t, result{"reply", nil}, <-got)
		synctest.Wait()
		require.Equal(t, []string{"news 1", "news 2"}, pushed)
	})
}

func TestCallerErrorAboutARequestIsItsCallersOwn(t *testing.T) {
	bad := errors.New("cannot be encoded")
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[string, string](1)
		picky := chanio.NewSink(chanio.SinkHooks[string]{
			Send: func(ctx context.Context, v string) error {
				if v == "bad" {
					return bad
				}
				return near.Out.Send(ctx, v)
			},
			End: near.Out.End(),
		})
		m := clients.NewCaller(t.Context(), &chanio.Duplex[string, string]{Out: picky, In: near.In}, nil)
		_, err := m.Call(t.Context(), "bad")
		require.ErrorIs(t, err, bad)
		require.ErrorIs(t, err, clients.ErrNotSent)
		good := call(t.Context(), m, "good")
		require.Equal(t, "good", recv(t, far.In))
		require.NoError(t, far.Out.Send(t.Context(), "reply"))
		require.Equal(t, result{"reply", nil}, <-good)
		require.NoError(t, m.Close())
	})
}

func TestG16CallerPanicsWithAnErrorThatPanics(t *testing.T) {
	var unsound *net.OpError // its Unwrap panics
	cfg := clients.CallerConfig[string]{Push: func(string) bool { panic(unsound) }}
	calling(t, cfg, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		got := call(t.Context(), m, "request")
		recv(t, far.In)
		require.NoError(t, far.Out.Send(t.Context(), "reply"))
		var panicked *chanio.PanicError
		require.ErrorAs(t, (<-got).err, &panicked)
		require.Equal(t, unsound, panicked.Value)
		require.NoError(t, m.Close())
	})
}

func TestG16CallerPanics(t *testing.T) {
	cfg := clients.CallerConfig[string]{Push: func(string) bool { panic("user code") }}
	calling(t, cfg, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		got := call(t.Context(), m, "request")
		recv(t, far.In)
		require.NoError(t, far.Out.Send(t.Context(), "reply"))
		var panicked *chanio.PanicError
		require.ErrorAs(t, (<-got).err, &panicked)
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[message, message](0)
		picky := tags
		picky.Tag = func(m message, id uint64) message {
			if m.text == "bad" {
				panic("user code")
			}
			return tags.Tag(m, id)
		}
		m := clients.NewTaggedCaller(t.Context(), near, picky, &clients.CallerConfig[message]{MaxOutstanding: 1})
		require.PanicsWithValue(t, "user code", func() { _, _ = m.Call(t.Context(), message{text: "bad"}) })
		require.Zero(t, m.Outstanding())
		go func() { _ = far.Out.Send(t.Context(), recv(t, far.In)) }()
		_, err := m.Call(t.Context(), message{text: "good"})
		require.NoError(t, err)
		require.NoError(t, m.Close())
	})
}

func TestCallerShutdownWaitsForReplies(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		ctx, cancel := context.WithCancel(t.Context())
		cancelled, kept := call(ctx, m, "one"), (<-chan result)(nil)
		recv(t, far.In)
		kept = call(t.Context(), m, "two")
		recv(t, far.In)
		cancel()
		require.Error(t, (<-cancelled).err)
		var shut sync.WaitGroup
		for range 2 {
			shut.Go(func() { require.NoError(t, m.Shutdown(t.Context())) })
		}
		synctest.Wait()
		_, err := m.Call(t.Context(), "late")
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, err, clients.ErrNotSent)
		require.NoError(t, far.Out.Send(t.Context(), "to one"))
		require.NoError(t, far.Out.Send(t.Context(), "to two"))
		require.Equal(t, result{"to two", nil}, <-kept)
		shut.Wait()
		require.ErrorIs(t, m.Err(), net.ErrClosed)
	})
}

func TestCallerShutdownTakesNoTimeForRequestsThatAreOnlyAllowed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	near, far := typedPipe[string, string](0)
	m := clients.NewCaller(t.Context(), near, &clients.CallerConfig[string]{MaxOutstanding: math.MaxInt})
	one := call(t.Context(), m, "one")
	recv(t, far.In)
	ended := make(chan error)
	go func() { ended <- m.Shutdown(ctx) }()
	require.NoError(t, far.Out.Send(t.Context(), "to one"))
	require.Equal(t, result{"to one", nil}, <-one)
	require.NoError(t, <-ended)
}

func TestCallerShutdownEndsWithCtx(t *testing.T) {
	calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
		got := call(t.Context(), m, "one")
		recv(t, far.In)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, m.Shutdown(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, (<-got).err, net.ErrClosed)
	})
}

func TestCallerShutdownEndsWithCtxAlthoughThePeerReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chaniotest.Pipe(10)
		defer far.Close()
		m := clients.NewCaller(t.Context(), codec.Frame(chanio.NewConn(near, nil), codec.Lines), nil)
		ended := make(chan error)
		go func() {
			_, err := m.Call(t.Context(), "more than there is room for")
			ended <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		var shut sync.WaitGroup
		for range 2 {
			shut.Go(func() { require.ErrorIs(t, m.Shutdown(ctx), context.DeadlineExceeded) })
		}
		require.ErrorIs(t, <-ended, net.ErrClosed)
		shut.Wait()
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestG11CallerEndsWithItsCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("why")
		near, far := typedPipe[string, string](0)
		ctx, cancel := context.WithCancelCause(t.Context())
		m := clients.NewCaller(ctx, near, nil)
		got := call(t.Context(), m, "one")
		recv(t, far.In)
		cancel(why)
		require.ErrorIs(t, (<-got).err, why)
		<-m.Done()
		_, err := far.In.Recv(t.Context())
		require.ErrorIs(t, err, why, "the other side learns of it")
		require.NoError(t, m.Close())
	})
}

func TestCallerConfigIsChecked(t *testing.T) {
	near, _ := typedPipe[message, message](0)
	require.Panics(t, func() { clients.NewCaller(t.Context(), near, &clients.CallerConfig[message]{MaxOutstanding: -1}) })
	require.Panics(t, func() {
		limited := tags
		limited.Max = 10
		clients.NewTaggedCaller(t.Context(), near, limited, nil)
	})
	require.Panics(t, func() { clients.NewTaggedCaller(t.Context(), near, clients.CallerTags[message, message]{}, nil) })
}

// TestG10CallerManyCallersOverBytes makes many concurrent calls over one framed connection. Some of them time out.
func TestG10CallerManyCallersOverBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nearEnd, farEnd := chaniotest.Pipe(256)
		near, far := chanio.NewConn(nearEnd, nil), chanio.NewConn(farEnd, nil)
		served := make(chan error, 1)
		go func() {
			d := codec.Frame(far, codec.Lines)
			for line := range d.In.All(t.Context()) {
				if err := d.Out.Send(t.Context(), "re: "+line); err != nil {
					served <- err
					return
				}
			}
			served <- errors.Join(d.In.Err(), d.Close())
		}()
		m := clients.NewCaller(t.Context(), codec.Frame(near, codec.Lines), &clients.CallerConfig[string]{MaxOutstanding: 16})
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				for j := range 25 {
					ctx, cancel := context.WithCancel(t.Context())
					if (i+j)%10 == 0 {
						go cancel()
					}
					request := fmt.Sprintf("%d.%d", i, j)
					reply, err := m.Call(ctx, request)
					if err == nil {
						require.Equal(t, "re: "+request, reply)
					} else {
						require.ErrorIs(t, err, context.Canceled)
					}
					cancel()
				}
			})
		}
		all.Wait()
		require.NoError(t, m.Shutdown(t.Context()))
		require.NoError(t, <-served)
	})
}

func TestCallerCorksWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[string, string](1)
		corks := 0
		corked := chanio.NewSink(chanio.SinkHooks[string]{
			Send: func(ctx context.Context, v string) error {
				require.Equal(t, 1, corks)
				return near.Out.Send(ctx, v)
			},
			Cork: func() func() {
				corks++
				return func() { corks-- }
			},
			End: near.Out.End(),
		})
		m := clients.NewCaller(t.Context(), &chanio.Duplex[string, string]{Out: corked, In: near.In}, nil)
		got := call(t.Context(), m, "request")
		require.NoError(t, far.Out.Send(t.Context(), recv(t, far.In)))
		require.Equal(t, "request", (<-got).reply)
		require.Zero(t, corks)
		require.NoError(t, m.Close())
	})
}

// A missing reply releases its place, and is not delivered to another call if it arrives later.
func TestCallerForgetsALostReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := typedPipe[message, message](4)
		m := clients.NewTaggedCaller(t.Context(), near, tags, &clients.CallerConfig[message]{MaxOutstanding: 1, Lost: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Call(ctx, message{text: "lost"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		lost := recv(t, far.In)
		start := time.Now()
		replied := make(chan string, 1)
		go func() {
			r, err := m.Call(t.Context(), message{text: "next"})
			require.NoError(t, err)
			replied <- r.text
		}()
		next := recv(t, far.In)
		require.Equal(t, time.Minute, time.Since(start), "it had the only place")
		require.EqualValues(t, 1, m.Forgotten())
		require.NotEqual(t, lost.id, next.id)
		require.NoError(t, far.Out.Send(t.Context(), message{lost.id, "late"}))
		require.NoError(t, far.Out.Send(t.Context(), message{next.id, "reply"}))
		require.Equal(t, "reply", <-replied)
		require.NoError(t, far.Out.Send(t.Context(), message{lost.id, "twice"}))
		<-m.Done()
		require.ErrorIs(t, m.Err(), clients.ErrStrayReply)
		require.NoError(t, m.Close())
	})
}

// Numbers of lost requests are not reused while their replies may arrive. There are always some left for the next
// calls.
func TestCallerEndsBeforeLostRepliesUseUpItsNumbers(t *testing.T) {
	for _, c := range []struct{ numbers, outstanding, lost int }{{3, 2, 1}, {2, 2, 0}, {9, 3, 3}} {
		synctest.Test(t, func(t *testing.T) {
			near, far := typedPipe[message, message](16)
			limited := tags
			limited.Max = uint64(c.numbers)
			m := clients.NewTaggedCaller(t.Context(), near, limited, &clients.CallerConfig[message]{
				MaxOutstanding: c.outstanding, Lost: time.Minute,
			})
			lose := func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := m.Call(ctx, message{text: "lost"})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				time.Sleep(time.Minute)
				synctest.Wait()
			}
			for range c.lost {
				lose()
				require.NoError(t, m.Err())
			}
			require.EqualValues(t, c.lost, m.Forgotten())
			lose()
			require.ErrorIs(t, m.Err(), clients.ErrLostReply)
			require.NoError(t, m.Close())
			require.NoError(t, far.In.Close())
		})
	}
}

func TestCallerInOrderEndsWhenAReplyIsLost(t *testing.T) {
	for lost, ends := range map[time.Duration]bool{time.Minute: true, 0: true, -1: false} {
		calling(t, clients.CallerConfig[string]{Lost: lost}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			first := call(ctx, m, "lost")
			recv(t, far.In)
			require.ErrorIs(t, (<-first).err, context.DeadlineExceeded)
			second := call(t.Context(), m, "next")
			recv(t, far.In)
			time.Sleep(time.Minute + 1)
			synctest.Wait()
			if ends {
				require.ErrorIs(t, (<-second).err, clients.ErrLostReply)
				require.ErrorIs(t, m.Err(), clients.ErrLostReply)
				return
			}
			require.NoError(t, m.Err())
			require.NoError(t, m.Close())
			require.ErrorIs(t, (<-second).err, net.ErrClosed)
		})
	}
}

// When sending fails, the Caller ends, whether or not the peer sends anything.
func TestCallerEndsWhenItsSinkHas(t *testing.T) {
	near, far := chanio.Pipe()
	d := codec.Frame(near, codec.Lines)
	cl := clients.NewCaller(t.Context(), d, nil)
	first := make(chan error, 1)
	go func() {
		_, err := cl.Call(t.Context(), "first")
		first <- err
	}()
	_, err := far.In.Recv(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Out.Close())
	_, err = cl.Call(t.Context(), "second")
	require.ErrorIs(t, err, clients.ErrNotSent)
	<-cl.Done()
	require.ErrorIs(t, <-first, net.ErrClosed)
	require.ErrorIs(t, cl.Err(), net.ErrClosed)
	require.NoError(t, cl.Close())
	require.NoError(t, far.Close())
}

// The Caller has failed already, in a goroutine of its own.
func TestG16ADuplexThatPanicsWhenItIsAbortedEndsOnlyItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := chanio.NewSource(chanio.SourceHooks[string]{
			Next:  func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() },
			Close: func() error { panic("close") },
		})
		ctx, cancel := context.WithCancel(t.Context())
		out := chanio.NewSink(chanio.SinkHooks[string]{
			Send: func(context.Context, string) error { return nil }, Abort: func(error) { cancel(); panic("abort") },
		})
		cl := clients.NewCaller(ctx, &chanio.Duplex[string, string]{In: in, Out: out}, &clients.CallerConfig[string]{Lost: time.Second})
		within, late := context.WithTimeout(ctx, time.Second)
		defer late()
		_, err := cl.Call(within, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		<-cl.Done()
		synctest.Wait()
		require.ErrorIs(t, cl.Err(), clients.ErrLostReply)
	})
}

// The reply, or the end of the Caller, and the end of ctx may come together. The result is one of them, never neither.
func TestCallerThatEndsAtTheSameTimeAsTheCtxFailsTheCall(t *testing.T) {
	broken, late := errors.New("broken"), errors.New("late")
	for range 50 { // select chooses at random
		ctx, cancel := context.WithCancelCause(t.Context())
		near, far := typedPipe[string, string](0)
		var m *stringCaller
		near.Out = chanio.NewSink(chanio.SinkHooks[string]{Send: func(context.Context, string) error {
			far.Out.Abort(broken)
			<-m.Done()
			cancel(late)
			return nil
		}})
		m = clients.NewCaller(t.Context(), near, &clients.CallerConfig[string]{})
		_, err := m.Call(ctx, "request")
		require.Error(t, err)
		require.True(t, errors.Is(err, broken) || errors.Is(err, late), err)
		require.NoError(t, m.Close())
	}
}

func TestCallerShutdownOfAnEndedCallerSucceedsWithAnyCtx(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		calling(t, clients.CallerConfig[string]{}, func(t *testing.T, m *stringCaller, far *stringDuplex) {
			lost := make(chan error, 1)
			go func() {
				_, err := m.Call(t.Context(), "one")
				lost <- err
			}()
			_, err := far.In.Recv(t.Context())
			require.NoError(t, err)
			require.NoError(t, far.Close())
			require.ErrorIs(t, <-lost, io.ErrUnexpectedEOF)
			require.NoError(t, m.Shutdown(ctx))
			require.NoError(t, m.Shutdown(ctx))
		})
	}
}
