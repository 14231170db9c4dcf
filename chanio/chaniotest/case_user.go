package chaniotest

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func userCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G4-callbacks-may-call-back", 0, callBack[T]},
		{"G5-an-end-wakes-every-sender", pressure, func(r *run[T]) { endWakesAll(r, (*end[T]).abortNow) }},
		{"G5-Close-wakes-every-sender", pressure | anEnd, func(r *run[T]) { endWakesAll(r, (*end[T]).closeNow) }},
		{"G16-a-panic-above-a-Sink-is-no-clean-end", anEnd, func(r *run[T]) { crashAboveSink(r, func() { panic(errCrash) }) }},
		{"G16-an-exit-above-a-Sink-is-no-clean-end", anEnd, func(r *run[T]) { crashAboveSink(r, runtime.Goexit) }},
	}
}

var errCrash = errors.New("crashed by the suite")

// callBack calls every method from a function given to OnDone, while Close waits for a peer that reads nothing.
func callBack[T any](r *run[T]) {
	r.connect()
	if r.s.has()&pressure != 0 {
		r.tryFill(r.near)
	}
	ended, cancel := context.WithCancel(r.ctx)
	cancel()
	callback := func(e *end[T], told chan struct{}) func() {
		return func() {
			if e.Out != nil {
				_ = e.Out.Flush(ended)
				_, _ = e.Out.TrySend(r.s.make(0))
				e.Out.Abort(errCrash)
				_ = e.Out.Close()
				e.Out.OnDone(func() {})
			}
			if e.In != nil {
				_ = e.In.Close()
				_, _ = e.In.Recv(ended)
			}
			close(told)
		}
	}
	out, in := make(chan struct{}), make(chan struct{})
	r.near.Out.OnDone(callback(r.near, out))
	r.far.In.OnDone(callback(r.far, in))
	began := time.Now()
	closing := start(r.near.Out.Close)
	<-out
	_ = closing.wait(r)
	if r.s.facts.Bubble {
		require.Zero(r, time.Since(began), "the Abort of a callback waited for Close")
	}
	require.NoError(r, r.far.In.Close())
	<-in
	<-r.near.Out.Done()
}

func (e *end[T]) abortNow() error { e.Out.Abort(errCrash); return nil }

func (e *end[T]) closeNow() error { return e.Out.Close() }

// endWakesAll ends the stream while several senders wait for room.
func endWakesAll[T any](r *run[T], finish func(e *end[T]) error) {
	r.connect()
	f := r.flood(r.near)
	var blocked []*call[error]
	for i := range few {
		c := r.sending(r.near, marker-1-i)
		if !c.parked() {
			r.Skip("the kernel made room late: give the sockets smaller buffers")
		}
		blocked = append(blocked, c)
	}
	start(func() error { return finish(r.near) }) // ends with the case
	for _, c := range append(blocked, f.over) {
		err := c.wait(r)
		if err == nil && !r.s.facts.Bubble {
			r.Skip("the kernel made room late: give the sockets smaller buffers")
		}
		require.True(r, errors.Is(err, errCrash) || errors.Is(err, net.ErrClosed), "what a sender that waited is told: %v", err)
	}
}

// crashAboveSink makes user code of a Sink above near panic, or call runtime.Goexit, in the goroutine of its channel.
func crashAboveSink[T any](r *run[T], exit func()) {
	r.connect()
	sent := r.sending(r.near, upTo(0, few)...)
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	out := r.near.Out
	above := chanio.NewSink(chanio.SinkHooks[T]{
		Send:  func(context.Context, T) error { exit(); return nil },
		Flush: out.Flush, Close: out.Close, Abort: out.Abort, End: out.End(),
	})
	r.put(above.C(r.ctx), r.s.make(few))
	<-out.Done()
	var crash *chanio.PanicError
	require.ErrorAs(r, above.Close(), &crash)
	require.ErrorAs(r, out.Err(), &crash, "the sink below has ended with it")
	require.ErrorAs(r, out.Send(r.ctx, r.s.make(few)), &crash)
	if r.s.facts.NoReset {
		return
	}
	_, err := r.far.In.Recv(r.ctx)
	require.Error(r, err)
	require.NotEqual(r, io.EOF, err, "the peer took a crash for a clean end")
}
