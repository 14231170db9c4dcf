package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Zip combines the first value of as with the first of bs, and so on. It ends when either ends or fails, and closes the
// other at once, dropping a value without a partner. A cancelled Recv keeps that value. Zip works in the receiver's
// goroutine. While neither source has a value, it waits for both in turn, so it detects the end of the other one within
// a quarter of a second.
func Zip[A, B, C any](as *chanio.Source[A], bs *chanio.Source[B], combine func(A, B) C) *chanio.Source[C] {
	must(combine != nil, "Zip: combine is nil")
	z := &zip[A, B, C]{as: as.Claim("pipeline.Zip"), bs: bs.Claim("pipeline.Zip"), combine: combine}
	return chanio.NewSource(hooks(stopping(&z.alarm, z.pull), z.close, func() []chanio.Description {
		return []chanio.Description{z.as.Describe(), z.bs.Describe()}
	}))
}

type zip[A, B, C any] struct {
	as      chanio.Upstream[A]
	bs      chanio.Upstream[B]
	combine func(A, B) C
	alarm   alarm
}

// The first and the longest wait for one input while neither has a value.
const (
	minTurn = time.Millisecond
	maxTurn = 256 * time.Millisecond
)

func (z *zip[A, B, C]) close() (err error) {
	defer z.alarm.stop()
	defer func() { err = errors.Join(err, z.bs.Close()) }() // even if the other one panics
	return z.as.Close()
}

func (z *zip[A, B, C]) pull(ctx context.Context) (c C, ok bool, err error) {
	var p pair[A, B]
	defer p.giveBack(z.as, z.bs)
	p.a, p.hasA, err = z.as.TryNext()
	if err == nil {
		p.b, p.hasB, err = z.bs.TryNext()
	}
	if err == nil && ctx != nil {
		err = z.await(ctx, &p)
	}
	switch {
	case err != nil:
		if !resumable(ctx, err) {
			_ = z.close() // err is returned instead
		}
		return c, false, err
	case !p.hasA || !p.hasB:
		return c, false, nil
	}
	p.hasA, p.hasB = false, false
	return z.combine(p.a, p.b), true, nil
}

// pair holds the values that a call has taken.
type pair[A, B any] struct {
	a          A
	b          B
	hasA, hasB bool
}

// giveBack puts back values that were taken and not combined.
func (p *pair[A, B]) giveBack(as chanio.Upstream[A], bs chanio.Upstream[B]) {
	if p.hasA {
		as.Unread(p.a)
	}
	if p.hasB {
		bs.Unread(p.b)
	}
}

// await waits for the values missing in p. If both are missing, it waits for each in turn.
func (z *zip[A, B, C]) await(ctx context.Context, p *pair[A, B]) (err error) {
	for turn, forA := minTurn, true; err == nil && !(p.hasA && p.hasB); forA = !forA {
		due := time.Time{}
		if !p.hasA && !p.hasB {
			due = time.Now().Add(turn)
			turn = min(2*turn, maxTurn)
		}
		if p.hasB || forA && !p.hasA {
			p.a, p.hasA, err = await(ctx, &z.alarm, due, z.as)
		} else {
			p.b, p.hasB, err = await(ctx, &z.alarm, due, z.bs)
		}
	}
	return err
}
