package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Zip combines the first value of as with the first of bs, and so on. It ends with the first of the two to end or fail,
// and closes the other at once; a value that has no partner is dropped then. A cancel keeps it. Zip works in the
// goroutine of the receiver. While neither has a value it waits for both in turn, so that it notices the end of the other
// one within a quarter of a second.
func Zip[A, B, C any](as *chanio.Source[A], bs *chanio.Source[B], combine func(A, B) C) *chanio.Source[C] {
	must(combine != nil, "Zip: combine is nil")
	z := &zip[A, B, C]{as: as.Claim("pipeline.Zip"), bs: bs.Claim("pipeline.Zip"), combine: combine}
	return chanio.NewSource(chanio.SourceHooks[C]{
		Next: z.next, TryNext: z.tryNext, Close: z.close,
		Describe: func() chanio.Description { return describe(z.as.Describe(), z.bs.Describe()) },
	})
}

type zip[A, B, C any] struct {
	as      chanio.Upstream[A]
	bs      chanio.Upstream[B]
	combine func(A, B) C
	alarm   alarm
}

// The first and the longest wait for one input while the other has no value either.
const (
	minTurn = time.Millisecond
	maxTurn = 256 * time.Millisecond
)

func (z *zip[A, B, C]) close() error {
	defer z.alarm.stop()
	return errors.Join(z.as.Close(), z.bs.Close())
}

// end closes both inputs if err, of one of them, is its end. It returns what a receiver is told.
func (z *zip[A, B, C]) end(ctx context.Context, err error) error {
	if !chanio.Resumable(ctx, err) {
		_ = z.close() // err is what matters
	}
	return err
}

func (z *zip[A, B, C]) tryNext() (c C, ok bool, err error) {
	p, err := z.atHand()
	if err != nil {
		return c, false, z.end(context.Background(), err)
	}
	defer p.giveBack(z)
	if !p.hasA || !p.hasB {
		return c, false, nil
	}
	return p.combine(z), true, nil
}

func (z *zip[A, B, C]) next(ctx context.Context) (c C, err error) {
	p, err := z.atHand()
	if err == nil {
		defer p.giveBack(z)
		err = p.complete(ctx, z)
	}
	if err != nil {
		return c, z.end(ctx, err)
	}
	return p.combine(z), nil
}

// pair is what a call has taken.
type pair[A, B, C any] struct {
	a          A
	b          B
	hasA, hasB bool
}

// atHand takes what needs no wait. If one input has ended it holds nothing.
func (z *zip[A, B, C]) atHand() (p pair[A, B, C], err error) {
	if p.a, p.hasA, err = z.as.TryNext(); err != nil {
		return p, err
	}
	defer func() {
		if err != nil {
			p.giveBack(z)
		}
	}()
	p.b, p.hasB, err = z.bs.TryNext()
	return p, err
}

// complete waits for what is missing.
func (p *pair[A, B, C]) complete(ctx context.Context, z *zip[A, B, C]) (err error) {
	turnOfA := true
	for turn := minTurn; !p.hasA && !p.hasB; turn = min(2*turn, maxTurn) {
		bound := z.alarm.within(ctx, turn)
		if turnOfA {
			p.a, err = z.as.Next(bound)
			p.hasA = err == nil
		} else {
			p.b, err = z.bs.Next(bound)
			p.hasB = err == nil
		}
		if err != nil && !rang(ctx, err) {
			if of := interrupted(ctx, err); of != nil {
				return of
			}
			return err
		}
		turnOfA = !turnOfA
	}
	if !p.hasA {
		p.a, err = z.as.Next(ctx)
		p.hasA = err == nil
	} else if !p.hasB {
		p.b, err = z.bs.Next(ctx)
		p.hasB = err == nil
	}
	return err
}

func (p *pair[A, B, C]) combine(z *zip[A, B, C]) C {
	p.hasA, p.hasB = false, false
	return z.combine(p.a, p.b)
}

// giveBack puts back what was taken and not combined.
func (p *pair[A, B, C]) giveBack(z *zip[A, B, C]) {
	if p.hasA {
		z.as.Unread(p.a)
	}
	if p.hasB {
		z.bs.Unread(p.b)
	}
}
