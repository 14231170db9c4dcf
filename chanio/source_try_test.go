package chanio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func requireNothingNow[T any](t *testing.T, src *chanio.Source[T]) {
	t.Helper()
	_, ok, err := src.TryRecv()
	require.False(t, ok)
	require.NoError(t, err)
}

func requireNow[T any](t *testing.T, want T, src *chanio.Source[T]) {
	t.Helper()
	v, ok, err := src.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, want, v)
}

func TestTryRecvReturnsWhatIsThereAndThenTheEnd(t *testing.T) {
	src, sink := chanio.PipeOf[int](2)
	requireNothingNow(t, src)
	require.NoError(t, sink.Send(t.Context(), 1))
	requireNow(t, 1, src)
	requireNothingNow(t, src)
	require.NoError(t, sink.Send(t.Context(), 2))
	require.NoError(t, sink.Close())
	requireNow(t, 2, src)
	for range 2 {
		_, ok, err := src.TryRecv()
		require.False(t, ok)
		require.Equal(t, io.EOF, err)
	}
	require.NoError(t, src.Err())
	<-src.Done()
}

func TestTryRecvTakesWhatAChannelLeftAndWhatWasPutBack(t *testing.T) {
	src := chanio.NewSource(chanio.SourceHooks[int]{Next: chanio.FromSlice(upTo(30)).Recv}) // cannot tell what is at hand
	ctx, cancel := context.WithCancel(t.Context())
	require.Equal(t, 0, <-src.C(ctx))
	cancel()
	require.Equal(t, 1, first(t, src))
	up := src.Claim("test")
	up.Unread(1)
	up.Release()
	requireNow(t, 1, src)
	var got []int
	for v, ok, _ := src.TryRecv(); ok; v, ok, _ = src.TryRecv() {
		got = append(got, v)
	}
	got = append(got, collect(t, src)...)
	require.Equal(t, upTo(30)[2:], got)
}

func TestTryRecvOfAClosedSourceSaysSo(t *testing.T) {
	src := chanio.FromSlice(upTo(3))
	require.NoError(t, src.Close())
	_, ok, err := src.TryRecv()
	require.False(t, ok)
	require.Equal(t, net.ErrClosed, err)
}

func TestTryRecvBesideAConsumerPanics(t *testing.T) {
	src := chanio.FromSlice(upTo(3))
	for range src.All(t.Context()) {
		require.Panics(t, func() { _, _, _ = src.TryRecv() })
		break
	}
	requireNow(t, 1, src)
}

func TestTryRecvIssuesNoRead(t *testing.T) {
	reads := 0
	src := chanio.FromReader(readFunc(func(p []byte) (int, error) {
		reads++
		return copy(p, "some"), nil
	}))
	requireNothingNow(t, src)
	require.Zero(t, reads)
	in := chanio.BytesOf(src)
	require.NoError(t, in.Fill(t.Context(), 1))
	require.Equal(t, 1, reads)
}

func TestG16APanicUnderTryRecvEndsTheSource(t *testing.T) {
	src := chanio.NewSource(chanio.SourceHooks[int]{
		Next:    func(context.Context) (int, error) { return 0, io.EOF },
		TryNext: func() (int, bool, error) { panic(errBroken) },
	})
	require.PanicsWithValue(t, errBroken, func() { _, _, _ = src.TryRecv() })
	requirePanicError(t, src.Err(), errBroken)
	_, err := src.Recv(t.Context())
	requirePanicError(t, err, errBroken)
}

func TestValuesEndsWithWhatRecvWouldReturn(t *testing.T) {
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	closed := chanio.FromSlice(upTo(2))
	require.NoError(t, closed.Close())
	failed := chanio.FromReader(io.MultiReader(strings.NewReader("x"), readFunc(func([]byte) (int, error) { return 0, errBroken })))
	for name, c := range map[string]struct {
		ctx    context.Context
		src    *chanio.Source[int]
		values []int
		err    error
	}{
		"clean end": {t.Context(), chanio.FromSlice(upTo(2)), []int{0, 1}, nil},
		"ended ctx": {ended, chanio.FromSlice(upTo(2)), nil, errBroken},
		"closed":    {t.Context(), closed, nil, net.ErrClosed},
		"failure":   {t.Context(), pipeline.Map(failed, func(p []byte) int { return len(p) }), []int{1}, errBroken},
	} {
		var got []int
		var last error
		for v, err := range c.src.Values(c.ctx) {
			require.NoError(t, last, "nothing follows an error")
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		require.Equal(t, c.values, got, name)
		require.Equal(t, c.err, last, name)
		require.Equal(t, c.err, c.src.Err(), name)
	}
}

func TestLeavingValuesClosesNothing(t *testing.T) {
	src := chanio.FromSlice(upTo(3))
	for v, err := range src.Values(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, 0, v)
		break
	}
	require.NoError(t, src.Err())
	require.Equal(t, []int{1, 2}, collect(t, src))
}

func TestG16APanicInTheBodyOfALoopLetsTheSourceGo(t *testing.T) {
	src := chanio.FromSlice(upTo(2))
	require.PanicsWithValue(t, "body", func() {
		for range src.All(t.Context()) {
			panic("body")
		}
	})
	require.NoError(t, src.Err(), "the loop is the user's own code")
	require.Equal(t, []int{1}, collect(t, src))
}

// TestAtHandIsWhatNeedsNoWait checks that AtHand takes no more than there is room for, and TryNext takes the rest.
func TestAtHandIsWhatNeedsNoWait(t *testing.T) {
	pipe, sink := chanio.PipeOf[int](10)
	ch := make(chan int, 10)
	for v := range 5 {
		require.NoError(t, sink.Send(t.Context(), v))
		ch <- v
	}
	for name, src := range map[string]*chanio.Source[int]{
		"FromSlice": chanio.FromSlice(upTo(5)), "From": chanio.From(ch), "PipeOf": pipe,
	} {
		up := src.Claim("test")
		require.Equal(t, []int{-1, 0, 1}, up.AtHand(append(make([]int, 0, 3), -1)), name)
		require.Empty(t, up.AtHand(nil), name)
		v, ok, err := up.TryNext()
		require.NoError(t, err, name)
		require.True(t, ok, name)
		require.Equal(t, 2, v, name)
		up.Unread(2)
		require.Equal(t, []int{2, 3, 4}, slices.Concat(up.AtHand(make([]int, 0, 8)), up.AtHand(make([]int, 0, 8))), name)
		require.Empty(t, up.AtHand(make([]int, 0, 8)), name)
	}
}

func TestAtHandOfAClosedSourceIsNothing(t *testing.T) {
	src := chanio.FromSlice(upTo(5))
	up := src.Claim("test")
	require.NoError(t, up.Close())
	require.Empty(t, up.AtHand(make([]int, 0, 8)))
	_, ok, err := up.TryNext()
	require.False(t, ok)
	require.Equal(t, net.ErrClosed, err)
}

// TestAtHandOfFromLeavesOtherReceiversAlone checks that AtHand does not wait for a value that another receiver of the
// channel took.
func TestAtHandOfFromLeavesOtherReceiversAlone(t *testing.T) {
	const total = 2000
	ch := make(chan int, 4)
	up := chanio.From(ch).Claim("test")
	others := make(chan int)
	go func() {
		n := 0
		for range ch {
			n++
		}
		others <- n
	}()
	go func() {
		for v := range total {
			ch <- v
		}
		close(ch)
	}()
	n := 0
	for {
		n += len(up.AtHand(make([]int, 0, 4)))
		_, ok, err := up.TryNext()
		if err != nil {
			require.Equal(t, io.EOF, err)
			break
		}
		if ok {
			n++
		}
	}
	require.Equal(t, total, n+<-others)
}

func TestTryNextOfAReaderIsWhatIsBuffered(t *testing.T) {
	up := chanio.FromReader(strings.NewReader("hello")).Claim("test")
	_, ok, err := up.TryNext()
	require.False(t, ok)
	require.NoError(t, err)
	in := up.Bytes()
	require.NoError(t, in.Fill(t.Context(), 1))
	in.Discard(1)
	p, ok, err := up.TryNext()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "ello", string(p))
	_, ok, _ = up.TryNext()
	require.False(t, ok)
}

func TestOnDoneOfASourceIsLikeAfterFunc(t *testing.T) {
	src := chanio.FromSlice([]int{})
	called := make(chan struct{})
	stop := src.OnDone(func() {
		_ = src.Close() // a callback may call back
		close(called)
	})
	taken := src.OnDone(func() { t.Error("was taken back") })
	require.True(t, taken())
	require.False(t, taken(), "once")
	_, err := src.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	<-called
	require.False(t, stop(), "it has been called")
	late := make(chan struct{})
	src.OnDone(func() { close(late) })
	<-late
	require.False(t, errors.Is(src.Err(), net.ErrClosed), "the first end counts")
}
