package chaniotest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

func closeCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G3-Close-reaches-an-idle-receiver", 0, closeReachesIdle[T]},
		{"G4-Close-is-idempotent", 0, closeIsIdempotent[T]},
		{"G4-Close-during-everything", 0, closeDuringEverything[T]},
		{"G5-Close-drains", anEnd, closeDrains[T]},
		{"G5-Close-unblocks-senders", pressure | anEnd, closeUnblocks[T]},
		{"G5-Abort-discards-and-unblocks", pressure | transit, abortUnblocks[T]},
		{"G5-Close-waits-for-the-linger-bound", pressure | clock | transit, lingerBound[T]},
		{"G7-last-value-before-Close-arrives", bothWays | anEnd, lastValue[T]},
		{"G8-acceptance-is-bounded", pressure, acceptanceIsBounded[T]},
		{"G11-no-goroutine-stays", 0, noGoroutineStays[T]},
	}
}

func closeReachesIdle[T any](r *run[T]) {
	r.connect()
	waiting := start(func() error { _, err := r.far.In.Recv(r.ctx); return err })
	require.True(r, waiting.parked())
	require.NoError(r, r.far.In.Close())
	require.ErrorIs(r, waiting.wait(r), net.ErrClosed)

	r.connect()
	ranging := start(func() int {
		n := 0
		for range r.far.In.C(r.ctx) {
			n++
		}
		return n
	})
	require.True(r, ranging.parked())
	require.NoError(r, r.far.In.Close())
	require.Zero(r, ranging.wait(r))
	require.ErrorIs(r, r.far.In.Err(), net.ErrClosed)
}

func closeIsIdempotent[T any](r *run[T]) {
	r.connect()
	if !r.s.oneWay {
		r.endOut(r.far) // so that near does not linger
	}
	require.NoError(r, closeBoth(r.near))
	for range 3 {
		require.NoError(r, closeBoth(r.near))
		r.near.Out.Abort(errors.New("too late"))
		r.near.Out.Abort(nil)
	}
	_ = closeBoth(r.far)
	_ = closeBoth(r.far)
	require.Error(r, r.near.Out.Send(r.ctx, r.s.make(0)))
	if r.near.In != nil {
		_, err := r.near.In.Recv(r.ctx)
		require.Error(r, err)
	}
}

// closeBoth closes both halves of e. An end that cannot half-close is not a failure here.
func closeBoth[T any](e *end[T]) error {
	if e.In != nil && e.Out != nil {
		return e.Close()
	}
	if e.In != nil {
		return e.In.Close()
	}
	if err := e.Out.Close(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// closeDuringEverything calls every method while other goroutines close.
func closeDuringEverything[T any](r *run[T]) {
	for round := range 20 {
		ctx, cancel := context.WithCancel(r.ctx)
		r.connect()
		var users []*call[error]
		for _, e := range []*end[T]{r.near, r.far} {
			users = append(users, r.using(ctx, e, round)...)
		}
		if round%3 != 0 {
			giveWay()
		}
		var closers []*call[error]
		for _, e := range []*end[T]{r.near, r.far} {
			closers = append(closers, r.closing(e, round)...)
		}
		if !r.s.facts.Bubble {
			r.abortBoth() // otherwise two ends that no longer read wait for the linger bound
		}
		for _, c := range closers {
			_ = c.wait(r)
		}
		for _, c := range users {
			_ = c.wait(r)
		}
		cancel()
	}
}

func (r *run[T]) abortBoth() {
	giveWay()
	for _, e := range []*end[T]{r.near, r.far} {
		if e.Out != nil {
			e.Out.Abort(nil)
		}
	}
}

// using starts the calls that a program may make on e, until e has ended.
func (r *run[T]) using(ctx context.Context, e *end[T], round int) (users []*call[error]) {
	if out := e.Out; out != nil {
		users = append(users,
			start(func() error { return untilError(func() error { return out.Send(ctx, r.s.make(1)) }) }),
			start(func() error { return untilError(func() error { return r.tryOnce(ctx, out) }) }),
			start(func() error { return flushing(ctx, out) }),
			start(func() error { return feeding(ctx, out, r.s.make(3)) }))
	}
	if in := e.In; in != nil && round%2 == 0 {
		users = append(users, start(func() error { return untilError(func() error { _, err := in.Recv(ctx); return err }) }))
	} else if in != nil {
		users = append(users, start(func() error {
			for range in.C(ctx) {
				giveWay()
			}
			return in.Err()
		}))
	}
	return users
}

// tryOnce is TrySend. In a bubble it sleeps briefly when there is no room, because otherwise no time would pass for
// others.
func (r *run[T]) tryOnce(ctx context.Context, out *chanio.Sink[T]) error {
	ok, err := out.TrySend(r.s.make(2))
	if ok || err != nil || !r.s.facts.Bubble {
		return err
	}
	select {
	case <-time.After(time.Second / 10):
		return nil
	case <-ctx.Done():
		return ctx.Err() // the case is over
	}
}

func untilError(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
		giveWay()
	}
}

func flushing[T any](ctx context.Context, out *chanio.Sink[T]) error {
	for !deadline.Ended(out.Done()) {
		if err := out.Flush(ctx); err != nil {
			return err
		}
		giveWay()
	}
	return nil
}

// feeding sends on a channel that it does not close, so it also watches Done.
func feeding[T any](ctx context.Context, out *chanio.Sink[T], v T) error {
	c := out.C(ctx)
	for {
		select {
		case c <- v:
			giveWay()
		case <-out.Done():
			return nil
		}
	}
}

// closing starts everything that ends e, in several goroutines.
func (r *run[T]) closing(e *end[T], round int) (closers []*call[error]) {
	if e.Out != nil {
		closers = append(closers, start(e.Out.Close), start(e.Out.Close))
		if round%2 == 0 {
			closers = append(closers, start(func() error { e.Out.Abort(errors.New("aborted")); return nil }))
		}
	}
	if e.In != nil {
		closers = append(closers, start(e.In.Close), start(e.In.Close))
	}
	return closers
}

func closeDrains[T any](r *run[T]) {
	r.connect()
	closed := start(func() error {
		if err := r.send(r.near, upTo(0, many)...); err != nil {
			return err
		}
		return closeBoth(r.near)
	})
	got, err := r.far.rest(r.ctx)
	require.Equal(r, io.EOF, err)
	require.Equal(r, upTo(0, many), got)
	require.NoError(r, closeBoth(r.far))
	require.NoError(r, closed.wait(r))
	require.NoError(r, r.near.Out.Err())
}

func closeUnblocks[T any](r *run[T]) {
	r.connect()
	f := r.flood(r.near)
	closed := r.endOut(r.near)
	refused := f.over.wait(r)
	require.ErrorIs(r, refused, net.ErrClosed, "Close did not unblock Send")
	accepted := int(f.accepted.Load())
	got, err := r.far.rest(r.ctx)
	require.Equal(r, io.EOF, err)
	require.Equal(r, upTo(0, accepted), got, "what was accepted arrives, what was refused does not")
	require.NoError(r, closeBoth(r.far))
	require.NoError(r, closed.wait(r))
}

func abortUnblocks[T any](r *run[T]) {
	r.connect()
	f := r.flood(r.near)
	flushing := start(func() error { return r.near.Out.Flush(r.ctx) })
	closing := start(r.near.Out.Close)
	why := errors.New("aborted by the suite")
	r.before.settle()
	r.near.Out.Abort(why)
	sent, flushed, closed := f.over.wait(r), flushing.wait(r), closing.wait(r)
	if (closed == nil || flushed == nil) && !r.s.facts.Bubble {
		r.Skip("the kernel took everything that was accepted: give the sockets smaller buffers")
	}
	require.Error(r, sent, "Abort did not unblock Send")
	require.Error(r, flushed, "Abort did not unblock Flush")
	require.Error(r, closed, "Abort did not unblock Close")
	require.ErrorIs(r, r.near.Out.Err(), why)
	<-r.near.Out.Done()
	got, _ := r.far.rest(r.ctx)
	require.Equal(r, upTo(0, len(got)), got)
	require.LessOrEqual(r, len(got), int(f.accepted.Load()))
}

func lingerBound[T any](r *run[T]) {
	r.connect()
	r.fill(r.near)
	if !r.s.facts.Bubble {
		r.stuff(r.near, r.s.facts.Linger)
	}
	began := time.Now()
	err := r.near.Out.Close()
	took := time.Since(began)
	if err == nil && !r.s.facts.Bubble {
		r.Skip("the kernel took everything that was accepted: give the sockets smaller buffers")
	}
	require.ErrorIs(r, err, os.ErrDeadlineExceeded, "a peer that takes nothing ends the wait")
	require.ErrorIs(r, r.near.Out.Err(), os.ErrDeadlineExceeded, "and Close says so")
	require.ErrorIs(r, r.near.Out.Close(), os.ErrDeadlineExceeded)
	if r.s.facts.Bubble {
		linger := r.s.facts.Linger
		if linger == 0 {
			linger = chanio.DefaultLinger
		}
		require.Equal(r, linger, took.Round(linger/100))
	}
}

// lastValue closes while received input is unread. A careless close resets the connection then, and the last value is
// lost.
func lastValue[T any](r *run[T]) {
	for range 20 {
		r.connect()
		unread := r.sending(r.far, upTo(0, few)...)
		require.NoError(r, unread.wait(r))
		closed := start(func() error {
			if err := r.send(r.near, 7); err != nil {
				return err
			}
			return r.near.Close()
		})
		got, err := r.far.rest(r.ctx)
		require.Equal(r, io.EOF, err)
		require.Equal(r, []int{7}, got)
		_ = r.far.Close() // may report that its own values were refused
		require.NoError(r, closed.wait(r))
	}
}

func acceptanceIsBounded[T any](r *run[T]) {
	r.connect()
	f := r.floodBy(r.near.Out.Send)
	require.True(r, r.clogged(f), "%d values were accepted and none was read", f.accepted.Load())
	f.finish()
	got := r.far.takeFlood(r.ctx)
	require.NoError(r, f.over.wait(r))
	require.Equal(r, upTo(0, int(f.accepted.Load())), got)

	accepted, clogged := r.tryFill(r.near)
	require.True(r, clogged, "%d values were accepted by TrySend and none was read", accepted)
	require.Equal(r, upTo(0, accepted), r.take(r.far, accepted))
}

// noGoroutineStays cancels every kind of call, and then closes.
func noGoroutineStays[T any](r *run[T]) {
	r.connect()
	sent := r.sending(r.near, upTo(0, few)...)
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	connected := takeCensus()
	ctx, cancel := context.WithCancel(r.ctx)
	in := r.far.In.C(ctx)
	sent = r.sending(r.near, upTo(0, few)...)
	r.far.ready = r.far.numbers(<-in)
	cancel()
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	r.gone(connected, "the range over C was left and its ctx has ended")

	ctx, cancel = context.WithCancel(r.ctx)
	r.put(r.near.Out.C(ctx), r.s.make(few))
	r.far.In.C(ctx)
	waiting := start(func() error { return r.near.Out.Flush(ctx) })
	cancel()
	_ = waiting.wait(r)
	for _, e := range []*end[T]{r.near, r.far} {
		if e.Out != nil {
			e.Out.Abort(nil)
		}
		if e.In != nil {
			_ = e.In.Close()
		}
	}
	r.gone(r.before, "both ends are closed")
}

func (r *run[T]) gone(since census, when string) {
	r.Helper()
	if left := since.remaining(); len(left) > 0 {
		r.Fatalf("%d goroutines remain although %s:\n\n%s", len(left), when, joinStacks(left))
	}
}
