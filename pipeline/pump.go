package pipeline

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// pump passes all values of up to put until one of them fails or ctx ends. room is how many values put takes without a
// wait; of more than that, it takes at least one. put returns how many values it took: all of them unless there is an
// error. Then pump closes up. It calls end with the reason, io.EOF if up ended cleanly. When ctx ends, it calls end at
// once, and perhaps once more. A panic or runtime.Goexit in user code of the stages above, or of put, is a reason as
// well.
func pump[T any](
	ctx context.Context, up chanio.Upstream[T], room func() int, put func([]T) (int, error), end func(error),
) {
	var err error
	m := newMover(up)
	m.wanted = room
	stop := context.AfterFunc(ctx, func() { end(final(chanio.Cause(ctx))) })
	defer func() {
		stop()
		end(final(err))
	}()
	defer safely(&err, func() { _ = up.Close() }) // err is returned instead
	defer safely(&err, m.giveBack)
	defer safely(&err, func() {
		if crash, ok := err.(*chanio.PanicError); ok {
			_ = up.Fail(ctx, crash)
		}
	})
	safely(&err, func() { err = m.run(ctx, putFunc[T](put)) })
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

// maxMoved is the largest number of values moved at a time. It is enough to make the cost of each move, a lock and a
// wake-up, negligible.
const maxMoved = 64

// mover takes values from a source to a consumer. Values that need no user code move many at a time.
type mover[T any] struct {
	up   chanio.Upstream[T]
	room []T // grows while it is filled
	most int // 1 if values must be closed, so that a panic loses none

	wanted func() int // the most values to take, at least 1; nil: no limit

	held  []T  // taken and not yet accepted; a part of room
	lends bool // values are used up before the next ones are taken, so the source may lend them
	lent  int  // how many at the end of held are lent
	full  bool // room was filled the last time
}

func newMover[T any](up chanio.Upstream[T]) mover[T] {
	m := mover[T]{up: up, most: maxMoved}
	if up.Undelivered() != nil {
		m.most = 1
	}
	m.room = make([]T, 0, 1) // all that an idle source needs
	return m
}

// atHand takes values that need no user code and reports whether there were any.
func (m *mover[T]) atHand() bool {
	if m.full && cap(m.room) < m.most {
		m.room = make([]T, 0, 2*cap(m.room))
	}
	m.take(m.room[:0:m.limit()])
	m.full = len(m.held) == cap(m.room)
	return len(m.held) > 0
}

// take appends to dst, which is a part of room, values that need no user code.
func (m *mover[T]) take(dst []T) {
	if !m.lends {
		m.held = m.up.AtHand(dst)
		return
	}
	m.held = m.up.Lend(dst)
	m.lent = len(m.held) - len(dst)
}

func (m *mover[T]) limit() int {
	if m.wanted == nil || cap(m.room) == 1 { // of one value, at least one is taken
		return cap(m.room)
	}
	return min(max(m.wanted(), 1), cap(m.room))
}

// next waits for a value and takes it together with those at hand after it.
func (m *mover[T]) next(ctx context.Context) error {
	if m.lends {
		if err := m.up.Await(ctx); err != nil || m.atHand() {
			return err
		}
	}
	m.room = m.room[:1]
	var err error
	if m.room[0], err = m.up.Next(ctx); err != nil {
		return err
	}
	m.held = m.room[:1]
	m.take(m.room[:1:m.limit()])
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

// accepted records that the first n held values were accepted.
func (m *mover[T]) accepted(n int) {
	clear(m.held[:n])
	m.held = m.held[n:]
	m.lent = min(m.lent, len(m.held))
}

// giveBack puts back the values that were not accepted.
func (m *mover[T]) giveBack() {
	owned, lent := m.held[:len(m.held)-m.lent], m.held[len(m.held)-m.lent:]
	m.held, m.lent = nil, 0
	if len(lent) > 0 {
		m.up.Unlend(lent)
	}
	unreadAll(m.up, owned)
}

// taker takes the values of a mover.
type taker[T any] interface {
	put(ctx context.Context, vs []T) (int, error) // returns how many were accepted
	idle()                                        // is called before a wait
}

// putFunc is a taker that is called only with values.
type putFunc[T any] func([]T) (int, error)

func (f putFunc[T]) put(_ context.Context, vs []T) (int, error) { return f(vs) }
func (f putFunc[T]) idle()                                      {}

// run passes all values to t until something fails.
func (m *mover[T]) run(ctx context.Context, t taker[T]) error {
	for {
		if ctx.Err() != nil {
			return chanio.Cause(ctx)
		}
		if !m.atHand() && !m.try() {
			t.idle()
			if err := m.next(ctx); err != nil {
				return err
			}
		}
		n, err := t.put(ctx, m.held)
		m.accepted(n)
		if err != nil {
			return err
		}
	}
}
