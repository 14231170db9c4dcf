package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// TestRandomNetworksAgreeWithAModel builds random networks of stages with several inputs and outputs, whose edges are TCP,
// Unix and in-memory connections, and disturbs half of them by closing, aborting, cancelling, failing or panicking
// somewhere. What arrives is what the model of the network admits. It is all of that if nothing disturbs, and a clean end
// never comes before it. After a Close at the far end everything winds down by itself. One seed is one network, on 1, 2
// or 8 processors; WEIR_SEED repeats it.
func TestRandomNetworksAgreeWithAModel(t *testing.T) {
	chaniotest.NoLeak(t)
	dir := t.TempDir()
	repeated(t, func(t *testing.T, seed uint64) { runNetwork(t, seed, dir) })
}

func runNetwork(t *testing.T, seed uint64, dir string) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS([]int{1, 2, 8}[seed%3]))
	n := &network{T: t, Rand: rand.New(rand.NewPCG(seed, 7)), dir: dir}
	n.fails = n.IntN(2) == 0
	n.ctx, n.cancel = context.WithCancelCause(t.Context())
	watchdog := time.AfterFunc(2*time.Minute, func() {
		buf := make([]byte, 4<<20)
		panic(fmt.Sprintf("WEIR_SEED=%d hangs: %s\n%s", seed, strings.Join(n.path, " "), buf[:runtime.Stack(buf, true)]))
	})
	defer watchdog.Stop()
	defer func() {
		if t.Failed() {
			t.Errorf("WEIR_SEED=%d: %s", seed, strings.Join(n.path, " "))
		}
	}()
	n.run()
}

type lines = *chanio.Source[string]

// network is one run.
type network struct {
	*testing.T
	*rand.Rand
	dir    string
	ctx    context.Context // of the stages
	cancel context.CancelCauseFunc
	path   []string

	work   sync.WaitGroup // producers and hops
	names  int            // of producers
	conns  []*chanio.Conn
	inner  []lines      // sources that somebody else may close
	early  bool         // a clean end may come early: a Zip ends with its shorter input, a Unix abort looks like an end
	broken atomic.Bool  // something has been disturbed
	crash  atomic.Int64 // calls of user functions until one panics or fails; 0: none does
	fails  bool         // it fails
}

// grammar is what one Source of a network may yield.
type grammar interface {
	accept(v string) error // v is the next value
	total() int            // the number of values if nothing is disturbed
	fresh() grammar        // a copy that has seen nothing
}

// counting is the grammar of a producer.
type counting struct{ name, n, next int }

func (c *counting) total() int     { return c.n }
func (c *counting) fresh() grammar { return &counting{name: c.name, n: c.n} }
func (c *counting) accept(v string) error {
	if want := fmt.Sprintf("%d:%d", c.name, c.next); v != want || c.next == c.n {
		return fmt.Errorf("%q instead of %q of %d", v, want, c.n)
	}
	c.next++
	return nil
}

// union is the grammar of several inputs whose values carry the number of theirs. If inOrder is true, those of one come
// after all of the one before.
type union struct {
	of      *network
	kids    []grammar
	inOrder bool
	seen    int
}

func (u *union) total() (sum int) {
	for _, k := range u.kids {
		sum += k.total()
	}
	return sum
}

func (u *union) fresh() grammar {
	c := &union{of: u.of, inOrder: u.inOrder}
	for _, k := range u.kids {
		c.kids = append(c.kids, k.fresh())
	}
	return c
}

func (u *union) accept(v string) error {
	number, rest, _ := strings.Cut(v, "/")
	from, err := strconv.Atoi(number)
	if err != nil || from >= len(u.kids) {
		return fmt.Errorf("%q is from no input", v)
	}
	if u.inOrder && !(u.of.early && u.of.broken.Load()) {
		before := 0
		for _, k := range u.kids[:from] {
			before += k.total()
		}
		if u.seen < before || u.seen >= before+u.kids[from].total() {
			return fmt.Errorf("%q is number %d, but %d come before", v, u.seen, before)
		}
	}
	u.seen++
	return u.kids[from].accept(rest)
}

// pairing is the grammar of Zip.
type pairing struct{ a, b grammar }

func (p *pairing) total() int     { return min(p.a.total(), p.b.total()) }
func (p *pairing) fresh() grammar { return &pairing{p.a.fresh(), p.b.fresh()} }
func (p *pairing) accept(v string) error {
	size, rest, _ := strings.Cut(v, ",")
	n, err := strconv.Atoi(size)
	if err != nil || n > len(rest) {
		return fmt.Errorf("%q is no pair", v)
	}
	return errors.Join(p.a.accept(rest[:n]), p.b.accept(rest[n:]))
}

func pairOf(a, b string) string { return fmt.Sprintf("%d,%s%s", len(a), a, b) }

// build returns a random Source and its grammar.
func (n *network) build(depth int) (s lines, m grammar) {
	switch kind := n.IntN(8); {
	case depth == 0 || kind == 0:
		s, m = n.produce()
	case kind < 3:
		s, m = n.join(depth, "Merge", false, func(kids []lines) lines {
			if n.IntN(2) == 0 {
				return pipeline.MergeWith(n.ctx, kids, &pipeline.MergeConfig{Size: 1 + n.IntN(5)})
			}
			return pipeline.Merge(n.ctx, kids...)
		})
	case kind == 3:
		s, m = n.join(depth, "Concat", true, func(kids []lines) lines { return pipeline.Concat(kids...) })
	case kind == 4:
		s, m = n.join(depth, "ConcatAll", true, func(kids []lines) lines { return pipeline.ConcatAll(holding(kids...)) })
	case kind == 5:
		n.path = append(n.path, "Zip(")
		n.early = true
		a, ma := n.build(depth - 1)
		b, mb := n.build(depth - 1)
		s, m = pipeline.Zip(a, b, func(a, b string) string { return pairOf(n.called(a), b) }), &pairing{ma, mb}
		n.path = append(n.path, ")")
	default:
		s, m = n.tee(depth)
	}
	for range n.IntN(3) {
		s = n.stage(s)
	}
	if n.IntN(3) == 0 {
		s = n.hop(s)
	}
	n.inner = append(n.inner, s)
	return s, m
}

// produce returns the values of a producer.
func (n *network) produce() (lines, grammar) {
	name, count := n.names, n.IntN(60)
	n.names++
	n.path = append(n.path, fmt.Sprintf("%d:%d", name, count))
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("%d:%d", name, i))
	}
	m := &counting{name: name, n: count}
	if n.IntN(3) == 0 {
		return of(all...), m
	}
	near, far := n.connect()
	pauses, batch := n.IntN(3) == 0, 1+n.IntN(20)
	n.work.Go(func() {
		out := codec.Encode(near.Out, codec.Lines)
		for len(all) > 0 {
			sent, err := out.SendAll(n.Context(), all[:min(batch, len(all))]...)
			if err != nil {
				near.Abort(err)
				return
			}
			if all = all[sent:]; pauses {
				time.Sleep(100 * time.Microsecond)
			}
		}
		_ = out.Close()
	})
	return n.received(far), m
}

// received returns what arrives at a connection, which ends with it.
func (n *network) received(far *chanio.Conn) lines {
	in := codec.Decode(far.In, codec.Lines)
	in.OnDone(func() { far.Abort(nil) })
	return in
}

// join returns several inputs made one.
func (n *network) join(depth int, name string, inOrder bool, join func([]lines) lines) (lines, grammar) {
	n.path = append(n.path, name+"(")
	u := &union{of: n, inOrder: inOrder}
	var kids []lines
	for i := range 1 + n.IntN(3) {
		s, m := n.build(depth - 1)
		kids, u.kids = append(kids, n.tagged(s, i)), append(u.kids, m)
	}
	n.path = append(n.path, ")")
	return join(kids), u
}

func (n *network) tagged(s lines, number int) lines {
	return pipeline.Map(s, func(v string) string { return fmt.Sprintf("%d/%s", number, n.called(v)) })
}

// tee divides a Source, and joins the branches by Merge or Zip.
func (n *network) tee(depth int) (lines, grammar) {
	n.path = append(n.path, "Tee(")
	s, m := n.build(depth - 1)
	n.path = append(n.path, ")")
	size := &pipeline.Queue[string]{Size: 1 + n.IntN(10)}
	branches, zips := pipeline.TeeWith(n.ctx, s, size, nil), n.IntN(2) == 0
	for i := range branches {
		if !zips && n.IntN(2) == 0 { // a stage may hold more values than the other branch has room for
			branches[i] = n.stage(branches[i])
		}
		n.inner = append(n.inner, branches[i])
	}
	if zips {
		return pipeline.Zip(branches[0], branches[1], pairOf), &pairing{m, m.fresh()}
	}
	return pipeline.Merge(n.ctx, n.tagged(branches[0], 0), n.tagged(branches[1], 1)), &union{of: n, kids: []grammar{m, m.fresh()}}
}

// called is called by the user functions of stages with every value.
func (n *network) called(v string) string {
	if n.crash.Add(-1) == 0 {
		n.broken.Store(true)
		panic(errBoom)
	}
	return v
}

// stage adds a stage that passes all values on.
func (n *network) stage(s lines) lines {
	length := func(v string) int { return len(n.called(v)) }
	one := func(_ ctxt, v string) (string, error) { return n.called(v), n.failing() }
	stages := []struct {
		name string
		make func() lines
	}{
		{"Filter", func() lines { return pipeline.Filter(s, func(v string) bool { return n.called(v) == v }) }},
		{"MapErr", func() lines {
			return pipeline.MapErr(s, func(v string) (string, error) { return n.called(v), n.failing() })
		}},
		{"Transform", func() lines {
			held := ""
			return pipeline.Transform(s, func(v string, emit func(string)) error { // one behind
				if held != "" {
					emit(held)
				}
				held = n.called(v)
				return n.failing()
			}, func(emit func(string)) {
				if held != "" {
					emit(held)
				}
			})
		}},
		{"Batch", func() lines { return pipeline.Flatten(pipeline.Batch(s, 1+n.IntN(9), time.Millisecond)) }},
		{"BatchBy", func() lines { return pipeline.Flatten(pipeline.BatchBy(s, length, 1+n.IntN(40), 0)) }},
		{"ReadyChunks", func() lines { return pipeline.Flatten(pipeline.ReadyChunks(s, 1+n.IntN(9))) }},
		{"Window", func() lines {
			spans := pipeline.Window(s, 2*time.Millisecond, 1+n.IntN(20))
			return pipeline.FlatMap(spans, func(w pipeline.Span[[]string]) []string { return w.Value })
		}},
		{"PartitionBy", func() lines { return pipeline.ConcatAll(pipeline.PartitionBy(s, length)) }},
		{"Throttle", func() lines { return pipeline.Throttle(s, 20*time.Microsecond, 1+n.IntN(5)) }},
		{"Timeout", func() lines { return pipeline.Timeout(s, time.Hour) }},
		{"Buffer", func() lines { return pipeline.Buffer(n.ctx, s, 1+n.IntN(9), pipeline.Block) }},
		{"BufferBy", func() lines { return pipeline.BufferBy(n.ctx, s, length, 1+n.IntN(40), pipeline.Block) }},
		{"MapConcurrent", func() lines { return pipeline.MapConcurrent(n.ctx, s, 1+n.IntN(4), one) }},
		{"MapUnordered", func() lines { return pipeline.MapUnordered(n.ctx, s, 1, one) }},
		{"Retry", func() lines {
			waiting := holding(s)
			retry := pipeline.Retry(func(ctx ctxt) (lines, error) { return waiting.Recv(ctx) },
				&pipeline.RetryConfig{Permanent: func(error) bool { return true }})
			retry.OnDone(func() { _ = waiting.Close() })
			return retry
		}},
		{"Named", func() lines { return pipeline.Named(s, "s") }},
	}
	chosen := stages[n.IntN(len(stages))]
	n.path = append(n.path, chosen.name)
	return chosen.make()
}

// failing is the error of a user function.
func (n *network) failing() error {
	if n.fails && n.crash.Add(-1) == 0 {
		n.broken.Store(true)
		return errBoom
	}
	return nil
}

// hop leads s over a connection.
func (n *network) hop(s lines) lines {
	n.path = append(n.path, "hop")
	near, far := n.connect()
	to, timed := codec.Encode(near.Out, codec.Lines), n.IntN(2) == 0
	n.work.Go(func() {
		err := errBoom
		defer func() {
			_ = recover() // of a stage
			if err != nil {
				near.Abort(err)
				_ = s.Close()
			}
		}()
		if timed {
			err = n.inTurns(s, to)
			return
		}
		err = pipeline.Connect(n.Context(), s, to)
	})
	return n.received(far)
}

// inTurns is Connect in many calls, each of which a ctx ends.
func (n *network) inTurns(s lines, to *chanio.Sink[string]) error {
	for turn := 50 * time.Microsecond; ; turn *= 2 {
		ctx, cancel := context.WithTimeout(n.Context(), turn)
		err := pipeline.Connect(ctx, s, to)
		over := ctx.Err() == nil || !errors.Is(err, context.DeadlineExceeded)
		cancel()
		if over {
			return err
		}
	}
}

// connect returns the ends of a connection.
func (n *network) connect() (near, far *chanio.Conn) {
	switch n.IntN(3) {
	case 0:
		near, far = chanio.Pipe()
	case 1:
		near, far = n.dial("tcp", "127.0.0.1:0")
	case 2:
		n.early = true
		near, far = n.dial("unix", filepath.Join(n.dir, "s"))
	}
	n.conns = append(n.conns, near, far)
	return near, far
}

func (n *network) dial(network, addr string) (near, far *chanio.Conn) {
	ln, err := net.Listen(network, addr)
	require.NoError(n, err)
	defer func() { _ = ln.Close() }()
	a, err := net.Dial(network, ln.Addr().String())
	require.NoError(n, err)
	b, err := ln.Accept()
	require.NoError(n, err)
	return chanio.NewConn(a, nil), chanio.NewConn(b, nil)
}

// disturb breaks something, after a while, or nothing.
func (n *network) disturb(s lines) {
	what := []func(){
		func() { _ = s.Close() },
		func() { n.cancel(io.EOF) },
		func() { n.cancel(errBoom) },
	}
	for range 3 {
		inner := n.inner[n.IntN(len(n.inner))]
		what = append(what, func() { _ = inner.Close() })
		if len(n.conns) > 0 {
			conn := n.conns[n.IntN(len(n.conns))]
			what = append(what, func() { conn.Abort(errBoom) })
		}
	}
	switch n.IntN(4) {
	case 0:
		n.crash.Store(1 + n.Int64N(100))
		n.path = append(n.path, "crash")
	case 1:
		i, wait := n.IntN(len(what)), time.Duration(n.IntN(2000))*time.Microsecond
		n.path = append(n.path, fmt.Sprintf("disturbed(%d)", i))
		n.work.Go(func() {
			time.Sleep(wait)
			n.broken.Store(true)
			what[i]()
		})
	}
}

func (n *network) run() {
	s, m := n.build(n.IntN(4))
	n.disturb(s)
	seen := 0
	err := n.receive(s, func(v string) {
		require.NoError(n, m.accept(v))
		seen++
	})
	switch {
	case !n.broken.Load():
		require.Equal(n, io.EOF, err)
		require.Equal(n, m.total(), seen)
	case err == io.EOF && !n.early:
		require.Equal(n, m.total(), seen, "a clean end")
	}
	_ = s.Close()
	n.work.Wait() // everything winds down
	n.cancel(nil)
	for _, conn := range n.conns {
		conn.Abort(nil)
	}
	for _, conn := range n.conns {
		<-conn.Done()
	}
}

// receive receives in random ways to the end, which it returns.
func (n *network) receive(s lines, got func(string)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			require.Equal(n, errBoom, v)
			err = errBoom
		}
	}()
	for turn := 20 * time.Microsecond; ; turn *= 2 {
		ctx, cancel := context.WithTimeout(n.Context(), turn)
		err := n.receiveSome(ctx, s, got)
		over := err != nil && (ctx.Err() == nil || !errors.Is(err, context.DeadlineExceeded))
		cancel()
		if over {
			return err
		}
	}
}

func (n *network) receiveSome(ctx context.Context, s lines, got func(string)) error {
	left := n.IntN(20)
	switch n.IntN(5) {
	case 0:
		for v, err := range s.Values(ctx) {
			if err != nil {
				return err
			}
			if got(v); left == 0 {
				return nil
			}
			left--
		}
		return io.EOF
	case 1:
		v, ok, err := s.TryRecv()
		if ok {
			got(v)
		}
		return err
	case 2:
		own, stop := context.WithCancel(ctx)
		ch := s.C(own)
		defer stop()
		for range left {
			v, ok := <-ch
			if !ok {
				break
			}
			got(v)
		}
		return nil
	case 3:
		dst := chanio.NewSink(chanio.SinkHooks[string]{Send: func(_ ctxt, v string) error {
			got(v)
			return nil
		}})
		err := pipeline.Connect(ctx, s, dst)
		if err == nil {
			return io.EOF
		}
		return err
	}
	v, err := s.Recv(ctx)
	if err == nil {
		got(v)
	}
	return err
}
