package chaniotest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// defect is one thing that is wrong with an endpoint.
type defect int

const (
	none defect = iota
	losesOnCancel
	halfSends
	panicsOnDoubleClose
	closesLate
	reorders
	leaks
	swallowsTheError
	queuesWithoutBound
	remembersCtx
	takesCauseForEnd
	wakesOneSender
	closesUnderLock
	crashIsCleanEnd
	waitTakes
)

// TestPlantedDefectsFailTheirCases is the negative control of the suite: endpoints that are broken in one way each, and
// the case that has to find it. Cases in also need what is broken for something else. The endpoint without a defect
// passes.
func TestPlantedDefectsFailTheirCases(t *testing.T) {
	for _, planted := range []struct {
		name   string
		defect defect
		fails  string
		also   []string
	}{
		{name: "none", defect: none},
		{"loses the value on cancel", losesOnCancel, "G2-cancelled-Recv-took-nothing",
			[]string{"G2-what-C-left-comes-first", "G9-ended-ctx-hands-over", "G11-no-goroutine-stays",
				"G2-a-cancelled-wait-loses-nothing"}},
		{"half-sends", halfSends, "G2-cancelled-Send-sent-nothing",
			[]string{"G15-io.EOF-as-cause-of-a-Send"}},
		{"panics on double close", panicsOnDoubleClose, "G4-Close-is-idempotent", nil},
		{"closes late", closesLate, "G3-Close-reaches-an-idle-receiver",
			[]string{"G3-Close-reaches-a-wait"}},
		{"reorders", reorders, "G1-order-from-Send-to-Recv", orderSensitive},
		{"leaks", leaks, "G11-no-goroutine-stays", nil},
		{"swallows the error", swallowsTheError, "G1-failure-is-no-clean-end",
			[]string{"G1-the-end-follows-a-wait", "G16-a-panic-above-a-Sink-is-no-clean-end", "G16-an-exit-above-a-Sink-is-no-clean-end"}},
		{"queues without bound", queuesWithoutBound, "G8-acceptance-is-bounded", nil},
		{"receives under the ctx of an earlier call", remembersCtx, "G2-an-earlier-ctx-is-over",
			append(ctxSensitive, "G2-an-earlier-ctx-leaves-Send-alone")},
		{"sends under the ctx of an earlier call", remembersCtx, "G2-an-earlier-ctx-leaves-Send-alone",
			append(ctxSensitive, "G2-an-earlier-ctx-is-over")},
		{"takes a cause for the end of In", takesCauseForEnd, "G15-io.EOF-as-cause-of-a-Recv",
			[]string{"G15-io.EOF-as-cause-of-a-Send"}},
		{"takes a cause for the end of Out", takesCauseForEnd, "G15-io.EOF-as-cause-of-a-Send",
			[]string{"G15-io.EOF-as-cause-of-a-Recv"}},
		{"wakes one sender of an abort", wakesOneSender, "G5-an-end-wakes-every-sender",
			[]string{"G5-Close-wakes-every-sender", "G4-Close-during-everything"}},
		{"wakes one sender of a close", wakesOneSender, "G5-Close-wakes-every-sender",
			[]string{"G5-an-end-wakes-every-sender", "G4-Close-during-everything"}},
		{"closes under its lock", closesUnderLock, "G4-callbacks-may-call-back", nil},
		{"takes a panic for a clean end", crashIsCleanEnd, "G16-a-panic-above-a-Sink-is-no-clean-end",
			[]string{"G16-an-exit-above-a-Sink-is-no-clean-end"}},
		{"takes an exit for a clean end", crashIsCleanEnd, "G16-an-exit-above-a-Sink-is-no-clean-end",
			[]string{"G16-a-panic-above-a-Sink-is-no-clean-end"}},
		{"takes a value to wait for it", waitTakes, "G2-a-wait-takes-nothing",
			[]string{"G2-a-cancelled-wait-loses-nothing", "G1-the-end-follows-a-wait"}},
	} {
		t.Run(planted.name, func(t *testing.T) {
			s := typed(itself, itself, Facts{Bubble: true, Bound: 1000})
			s.connect = func(t testing.TB) (near, far *chanio.Duplex[int, int]) { return plant(t, planted.defect) }
			failed := map[string]string{}
			for _, c := range s.cases() {
				if slices.Contains(planted.also, c.name) {
					continue // it may fail, or hang, by chance
				}
				v := s.judge(t, c)
				for try := 1; c.name == planted.fails && !v.failed && try < 5; try++ { // some show in most schedules only
					v = s.judge(t, c)
				}
				if v.failed {
					failed[c.name] = v.log
				}
			}
			if planted.fails != "" {
				require.Contains(t, failed, planted.fails)
			}
			delete(failed, planted.fails)
			require.Empty(t, slices.Collect(maps.Keys(failed)), "cases that another defect is planted for\n%v", failed)
		})
	}
}

// orderSensitive are the cases that send enough for the endpoint that reorders to show.
var orderSensitive = []string{
	"G1-order-from-Send-to-All", "G1-order-from-channel-to-channel", "G10-values-of-many-senders-are-whole",
	"G5-Close-drains", "G6-half-close", "G6-closing-the-channel-is-a-half-close", "G9-ended-ctx-hands-over",
	"clogged-both-ways-by-Send", "clogged-both-ways-through-channels", "clogged-echo-by-Recv-and-Send",
	"clogged-echo-through-channels",
}

// ctxSensitive are the cases in which a ctx may end beside a call of another.
var ctxSensitive = slices.Clip([]string{
	"C-of-a-Sink-drains-on-Close", "C-of-a-Sink-is-flushed", "C-of-a-Sink-hands-over", "C-of-a-Sink-outlives-its-ctx",
	"G2-what-C-left-comes-first", "G9-ended-ctx-hands-over", "G2-cancelled-Send-sent-nothing", "G4-Close-during-everything",
})

// plant returns two connected ends, each direction a lane.
func plant(t testing.TB, d defect) (near, far *chanio.Duplex[int, int]) {
	there, back := newLane(t, d), newLane(t, d)
	near = &chanio.Duplex[int, int]{Out: there.sink(), In: back.source()}
	far = &chanio.Duplex[int, int]{Out: back.sink(), In: there.source()}
	return near, far
}

// laneSize is how many values a lane holds.
const laneSize = 64

// lane is one direction of an endpoint as a user may write it: a queue with a mutex, and a channel that tells of changes.
type lane struct {
	defect defect
	never  chan struct{} // closed after the test

	mu      sync.Mutex
	changed chan struct{}
	queue   []int
	eof     bool  // after the queue
	failure error // instead of the queue
	refused bool  // the reader wants no more
	aborts  atomic.Int32
	told    bool            // one sender, of the end
	earlier context.Context // of a call that succeeded
	closing chan struct{}   // a lock

	released chan struct{} // closed by an abort
	release  sync.Once
}

func newLane(t testing.TB, d defect) *lane {
	l := &lane{defect: d, never: make(chan struct{}), changed: make(chan struct{}), released: make(chan struct{}), closing: make(chan struct{}, 1)}
	t.Cleanup(func() { close(l.never) })
	return l
}

func (l *lane) sink() *chanio.Sink[int] {
	return chanio.NewSink(chanio.SinkHooks[int]{
		Send: l.send, TrySend: l.trySend, Flush: l.flush, Close: l.close, Abort: l.abort,
		End: &chanio.End{Released: l.released},
	})
}

func (l *lane) source() *chanio.Source[int] {
	return chanio.NewSource(chanio.SourceHooks[int]{
		Next: l.next, Close: l.closeReader, Lend: l.lend, Unlend: l.unlend, Await: l.await,
	})
}

// until waits for try to return true. It is called with l.mu held.
func (l *lane) until(ctx context.Context, try func() bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !try() {
		var earlier <-chan struct{}
		if l.defect == remembersCtx && l.earlier != nil && l.earlier.Err() == nil && l.earlier != ctx {
			earlier = l.earlier.Done()
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
			l.mu.Lock()
		case <-earlier:
			l.mu.Lock()
			return context.Canceled
		case <-ctx.Done():
			l.mu.Lock()
			if l.defect == takesCauseForEnd {
				return context.Cause(ctx)
			}
			return chanio.Cause(ctx)
		}
	}
	if l.earlier == nil || l.earlier.Err() != nil {
		l.earlier = ctx
	}
	return nil
}

// change applies f and tells everybody.
func (l *lane) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.tell()
}

func (l *lane) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lane) send(ctx context.Context, v int) error {
	if l.defect == leaks {
		go func() { <-l.never }()
	}
	var err error
	if ended := l.until(ctx, func() bool {
		ok := false
		ok, err = l.put(v)
		return ok || err != nil
	}); ended != nil {
		if l.defect == halfSends {
			l.change(func() { l.queue = append(l.queue, -v) })
		}
		return ended
	}
	return err
}

func (l *lane) trySend(v int) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(v)
}

func (l *lane) put(v int) (bool, error) {
	if l.defect == wakesOneSender && (l.failure != nil || l.eof) {
		if l.told {
			return false, nil
		}
		l.told = true
	}
	switch {
	case l.failure != nil:
		return false, l.failure
	case l.refused || l.eof:
		return false, net.ErrClosed
	case len(l.queue) >= laneSize && l.defect != queuesWithoutBound:
		return false, nil
	}
	l.queue = append(l.queue, v)
	if n := len(l.queue); l.defect == reorders && v == 150 && n > 1 {
		l.queue[n-1], l.queue[n-2] = l.queue[n-2], l.queue[n-1]
	}
	l.tell()
	return true, nil
}

func (l *lane) flush(ctx context.Context) error {
	var err error
	ended := l.until(ctx, func() bool {
		if err = l.failure; err == nil && l.refused && len(l.queue) > 0 {
			err = net.ErrClosed
		}
		return err != nil || len(l.queue) == 0
	})
	return cmp.Or(ended, err)
}

func (l *lane) close() error {
	if l.defect == closesUnderLock {
		l.closing <- struct{}{}
		defer func() { <-l.closing }()
	}
	l.change(func() { l.eof = true })
	ctx, cancel := context.WithTimeoutCause(context.Background(), chanio.DefaultLinger, os.ErrDeadlineExceeded)
	defer cancel()
	err := l.flush(ctx)
	if err != nil {
		l.fail(err)
	}
	return err
}

func (l *lane) abort(cause error) {
	if l.aborts.Add(1) > 1 && l.defect == panicsOnDoubleClose {
		panic("close of closed endpoint")
	}
	if l.defect == closesUnderLock {
		l.closing <- struct{}{}
		defer func() { <-l.closing }()
	}
	if crash := new(chanio.PanicError); l.defect == crashIsCleanEnd && errors.As(cause, &crash) {
		l.change(func() { l.eof = true })
		return
	}
	l.fail(cause)
}

func (l *lane) fail(cause error) {
	l.release.Do(func() { close(l.released) })
	l.change(func() {
		if l.failure == nil && !(l.eof && len(l.queue) == 0) {
			l.failure = fmt.Errorf("the peer aborted: %w", cause)
			l.queue = nil
		}
	})
}

func (l *lane) next(ctx context.Context) (v int, err error) {
	ended := l.until(ctx, func() bool {
		switch {
		case l.refused && l.defect != closesLate:
			err = net.ErrClosed
		case l.failure != nil && l.defect == swallowsTheError:
			err = io.EOF
		case l.failure != nil:
			err = l.failure
		case len(l.queue) > 0:
			v = l.queue[0]
			l.queue = l.queue[1:]
			l.tell()
		case l.eof:
			err = io.EOF
		default:
			return false
		}
		return true
	})
	if ended == nil && err == nil && ctx.Err() != nil && l.defect == losesOnCancel {
		ended = context.Cause(ctx)
	}
	if ended != nil {
		return 0, ended
	}
	return v, err
}

func (l *lane) lend(dst []int) []int {
	l.change(func() {
		n := min(cap(dst)-len(dst), len(l.queue))
		dst = append(dst, l.queue[:n]...)
		l.queue = l.queue[n:]
	})
	return dst
}

func (l *lane) unlend(vs []int) { l.change(func() { l.queue = slices.Concat(vs, l.queue) }) }

func (l *lane) await(ctx context.Context) error {
	v, err := l.next(ctx)
	if err == nil && l.defect != waitTakes {
		l.unlend([]int{v})
	}
	return err
}

func (l *lane) closeReader() error {
	l.change(func() { l.refused = true })
	return nil
}

// TestAPlantedCloseByTheClockFailsTheCaseOfTheSlowReader has a connection whose Close looks at the clock and not at what
// the peer takes.
func TestAPlantedCloseByTheClockFailsTheCaseOfTheSlowReader(t *testing.T) {
	for _, planted := range []bool{false, true} {
		s := subject[[]byte]{
			connect: func(testing.TB) (near, far *chanio.Duplex[[]byte, []byte]) {
				a, b := chanio.Pipe()
				if planted {
					a.Out = closingByTheClock(a.Out)
				}
				return &a.Duplex, &b.Duplex
			},
			make: makeRecord, reader: recordReader, large: manyRecords, unit: recordSize,
			size: func(p []byte) int { return len(p) }, facts: Facts{Bubble: true},
		}
		v := s.judge(t, slowCases[[]byte]()[0])
		require.Equal(t, planted, v.failed, v.log)
	}
}

func closingByTheClock(out *chanio.Sink[[]byte]) *chanio.Sink[[]byte] {
	return chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: out.Send, Flush: out.Flush, Abort: out.Abort, End: out.End(),
		Close: func() error {
			late, cancel := context.WithTimeout(context.Background(), chanio.DefaultLinger)
			defer cancel()
			defer context.AfterFunc(late, func() { out.Abort(os.ErrDeadlineExceeded) })()
			return out.Close()
		},
	})
}
