package chaniotest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// suiteCase is one row of the table: a guarantee of package chanio and what a test of it needs.
type suiteCase[T any] struct {
	name  string
	needs need
	run   func(r *run[T])
}

// need is a property that an endpoint must have for a case to apply.
type need int

const (
	bothWays  need = 1 << iota // In and Out on both ends
	anEnd                      // the peer sees the end
	halfClose                  // and In outlives it
	pressure                   // a peer that does not read makes Send wait
	raw                        // access to the bytes below
	memory                     // values that own memory
	clock                      // exact time, or a short linger bound
	lacksHalf                  // no half-close
	transit                    // accepted values may not have arrived yet
	large                      // one value that fills every buffer
	steady                     // time for a slow reader
)

// has returns the needs that s meets.
func (s *subject[T]) has() (met need) {
	set := func(n need, ok bool) {
		if ok {
			met |= n
		}
	}
	set(bothWays, !s.oneWay)
	set(anEnd, !s.facts.Datagrams)
	set(halfClose, !s.facts.Datagrams && !s.facts.NoHalfClose)
	set(pressure, !s.facts.Datagrams || s.facts.Reliable)
	set(raw, s.raw != nil)
	set(memory, s.scribble != nil)
	set(clock, s.facts.Bubble || s.facts.Linger > 0)
	set(lacksHalf, s.facts.NoHalfClose)
	set(transit, !s.facts.Direct)
	set(large, s.large != nil)
	set(steady, s.facts.Bubble || s.facts.Linger >= time.Second)
	return met
}

// cases returns the rows that apply to s.
func (s *subject[T]) cases() (applicable []suiteCase[T]) {
	met := s.has()
	for _, table := range [][]suiteCase[T]{
		orderCases[T](), endCases[T](), cancelCases[T](), awaitCases[T](), closeCases[T](), halfCloseCases[T](),
		consumerCases[T](), ownershipCases[T](), channelCases[T](), cloggedCases[T](), ctxCases[T](), userCases[T](), slowCases[T](),
	} {
		for _, c := range table {
			if c.needs&^met == 0 {
				applicable = append(applicable, c)
			}
		}
	}
	return applicable
}

func (s *subject[T]) test(t *testing.T) {
	t.Helper()
	t.Run("conformance", func(t *testing.T) {
		for _, c := range s.cases() {
			s.testCase(t, c)
		}
	})
}

func (s *subject[T]) testCase(t *testing.T, c suiteCase[T]) {
	t.Run(c.name, func(t *testing.T) {
		v := s.judge(t, c)
		switch {
		case v.failed:
			t.Fatal(v.log)
		case v.skipped:
			t.Skip(v.log)
		}
	})
}

// judge runs one case, in a bubble if it may.
func (s *subject[T]) judge(t *testing.T, c suiteCase[T]) (v verdict) {
	patience := s.facts.Patience
	if !s.facts.Bubble {
		if patience <= 0 {
			patience = 30 * time.Second
		}
		return judge(t, patience, func(t testing.TB) { s.runCase(t, c) })
	}
	if patience <= 0 {
		patience = time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		if v = judge(t, patience, func(t testing.TB) { s.runCase(t, c) }); v.hung {
			t.Log(v.log) // now, because the bubble panics if something still hangs
		}
	})
	return v
}

func (s *subject[T]) runCase(t testing.TB, c suiteCase[T]) {
	r := &run[T]{TB: t, s: s, ctx: t.Context(), before: takeCensus()}
	c.run(r)
}

// run is one case being run. Its methods are for the goroutine of the case.
type run[T any] struct {
	testing.TB
	s      *subject[T]
	ctx    context.Context
	before census // the goroutines before anything was connected
	near   *end[T]
	far    *end[T]
}

// end is one end of the connection, with the numbers that its receiver has decoded so far.
type end[T any] struct {
	*chanio.Duplex[T, T]
	numbers func(v T) []int
	ready   []int // received and not yet taken
}

// connect gives the case two connected ends, which are aborted after the case.
func (r *run[T]) connect() {
	near, far := r.s.connect(r.TB)
	r.near = r.end(near)
	r.far = r.end(far)
}

func (r *run[T]) end(d *chanio.Duplex[T, T]) *end[T] {
	if d.Out != nil {
		r.Cleanup(func() { panicOf(func() { d.Out.Abort(nil) }) }) // the verdict on a broken endpoint stands already
	}
	if d.In != nil {
		r.Cleanup(func() { panicOf(func() { _ = d.In.Close() }) })
	}
	return &end[T]{Duplex: d, numbers: r.s.reader()}
}

// next returns the next number that e receives.
func (e *end[T]) next(ctx context.Context) (int, error) {
	for len(e.ready) == 0 {
		v, err := e.In.Recv(ctx)
		if err != nil {
			return 0, err
		}
		e.ready = e.numbers(v)
	}
	i := e.ready[0]
	e.ready = e.ready[1:]
	return i, nil
}

// take returns the next n numbers that e receives.
func (r *run[T]) take(e *end[T], n int) []int {
	r.Helper()
	var got []int
	for len(got) < n {
		i, err := e.next(r.ctx)
		require.NoError(r, err, "after %d of %d values", len(got), n)
		got = append(got, i)
	}
	return got
}

// rest returns the remaining numbers that e receives, and the error at the end.
func (e *end[T]) rest(ctx context.Context) (got []int, err error) {
	for {
		i, err := e.next(ctx)
		if err != nil {
			return got, err
		}
		got = append(got, i)
	}
}

// send sends numbers from e, each by Send.
func (r *run[T]) send(e *end[T], numbers ...int) error {
	for _, i := range numbers {
		if err := e.Out.Send(r.ctx, r.s.make(i)); err != nil {
			return err
		}
	}
	return nil
}

// sending is send in another goroutine.
func (r *run[T]) sending(e *end[T], numbers ...int) *call[error] {
	return start(func() error { return r.send(e, numbers...) })
}

// put sends v on c. It gives up only at the end of the case.
func (r *run[T]) put(c chan<- T, v T) {
	select {
	case c <- v:
	case <-r.ctx.Done():
	}
}

// endOut half-closes e, or closes it if it cannot half-close, in another goroutine.
func (r *run[T]) endOut(e *end[T]) *call[error] {
	if r.s.facts.NoHalfClose && !r.s.oneWay {
		return start(e.Close)
	}
	return start(e.Out.Close)
}

// upTo returns the numbers from, from+1, ... to-1, or nil if there are none.
func upTo(from, to int) (numbers []int) {
	for i := from; i < to; i++ {
		numbers = append(numbers, i)
	}
	return numbers
}

// cancellable returns a ctx and a function that cancels it with the cause why.
func (r *run[T]) cancellable() (ctx context.Context, cancel func(), why error) {
	why = &causeError{r.Name()}
	ctx, cancelWith := context.WithCancelCause(r.ctx)
	r.Cleanup(func() { cancelWith(nil) })
	return ctx, func() { cancelWith(why) }, why
}

// causeError is an error that equals no other.
type causeError struct{ text string }

func (e *causeError) Error() string { return "cause given by " + e.text }
