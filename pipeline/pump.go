package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// pump gives put all values of up until one of the two fails, or ctx ends. room is how many put takes without a wait; of
// more, at least one is taken. put returns how many it took over, all of them unless there is an error. Then pump closes
// up. end is called with the reason, io.EOF if up ended cleanly: at once, and perhaps again, when that is the end of ctx.
// User code of the stages above, and of put, that panics or calls runtime.Goexit is a reason too.
func pump[T any](
	ctx context.Context, up chanio.Upstream[T], room func() int, put func([]T) (int, error), end func(error),
) {
	var err error
	m := newMover(up)
	m.wanted = room
	stop := context.AfterFunc(ctx, func() { end(chanio.Cause(ctx)) })
	defer func() {
		stop()
		end(err)
	}()
	defer safely(&err, func() { _ = up.Close() }) // err is what matters
	defer safely(&err, m.giveBack)
	defer safely(&err, func() {
		if crash, ok := err.(*chanio.PanicError); ok {
			_ = up.Fail(ctx, crash)
		}
	})
	safely(&err, func() { err = m.run(ctx, put, nothing) })
}

// safely calls f, and makes *err a *chanio.PanicError if f panics or calls runtime.Goexit.
func safely(err *error, f func()) {
	returned := false
	defer func() {
		if !returned {
			*err = chanio.Recovered(recover())
		}
	}()
	f()
	returned = true
}

// maxMoved is how many values move at a time: enough that what is paid for each time, a lock and a wake-up, does not count.
const maxMoved = 64

// mover takes values from a source to where they are accepted, many at a time where no code of the user makes them.
type mover[T any] struct {
	up   chanio.Upstream[T]
	room []T // grows while it is filled
	most int // 1 if the values must be closed, so that none is lost to a panic

	wanted func() int // how many to take at most, or 1; nil: no limit

	held []T  // taken and not accepted; in room
	full bool // room was filled the last time
}

func newMover[T any](up chanio.Upstream[T]) *mover[T] {
	m := &mover[T]{up: up, most: maxMoved}
	if up.Undelivered() != nil {
		m.most = 1
	}
	m.room = make([]T, 0, min(4, m.most))
	return m
}

// atHand takes values that need no code of the user, and reports whether there are any.
func (m *mover[T]) atHand() bool {
	if m.full && cap(m.room) < m.most {
		m.room = make([]T, 0, 2*cap(m.room))
	}
	m.held = m.up.AtHand(m.room[:0:m.limit()])
	m.full = len(m.held) == cap(m.room)
	return len(m.held) > 0
}

func (m *mover[T]) limit() int {
	if m.wanted == nil {
		return cap(m.room)
	}
	return min(max(m.wanted(), 1), cap(m.room))
}

// next waits for a value, and takes it with those behind it that are at hand.
func (m *mover[T]) next(ctx context.Context) error {
	v, err := m.up.Next(ctx)
	if err != nil {
		return err
	}
	m.room = m.room[:1]
	m.room[0] = v
	m.held = m.up.AtHand(m.room[:1:m.limit()])
	return nil
}

// try takes one value if that needs no wait.
func (m *mover[T]) try() bool {
	v, ok, _ := m.up.TryNext()
	if ok {
		m.held = append(m.room[:0], v)
	}
	return ok
}

// accepted notes that the first n of the values that are held were accepted.
func (m *mover[T]) accepted(n int) {
	clear(m.held[:n])
	m.held = m.held[n:]
}

// giveBack puts back what was not accepted.
func (m *mover[T]) giveBack() {
	held := m.held
	m.held = nil
	unreadAll(m.up, held)
}

// run gives put all values until something fails. It calls idle before it waits.
func (m *mover[T]) run(ctx context.Context, put func([]T) (int, error), idle func()) error {
	for done := ctx.Done(); ; {
		if hasEnded(done) {
			return chanio.Cause(ctx)
		}
		if !m.atHand() && !m.try() {
			idle()
			if err := m.next(ctx); err != nil {
				return err
			}
		}
		n, err := put(m.held)
		m.accepted(n)
		if err != nil {
			return err
		}
	}
}

func nothing() {}
