package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// TestRandomProgramsAgreeOnEveryRoute runs random programs of stages in four ways: as functions of slices, which are the
// oracle; as stages fused over a slice; with a goroutine and a Pipe behind every stage; and with TCP connections in
// between, on which the values are frames. All yield the same values and the same end. WEIR_SEED repeats one program.
func TestRandomProgramsAgreeOnEveryRoute(t *testing.T) {
	repeated(t, runProgram)
}

func runProgram(t *testing.T, seed uint64) {
	p := newProgram(seed)
	defer func() {
		if v := recover(); v != nil || t.Failed() {
			t.Errorf("WEIR_SEED=%d: %d values, then %v; %s: %v", seed, len(p.in), p.end, p, v)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := outcome{p.in, p.end}
	for _, s := range p.steps {
		want.values, want.end = s.plain(slices.Clone(want.values), want.end)
	}
	for name, hop := range map[string]func(ctxt, *route, src) src{
		"fused": func(_ ctxt, _ *route, s src) src { return s },
		"Pipe":  overPipe,
		"TCP":   overTCP,
	} {
		r := &route{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), name: name}
		got := p.run(ctx, r, hop)
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), name)
	}
}

// outcome is what a program yields.
type outcome struct {
	values []int
	end    error
}

// program is a sequence of steps, and what goes into the first.
type program struct {
	*rand.Rand
	in    []int
	end   error
	steps []step
}

// step is a stage, and the same as a function of all its values and their end.
type step struct {
	name  string
	stage func(ctx ctxt, s src) src
	plain func(values []int, end error) ([]int, error)
}

func (p *program) String() string {
	var names []string
	for _, s := range p.steps {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func newProgram(seed uint64) *program {
	p := &program{Rand: rand.New(rand.NewPCG(seed, 0))}
	for range p.IntN(2) * p.IntN(200) {
		p.in = append(p.in, p.IntN(100))
	}
	p.end = []error{io.EOF, io.EOF, errBoom}[p.IntN(3)]
	for range p.IntN(6) {
		p.steps = append(p.steps, makers[p.IntN(len(makers))](p.Rand))
	}
	return p
}

var errOdd = errors.New("odd")

// failing is a function that fails for values with the rest k.
func failing(k int, err error) func(int) (int, error) {
	return func(v int) (int, error) {
		if v%17 == k {
			return 0, err
		}
		return v + 1, nil
	}
}

// until is failing as a plain function.
func until(k int, err error) func([]int, error) ([]int, error) {
	return func(vs []int, end error) (out []int, _ error) {
		for _, v := range vs {
			v, failed := failing(k, err)(v)
			if failed != nil {
				return out, failed
			}
			out = append(out, v)
		}
		return out, end
	}
}

func unchanged(vs []int, end error) ([]int, error) { return vs, end }

// chunked applies f to chunks of n values.
func chunked(n int, f func([]int) int) func([]int, error) ([]int, error) {
	return func(vs []int, end error) (out []int, _ error) {
		for chunk := range slices.Chunk(vs, n) {
			out = append(out, f(chunk))
		}
		return out, end
	}
}

func sum(vs []int) (n int) {
	for _, v := range vs {
		n = (3*n + v) % 1000
	}
	return n
}

// makers make steps with random parameters.
var makers = []func(r *rand.Rand) step{
	func(r *rand.Rand) step {
		k := r.IntN(100)
		f := func(v int) int { return (v + k) % 1000 }
		return step{"Map", func(_ ctxt, s src) src { return pipeline.Map(s, f) }, func(vs []int, end error) ([]int, error) {
			for i := range vs {
				vs[i] = f(vs[i])
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		k, err := r.IntN(17), []error{errOdd, io.EOF}[r.IntN(2)]
		return step{fmt.Sprintf("MapErr %d %v", k, err), func(_ ctxt, s src) src { return pipeline.MapErr(s, failing(k, err)) }, until(k, err)}
	},
	func(r *rand.Rand) step {
		k, err := r.IntN(17), []error{errOdd, io.EOF}[r.IntN(2)]
		return step{fmt.Sprintf("MapConcurrent %d %v", k, err), func(ctx ctxt, s src) src {
			return pipeline.MapConcurrent(ctx, s, 3, func(_ ctxt, v int) (int, error) { return failing(k, err)(v) })
		}, until(k, err)}
	},
	func(r *rand.Rand) step {
		k := 1 + r.IntN(5)
		drop := func(v int) bool { return v%k == 1 }
		return step{"Filter", func(_ ctxt, s src) src {
			return pipeline.Filter(s, func(v int) bool { return !drop(v) })
		}, func(vs []int, end error) ([]int, error) { return slices.DeleteFunc(vs, drop), end }}
	},
	func(r *rand.Rand) step {
		f := func(v int) []int { return slices.Repeat([]int{v}, v%3) }
		return step{"FlatMap", func(_ ctxt, s src) src { return pipeline.FlatMap(s, f) }, func(vs []int, end error) (out []int, _ error) {
			for _, v := range vs {
				out = append(out, f(v)...)
			}
			return out, end
		}}
	},
	func(r *rand.Rand) step {
		n := r.IntN(100)
		return step{fmt.Sprintf("Take %d", n), func(_ ctxt, s src) src { return pipeline.Take(s, n) }, func(vs []int, end error) ([]int, error) {
			if len(vs) >= n {
				return vs[:n], io.EOF
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		k := r.IntN(50)
		keep := func(v int) bool { return v%50 != k }
		return step{"TakeWhile", func(_ ctxt, s src) src { return pipeline.TakeWhile(s, keep) }, func(vs []int, end error) ([]int, error) {
			if i := slices.IndexFunc(vs, func(v int) bool { return !keep(v) }); i >= 0 {
				return vs[:i], io.EOF
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		n := r.IntN(50)
		return step{"Drop", func(_ ctxt, s src) src { return pipeline.Drop(s, n) }, func(vs []int, end error) ([]int, error) {
			return vs[min(n, len(vs)):], end
		}}
	},
	func(r *rand.Rand) step {
		f := func(a, v int) int { return (3*a + v) % 1000 }
		return step{"Scan", func(_ ctxt, s src) src { return pipeline.Scan(s, 7, f) }, func(vs []int, end error) ([]int, error) {
			out := []int{7}
			for _, v := range vs {
				out = append(out, f(out[len(out)-1], v))
			}
			return out, end
		}}
	},
	func(r *rand.Rand) step {
		equal := func(a, b int) bool { return a/8 == b/8 }
		return step{"CompactFunc", func(_ ctxt, s src) src { return pipeline.CompactFunc(s, equal) }, func(vs []int, end error) ([]int, error) {
			return slices.CompactFunc(vs, equal), end
		}}
	},
	func(r *rand.Rand) step {
		n := 1 + r.IntN(9)
		return step{"Batch", func(_ ctxt, s src) src { return pipeline.Map(pipeline.Batch(s, n, 0), sum) }, chunked(n, sum)}
	},
	func(r *rand.Rand) step {
		n, metric := 1+r.IntN(9), func(v int) int { return v % 4 }
		return step{"BatchBy", func(_ ctxt, s src) src { return pipeline.Map(pipeline.BatchBy(s, metric, n, 0), sum) }, batchBy(metric, n)}
	},
	func(r *rand.Rand) step {
		n, delay := 1+r.IntN(9), time.Duration(r.IntN(2))*time.Hour
		return step{"Flatten Batch", func(_ ctxt, s src) src { return pipeline.Flatten(pipeline.Batch(s, n, delay)) }, unchanged}
	},
	func(r *rand.Rand) step {
		n := 1 + r.IntN(9)
		return step{"Flatten ReadyChunks", func(_ ctxt, s src) src { return pipeline.Flatten(pipeline.ReadyChunks(s, n)) }, unchanged}
	},
	func(r *rand.Rand) step { return transform(r.IntN(50), []error{errOdd, io.EOF}[r.IntN(2)]) },
	func(r *rand.Rand) step {
		return step{"Concat", func(_ ctxt, s src) src { return pipeline.Concat(of(1, 2), s, chanio.FromSlice(upto(3))) }, func(vs []int, end error) ([]int, error) {
			if vs = append([]int{1, 2}, vs...); end == io.EOF {
				vs = append(vs, upto(3)...)
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		return step{"Zip", func(_ ctxt, s src) src {
			return pipeline.Zip(s, ints(), func(a, b int) int { return (a + b) % 1000 })
		}, func(vs []int, end error) ([]int, error) {
			for i := range vs {
				vs[i] = (vs[i] + i) % 1000
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		size := 1 + r.IntN(5)
		return step{"Zip Tee", func(ctx ctxt, s src) src {
			two := pipeline.TeeWith(ctx, s, &pipeline.Queue[int]{Size: size}, nil)
			return pipeline.Zip(two[0], two[1], func(a, b int) int { return (a + b) % 1000 })
		}, func(vs []int, end error) ([]int, error) {
			for i := range vs {
				vs[i] = 2 * vs[i] % 1000
			}
			return vs, end
		}}
	},
	func(r *rand.Rand) step {
		return step{"Merge", func(ctx ctxt, s src) src { return pipeline.Merge(ctx, of[int](), s) }, unchanged}
	},
	func(r *rand.Rand) step {
		n := 1 + r.IntN(9)
		return step{"Buffer", func(ctx ctxt, s src) src { return pipeline.Buffer(ctx, s, n, pipeline.Block) }, unchanged}
	},
	func(r *rand.Rand) step {
		n, metric := 1+r.IntN(9), func(v int) int { return v % 4 }
		return step{"BufferBy", func(ctx ctxt, s src) src { return pipeline.BufferBy(ctx, s, metric, n, pipeline.Block) }, unchanged}
	},
	func(r *rand.Rand) step {
		k := 1 + r.IntN(50)
		return step{"ConcatAll PartitionBy", func(_ ctxt, s src) src {
			return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { return v / k }))
		}, unchanged}
	},
	func(r *rand.Rand) step {
		return step{"Timeout Throttle Named", func(_ ctxt, s src) src {
			return pipeline.Timeout(pipeline.Throttle(pipeline.Named(s, "x"), 1, 9), time.Hour)
		}, unchanged}
	},
}

// batchBy is BatchBy, and the sum of each batch.
func batchBy(metric func(int) int, limit int) func([]int, error) ([]int, error) {
	return func(vs []int, end error) (out []int, _ error) {
		var batch []int
		weight := 0
		done := func() {
			if len(batch) > 0 {
				out, batch, weight = append(out, sum(batch)), nil, 0
			}
		}
		for _, v := range vs {
			w := max(1, metric(v))
			if weight+w > limit {
				done()
			}
			batch, weight = append(batch, v), weight+w
			if weight >= limit {
				done()
			}
		}
		done()
		return out, end
	}
}

// transform is a step that passes on even values twice, counts the odd ones, and fails for those with the rest k.
func transform(k int, err error) step {
	even := func(v int, odd *int, emit func(int)) error {
		switch {
		case v%2 == 0:
			emit(v)
			emit(v)
		default:
			*odd++
		}
		if v%50 == k {
			return err
		}
		return nil
	}
	return step{fmt.Sprintf("Transform %d %v", k, err), func(_ ctxt, s src) src {
		odd := 0
		return pipeline.Transform(s, func(v int, emit func(int)) error { return even(v, &odd, emit) }, func(emit func(int)) { emit(odd) })
	}, func(vs []int, end error) (out []int, _ error) {
		odd := 0
		emit := func(v int) { out = append(out, v) }
		for _, v := range vs {
			failed := even(v, &odd, emit)
			if failed == io.EOF {
				end = io.EOF
				break
			}
			if failed != nil {
				return out, failed
			}
		}
		emit(odd)
		return out, end
	}}
}

// route is one run of a program.
type route struct {
	*testing.T
	*rand.Rand
	name string

	hops  sync.WaitGroup
	ended []func()
}

func (p *program) run(ctx ctxt, r *route, hop func(ctxt, *route, src) src) outcome {
	ctx, cancel := context.WithCancel(ctx)
	var s src
	if p.end == io.EOF {
		s = chanio.FromSlice(slices.Clone(p.in))
	} else {
		s = from(p.end, slices.Clone(p.in)...)
	}
	s = hop(ctx, r, s)
	for _, step := range p.steps {
		s = hop(ctx, r, step.stage(ctx, s))
	}
	got := r.receive(ctx, s)
	cancel()
	_ = s.Close()
	for _, f := range r.ended {
		f()
	}
	r.hops.Wait()
	return got
}

// receive receives everything in a random way.
func (r *route) receive(ctx ctxt, s src) (got outcome) {
	add := func(v int) { got.values = append(got.values, v) }
	switch r.IntN(5) {
	case 0:
		got.values, got.end = pipeline.Collect(ctx, s)
	case 1:
		for v := range s.C(ctx) {
			add(v)
		}
		got.end = s.Err()
	case 2:
		for got.end == nil {
			for v, ok, _ := s.TryRecv(); ok; v, ok, _ = s.TryRecv() {
				add(v)
			}
			var v int
			if v, got.end = s.Recv(ctx); got.end == nil {
				add(v)
			}
		}
	case 3:
		for vs, err := range pipeline.ReadyChunks(s, 1+r.IntN(70)).Values(ctx) {
			got.values, got.end = append(got.values, vs...), err
		}
	case 4:
		got.end = pipeline.Connect(ctx, s, chanio.NewSink(chanio.SinkHooks[int]{Send: func(_ ctxt, v int) error {
			add(v)
			return nil
		}}))
	}
	if got.end == nil {
		got.end = io.EOF
	}
	return got
}

// item is a value, or the end of a stream as a value.
type item struct {
	v   int
	end error
}

var ends = []error{nil, io.EOF, errBoom, errOdd}

// items returns the values and the end of s as items, with the readiness of s.
func items(s src) *chanio.Source[item] {
	up, over := s.Claim("a test"), false
	next := func(v int, ok bool, err error) (item, bool, error) {
		switch {
		case ok:
			return item{v: v}, true, nil
		case err != nil && slices.Contains(ends, err):
			over = true
			return item{end: err}, true, nil
		}
		return item{}, false, err
	}
	return chanio.NewSource(chanio.SourceHooks[item]{
		Next: func(ctx ctxt) (item, error) {
			if over {
				return item{}, io.EOF
			}
			v, err := up.Next(ctx)
			it, _, err := next(v, err == nil, err)
			return it, err
		},
		TryNext: func() (item, bool, error) {
			if over {
				return item{}, false, io.EOF
			}
			return next(up.TryNext())
		},
		Close: up.Close,
	})
}

// values reverses items.
func values(s *chanio.Source[item]) src {
	return pipeline.MapErr(s, func(it item) (int, error) { return it.v, it.end })
}

// send sends s to a Sink in a goroutine, in a random way, and closes both.
func (r *route) send(ctx ctxt, s src, to *chanio.Sink[item]) {
	way, all := r.IntN(3), items(s)
	r.hops.Go(func() {
		defer func() { _ = all.Close() }()
		switch way {
		case 0:
			_ = pipeline.Connect(ctx, all, to)
		case 1:
			_ = pipeline.ForEach(ctx, pipeline.ReadyChunks(all, 5), func(its []item) error {
				_, err := to.SendAll(ctx, its...)
				return err
			})
		case 2:
			ch := to.C(ctx)
			for it, err := range all.Values(ctx) {
				if err != nil {
					break
				}
				select {
				case ch <- it:
				case <-ctx.Done():
				}
			}
			close(ch)
		}
		_ = to.Close()
	})
}

// overPipe leads s through a goroutine and a Pipe.
func overPipe(ctx ctxt, r *route, s src) src {
	from, to := chanio.PipeOf[item](r.IntN(4))
	r.send(ctx, s, to)
	return values(from)
}

// itemCodecs are the ways in which items go over a connection.
var itemCodecs = []codec.Codec[item]{
	codec.Map(codec.Uint32,
		func(n uint32) (item, error) { return item{int(n >> 2), ends[n&3]}, nil },
		func(it item) (uint32, error) { return uint32(it.v<<2 | slices.Index(ends, it.end)), nil }),
	codec.Map(codec.Lines,
		func(line string) (it item, err error) {
			end := 0
			_, err = fmt.Sscan(line, &it.v, &end)
			it.end = ends[end]
			return it, err
		},
		func(it item) (string, error) { return fmt.Sprint(it.v, slices.Index(ends, it.end)), nil }),
}

// overTCP leads s, now and then, over a connection, or over two with a relay between them.
func overTCP(ctx ctxt, r *route, s src) src {
	if r.IntN(3) > 0 {
		return s
	}
	kind := r.IntN(len(itemCodecs))
	near, far := r.connected()
	r.send(ctx, s, codec.Frame(near, itemCodecs[kind]).Out)
	if way := r.IntN(4); way > 0 {
		in := far
		near, far = r.connected()
		r.relay(ctx, way, kind, in, near)
	}
	return values(codec.Frame(far, itemCodecs[kind]).In)
}

// relay leads what arrives at one connection to another in a goroutine: as frames without user code, or as bytes. Calls
// are cancelled in between, and go on where they were.
func (r *route) relay(ctx ctxt, way, kind int, from, to *chanio.Conn) {
	pause := time.Duration(1+r.IntN(1000)) * time.Microsecond
	var again func(ctx ctxt) error
	switch {
	case way == 1:
		again = func(ctx ctxt) error {
			_, err := chanio.Transfer(ctx, from.In, to.Out)
			return err
		}
	case way == 2:
		again = func(ctx ctxt) error { return pipeline.Connect(ctx, from.In, to.Out) }
	case kind == 0:
		again = relayFrames(from, to, codec.Uint32)
	default:
		again = relayFrames(from, to, codec.Codec[string](codec.Lines))
	}
	r.hops.Go(func() {
		for {
			short, cancel := context.WithTimeout(ctx, pause)
			err := again(short)
			cancel()
			if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
				break
			}
			pause *= 2
		}
		_ = to.Out.Close()
		_ = from.In.Close()
	})
}

func relayFrames[T any](from, to *chanio.Conn, c codec.Codec[T]) func(ctxt) error {
	in, out := codec.Decode(from.In, c), codec.Encode(to.Out, c)
	return func(ctx ctxt) error { return pipeline.Connect(ctx, in, out) }
}

// connected returns the two ends of a TCP connection, which are aborted at the end.
func (r *route) connected() (near, far *chanio.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r, err)
	defer func() { _ = ln.Close() }()
	a, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(r, err)
	b, err := ln.Accept()
	require.NoError(r, err)
	near, far = chanio.NewConn(a, nil), chanio.NewConn(b, nil)
	r.ended = append(r.ended, func() { near.Abort(nil); far.Abort(nil) })
	return near, far
}
