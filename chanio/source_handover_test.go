package chanio_test

import (
	"cmp"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// deaf returns a Source whose Next ignores ctx until release is called.
func deaf() (src *chanio.Source[int], release func()) {
	released := make(chan struct{})
	n := 0
	return chanio.NewSource(chanio.SourceHooks[int]{Next: func(ctx context.Context) (int, error) {
		<-released
		if ctx.Err() != nil {
			return 0, chanio.Cause(ctx)
		}
		n++
		return n, nil
	}}), sync.OnceFunc(func() { close(released) })
}

// TestG9WhoWaitsForTheHandOverHeedsItsCtx has a consumer that is still blocked after its ctx has ended.
func TestG9WhoWaitsForTheHandOverHeedsItsCtx(t *testing.T) {
	consumers := map[string]func(ctx context.Context, src *chanio.Source[int]) error{
		"Recv": func(ctx context.Context, src *chanio.Source[int]) error { _, err := src.Recv(ctx); return err },
		"All": func(ctx context.Context, src *chanio.Source[int]) error {
			for range src.All(ctx) {
				break
			}
			return src.Err()
		},
		"Values": func(ctx context.Context, src *chanio.Source[int]) (err error) {
			for _, err = range src.Values(ctx) {
				break
			}
			return err
		},
		"C": func(ctx context.Context, src *chanio.Source[int]) error {
			for range src.C(ctx) {
				break
			}
			return src.Err()
		},
		"Acquire": func(ctx context.Context, src *chanio.Source[int]) error {
			up, err := src.Acquire(ctx, "test")
			if err == nil {
				up.Release()
			}
			return err
		},
	}
	for before, consume := range consumers {
		for name, next := range consumers {
			t.Run(before+" then "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src, release := deaf()
					defer release()
					ctx, cancel := context.WithCancel(t.Context())
					if before == "Acquire" {
						up, err := src.Acquire(ctx, "stuck")
						require.NoError(t, err)
						go func() {
							_, _ = up.Next(ctx)
							up.Release()
						}()
					} else {
						go consume(ctx, src)
					}
					synctest.Wait()
					cancel()
					late, stop := context.WithCancelCause(t.Context())
					res := make(chan error)
					go func() { res <- next(late, src) }()
					synctest.Wait()
					stop(errBroken)
					require.Equal(t, errBroken, <-res)

					go func() { res <- next(t.Context(), src) }()
					synctest.Wait()
					release()
					require.NoError(t, <-res, "the next consumer has waited for the hand-over")
				})
			})
		}
	}
}

// TestG9ACallWhoseCtxHasEndedIsNoSecondConsumer checks that a loop whose ctx was cancelled does not panic if another
// consumer is faster.
func TestG9ACallWhoseCtxHasEndedIsNoSecondConsumer(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	src, _, _ := waiting()
	live, stop := context.WithCancel(t.Context())
	src.C(live)
	_, err := src.Recv(ended)
	require.Equal(t, errBroken, err)
	for range src.All(ended) {
		t.Error("a value")
	}
	_, open := <-src.C(ended)
	require.False(t, open)
	_, err = src.Acquire(ended, "test")
	require.Equal(t, errBroken, err)
	stop()
	require.NoError(t, src.Close())
}

func TestG9HandOversAmongManyLoseNothing(t *testing.T) {
	const total = 2000
	src := chanio.FromSlice(upTo(total))
	var got []int
	for round := 0; len(got) < total; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		switch round % 4 {
		case 0:
			in := src.C(ctx)
			for range 3 {
				if v, ok := <-in; ok {
					got = append(got, v)
				}
			}
		case 1:
			if v, err := src.Recv(ctx); err == nil {
				got = append(got, v)
			}
		case 2:
			for v := range src.All(ctx) {
				got = append(got, v)
				if cancel(); v%2 == 0 {
					break
				}
			}
		case 3:
			up, err := src.Acquire(ctx, "test")
			require.NoError(t, err)
			got = up.AtHand(append(make([]int, 0, len(got)+2), got...))
			all.Go(up.Release)
		}
		cancel()
		all.Go(func() { _, _ = src.Recv(ctx) }) // its ctx has ended
		if v, err := src.Recv(t.Context()); err == nil {
			got = append(got, v)
		}
		all.Wait()
	}
	require.Equal(t, upTo(total), got)
}

func TestG9ReceivingInTheBodyOfAllSaysWhatIsWrong(t *testing.T) {
	src := chanio.FromSlice(upTo(3))
	for range src.All(t.Context()) {
		require.PanicsWithValue(t, "chanio: this Source is being received from by a range over All or Values, whose body (or another "+
			"goroutine) must not receive from it too; to give its values to several consumers, use pipeline.Tee",
			func() { _, _ = src.Recv(t.Context()) })
	}
}

func TestG9TheBodyOfAllMayReceiveTheRestOnceItsCtxHasEnded(t *testing.T) {
	src := chanio.FromSlice(upTo(5))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var got []int
	var last error
	for v, err := range src.Values(ctx) {
		if last = err; err != nil {
			break
		}
		got = append(got, v)
		if v == 1 {
			cancel(errBroken)
			got = append(got, first(t, src), first(t, src))
		}
	}
	require.Equal(t, errBroken, last)
	require.Equal(t, []int{0, 1, 2, 3}, got)
	require.Equal(t, []int{4}, collect(t, src))
}

// TestG9ALoopThatLostItsTurnSaysWhy lets another consumer hold the Source when the body of a loop returns whose ctx has
// ended.
func TestG9ALoopThatLostItsTurnSaysWhy(t *testing.T) {
	src := chanio.FromSlice(upTo(40)) // more than the channel holds, so that the stream cannot end before Err is asked
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	live, stop := context.WithCancel(t.Context())
	defer stop()
	for range src.All(ctx) {
		cancel(errBroken)
		src.C(live)
	}
	require.Equal(t, errBroken, src.Err(), "it was not a clean end")
	n := 0
	for range src.C(live) {
		n++
	}
	require.Equal(t, 39, n)
}

func TestG9AChannelOfAnotherCtxIsRefusedInWordsThatFit(t *testing.T) {
	src, _, _ := waiting()
	ctx, cancel := context.WithCancel(t.Context())
	src.C(ctx)
	const words = "chanio: this Source already has a consumer, a channel from C with another ctx that has not ended; goroutines " +
		"may share that channel; to give its values to several consumers, use pipeline.Tee"
	require.PanicsWithValue(t, words, func() { src.C(t.Context()) })
	cancel()
	require.NoError(t, src.Close())

	_, sink := chanio.PipeOf[int](1)
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	sink.C(ctx)
	require.PanicsWithValue(t, "chanio: this Sink already has a channel, from C with another ctx that has not ended; goroutines "+
		"may share it, or use Send", func() { sink.C(t.Context()) })
}

// TestG9GoroutinesThatAskForTheChannelAtOnceGetTheSame checks that none of them counts as a second consumer.
func TestG9GoroutinesThatAskForTheChannelAtOnceGetTheSame(t *testing.T) {
	for range 300 {
		src, _, _ := waiting()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan (<-chan int), 4)
		for range cap(got) {
			go func() { got <- src.C(ctx) }()
		}
		c := <-got
		for range cap(got) - 1 {
			require.True(t, c == <-got)
		}
		cancel()
		for range c {
		}
		require.NoError(t, src.Close())
	}
}

func TestG9AnOwnerWithoutCtxIsNotWaitedFor(t *testing.T) {
	src := chanio.FromSlice(upTo(3))
	up := src.Claim("test.Stage")
	require.NoError(t, up.Close())
	require.Panics(t, func() { _, _ = src.Recv(t.Context()) })
	r := chanio.NewReader(t.Context(), chanio.FromSlice([][]byte{}))
	_, err := r.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)

	ctx, cancel := context.WithCancel(t.Context())
	bytes := chanio.FromSlice([][]byte{[]byte("x")})
	chanio.NewReader(ctx, bytes)
	cancel()
	require.Panics(t, func() { _, _ = bytes.Recv(t.Context()) }, "a reader is an owner for good, whatever its ctx")
}

func TestG9NewReaderWaitsNoLongerThanItsCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pr, pw := io.Pipe()
		src := chanio.FromReader(pr)
		ctx, cancel := context.WithCancel(t.Context())
		go src.Recv(ctx) // stuck
		synctest.Wait()
		cancel()
		late, stop := context.WithCancelCause(t.Context())
		made := make(chan io.ReadCloser)
		go func() { made <- chanio.NewReader(late, src) }()
		synctest.Wait()
		stop(errBroken)
		r := <-made
		for range 2 {
			_, err := r.Read(make([]byte, 1))
			require.Equal(t, errBroken, err)
		}
		_, err := r.(io.WriterTo).WriteTo(io.Discard)
		require.Equal(t, errBroken, err)
		require.NoError(t, r.Close())
		<-src.Done()
		require.NoError(t, pw.Close())
	})
}

// If two consumers come at once after one whose ctx has ended, one receives and the other panics as a second consumer.
// Neither is mistaken for the first one.
func TestG9OfTwoConsumersAtOnceOneIsToldAtOnce(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			src, _, _ := waiting()
			before, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := src.Recv(before)
			require.ErrorIs(t, err, context.Canceled)
			told := make(chan any, 2)
			for range 2 {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					defer func() { told <- recover() }()
					_, _ = src.Recv(ctx)
				}()
			}
			synctest.Wait()
			require.Len(t, told, 1)
			require.Contains(t, <-told, "already has a consumer")
			require.NoError(t, src.Close())
			require.Nil(t, <-told)
		})
	}
}

// TestG1ACloseThatDropsValuesIsNoCleanEnd has the goroutine of C reach the end before Close, with values that nobody has
// received.
func TestG1ACloseThatDropsValuesIsNoCleanEnd(t *testing.T) {
	for received := range 4 {
		s := chanio.FromSlice([]int{1, 2, 3})
		ctx, cancel := context.WithCancel(t.Context())
		ch := s.C(ctx)
		for range received {
			<-ch
		}
		<-s.Done()
		cancel()
		if received < 3 {
			v, err := s.Recv(t.Context()) // takes back what is left
			require.NoError(t, err)
			require.Equal(t, received+1, v)
		}
		require.NoError(t, s.Close())
		want := error(nil)
		if received < 2 {
			want = net.ErrClosed
		}
		for range 2 {
			_, err := s.Recv(t.Context())
			require.Equal(t, cmp.Or(want, io.EOF), err)
			_, ok, err := s.TryRecv()
			require.False(t, ok)
			require.Equal(t, cmp.Or(want, io.EOF), err)
			for range s.All(t.Context()) {
				t.Fatal("a value after Close")
			}
			require.Equal(t, want, s.Err())
		}
	}
	s := chanio.FromSlice([]int{1})
	ctx, cancel := context.WithCancel(t.Context())
	s.C(ctx)
	<-s.Done()
	cancel()
	require.NoError(t, s.Close()) // before anything was taken back
	_, err := s.Recv(t.Context())
	require.Equal(t, net.ErrClosed, err)
	require.Equal(t, net.ErrClosed, s.Err())
}
