package chaniotest

import (
	"context"

	"github.com/stretchr/testify/require"
)

func cancelCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G2-cancelled-Recv-took-nothing", 0, cancelledRecv[T]},
		{"G2-cancelled-Send-sent-nothing", pressure, cancelledSend[T]},
		{"G2-cancel-within-a-value", raw, cancelWithinAValue[T]},
		{"G2-what-C-left-comes-first", 0, leftovers[T]},
	}
}

// cancelledRecv cancels receivers that wait, then receivers for which a value arrives at the same time.
func cancelledRecv[T any](r *run[T]) {
	r.connect()
	for range few {
		ctx, cancel, why := r.cancellable()
		c := start(func() error { _, err := r.far.next(ctx); return err })
		require.True(r, c.parked())
		cancel()
		require.ErrorIs(r, c.wait(r), why)
	}
	for i := range many {
		ctx, cancel := context.WithCancel(r.ctx)
		cancelled := start(func() error { _, err := r.far.next(ctx); return r.unread(r.far, i, err) })
		require.True(r, cancelled.parked())
		sent := start(func() error {
			defer cancel() // while the receiver wakes up
			return r.send(r.near, i)
		})
		if i%2 == 0 {
			cancel() // while the value is in transit
		}
		if err := cancelled.wait(r); err != nil {
			require.ErrorIs(r, err, context.Canceled)
		}
		require.Equal(r, []int{i}, r.take(r.far, 1), "what a cancelled Recv may have taken")
		require.NoError(r, sent.wait(r))
	}
}

// unread puts back a number that was received without an error.
func (r *run[T]) unread(e *end[T], i int, err error) error {
	if err == nil {
		e.ready = append([]int{i}, e.ready...)
	}
	return err
}

func cancelledSend[T any](r *run[T]) {
	r.connect()
	f := r.flood(r.near)
	accepted := f.cancel(r)
	sent := r.sending(r.near, accepted+1, accepted+2)
	want := append(upTo(0, accepted), accepted+1, accepted+2)
	require.Equal(r, want, r.take(r.far, len(want)), "%d was refused, so nothing of it is sent", accepted)
	require.NoError(r, sent.wait(r))

	f = r.flood(r.near)
	ctx, cancel, why := r.cancellable()
	flushed := start(func() error { return r.near.Out.Flush(ctx) })
	r.before.settle()
	cancel()
	if err := flushed.wait(r); err != nil {
		require.ErrorIs(r, err, why)
	}
	accepted = f.cancel(r)
	require.Equal(r, upTo(0, accepted), r.take(r.far, accepted), "a cancelled Flush changes nothing")
}

// cancelWithinAValue lets a value arrive one byte at a time and cancels a Recv after each byte.
func cancelWithinAValue[T any](r *run[T]) {
	d, peer, encode := r.s.raw(r.TB)
	r.Cleanup(func() { _ = peer.Close() })
	e := r.end(d)
	for i := range 2 {
		p := encode(r.s.make(i))
		for j := range p {
			ctx, cancel, why := r.cancellable()
			c := start(func() error { _, err := e.next(ctx); return err })
			require.True(r, c.parked())
			cancel()
			require.ErrorIs(r, c.wait(r), why, "%d bytes of %d", j, len(p))
			_, err := peer.Write(p[j : j+1])
			require.NoError(r, err)
		}
		require.Equal(r, []int{i}, r.take(e, 1), "the value whole")
	}
}

// leftovers leaves ranges over C early. No value is lost, whichever way the next ones are received.
func leftovers[T any](r *run[T]) {
	r.connect()
	total := 20 * few
	sent := r.sending(r.near, upTo(0, total)...)
	var got []int
	for len(got) < total {
		ctx, cancel := context.WithCancel(r.ctx)
		if v, ok := <-r.far.In.C(ctx); ok {
			got = append(got, r.far.numbers(v)...)
		}
		cancel()
		if len(got) < total {
			got = append(got, r.take(r.far, 1)...)
		}
		got = append(got, r.far.ready...)
		r.far.ready = nil
	}
	require.Equal(r, upTo(0, total), got)
	require.NoError(r, sent.wait(r))
}
