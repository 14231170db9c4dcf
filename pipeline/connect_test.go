package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// sink is a Sink over a channel that records the calls of its hooks.
type sink struct {
	*chanio.Sink[int]
	room    chan int
	flushes int
	closes  int
	calls   []string
}

func newSink(room int) *sink {
	k := &sink{room: make(chan int, room)}
	k.Sink = chanio.NewSink(chanio.SinkHooks[int]{
		Send: func(ctx context.Context, v int) error {
			if v < 0 {
				return errBoom
			}
			select {
			case k.room <- v:
				return nil
			default:
			}
			select {
			case k.room <- v:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Flush: func(context.Context) error { k.flushes++; return nil },
		Close: func() error { k.closes++; return nil },
		Cork: func() func() {
			k.calls = append(k.calls, "cork")
			return func() { k.calls = append(k.calls, "send") }
		},
	})
	return k
}

// has returns the values sent to the sink.
func (k *sink) has() (got []int) {
	for len(k.room) > 0 {
		got = append(got, <-k.room)
	}
	return got
}

func TestConnectClosesTheSinkWithTheSource(t *testing.T) {
	k := newSink(9)
	require.NoError(t, pipeline.Connect(t.Context(), of(upto(5)...), k.Sink))
	require.Equal(t, upto(5), k.has())
	require.Equal(t, 1, k.closes)
}

func TestConnectFlushesAndLeavesTheSinkOpenWhenTheSourceFails(t *testing.T) {
	k := newSink(9)
	require.ErrorIs(t, pipeline.Connect(t.Context(), from(errBoom, 1, 2), k.Sink), errBoom)
	require.Equal(t, []int{1, 2}, k.has())
	require.Equal(t, 0, k.closes)
	require.Equal(t, 1, k.flushes)
	require.NoError(t, k.Send(t.Context(), 3))
}

func TestG3ConnectClosesAnIdleSourceWhenTheSinkEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*sink)
		want error
	}{
		"aborted": {func(k *sink) { k.Abort(errBoom) }, errBoom},
		"closed":  {func(k *sink) { _ = k.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, w := newSink(9), watch[int]()
				s := pipeline.Map(pipeline.Filter(w.Source, isEven), inc)
				done := make(chan error)
				go func() { done <- pipeline.Connect(t.Context(), s, k.Sink) }()
				synctest.Wait()
				c.end(k)
				require.ErrorIs(t, <-done, c.want)
				require.True(t, w.isClosed())
			})
		})
	}
}

func TestG2ConnectPutsBackWhatWasNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, w := newSink(2), watch(upto(5)...)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { done <- pipeline.Connect(ctx, w.Source, k.Sink) }()
		synctest.Wait()
		cancel(errBoom)
		require.ErrorIs(t, <-done, errBoom)
		require.Equal(t, []int{0, 1}, k.has())
		require.False(t, w.isClosed())
		w.fail <- io.EOF
		rest, err := drain(t, w.Source)
		require.NoError(t, err)
		require.Equal(t, []int{2, 3, 4}, rest)
		require.Zero(t, k.closes)
	})
}

func TestConnectGoesOnBehindARefusedValue(t *testing.T) {
	k, s := newSink(9), of(1, -1, 2)
	require.ErrorIs(t, pipeline.Connect(t.Context(), s, k.Sink), errBoom)
	v, err := s.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, -1, v)
	require.NoError(t, pipeline.Connect(t.Context(), s, k.Sink))
	require.Equal(t, []int{1, 2}, k.has())
}

func TestConnectCorksWhileValuesAreAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, w := newSink(9), watch(1, 2)
		go func() { _ = pipeline.Connect(t.Context(), pipeline.Map(w.Source, inc), k.Sink) }()
		synctest.Wait()
		require.Equal(t, []string{"cork", "send"}, k.calls)
		w.in <- 3
		synctest.Wait()
		require.Equal(t, []string{"cork", "send", "cork", "send"}, k.calls)
		w.fail <- io.EOF
		synctest.Wait()
	})
}

func TestKeepSinkLeavesTheSinkOpenAndFlushed(t *testing.T) {
	k := newSink(9)
	keep := &pipeline.ConnectConfig{KeepSink: true}
	require.NoError(t, pipeline.ConnectWith(t.Context(), of(1), k.Sink, keep))
	require.Equal(t, 0, k.closes)
	require.Equal(t, 1, k.flushes)
	require.ErrorIs(t, pipeline.ConnectWith(t.Context(), from(errBoom, 2), k.Sink, keep), errBoom)
	require.NoError(t, pipeline.Connect(t.Context(), of(3), k.Sink))
	require.Equal(t, 1, k.closes)
	require.Equal(t, []int{1, 2, 3}, k.has())
}

func TestKeepSourceGoesOnWithAnotherSinkWithoutLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newSink(2), newSink(9)
		w := watch(upto(5)...)
		done := make(chan error)
		go func() {
			done <- pipeline.ConnectWith(t.Context(), w.Source, first.Sink, &pipeline.ConnectConfig{KeepSource: true})
		}()
		synctest.Wait()
		first.Abort(errBoom)
		require.ErrorIs(t, <-done, errBoom)
		require.False(t, w.isClosed())
		w.fail <- io.EOF
		require.NoError(t, pipeline.Connect(t.Context(), w.Source, second.Sink))
		require.Equal(t, upto(5), append(first.has(), second.has()...))
	})
}

func TestSendTimeoutLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := newSink(2), of(upto(5)...)
		opts := &pipeline.ConnectConfig{SendTimeout: time.Second}
		start := time.Now()
		err := pipeline.ConnectWith(t.Context(), s, k.Sink, opts)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout())
		require.Equal(t, time.Second, time.Since(start))
		require.Len(t, k.room, 2)
		require.Zero(t, k.closes)

		go func() {
			for i := range 3 { // slow, but in time
				time.Sleep(900 * time.Millisecond)
				require.Equal(t, i, <-k.room)
			}
		}()
		require.NoError(t, pipeline.ConnectWith(t.Context(), s, k.Sink, opts))
		require.Equal(t, []int{3, 4}, k.has())
	})
}

func TestSendTimeoutOfAStreamOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chanio.Pipe()
		c, d := chanio.Pipe()
		want := bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // 256 KiB
		go func() {
			_ = a.Out.Send(t.Context(), want)
			_ = a.Out.Close()
		}()
		err := pipeline.ConnectWith(t.Context(), b.In, c.Out, &pipeline.ConnectConfig{SendTimeout: time.Second})
		require.ErrorIs(t, err, os.ErrDeadlineExceeded) // nobody reads d
		done := make(chan error)
		go func() { done <- pipeline.Connect(t.Context(), b.In, c.Out) }()
		var got []byte
		for v := range d.In.All(t.Context()) {
			got = append(got, v...)
		}
		require.NoError(t, d.In.Err())
		require.NoError(t, <-done)
		require.True(t, bytes.Equal(want, got))
		for _, conn := range []*chanio.Conn{a, b, c, d} {
			require.NoError(t, conn.Close())
		}
	})
}

func TestConnectVia(t *testing.T) {
	k, s := newSink(99), of("a b", "", "c", "stop", "d")
	words := func(ctx context.Context, line string, dst *chanio.Sink[int]) error {
		if line == "stop" {
			return io.EOF
		}
		for _, w := range strings.Fields(line) {
			if err := dst.Send(ctx, int(w[0])); err != nil {
				return err
			}
		}
		return nil
	}
	require.NoError(t, pipeline.ConnectVia(t.Context(), s, k.Sink, words))
	require.Equal(t, []int{'a', 'b', 'c'}, k.has())
	require.Equal(t, 1, k.closes)
	_, err := s.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)

	k, s = newSink(99), of("a", "b")
	err = pipeline.ConnectVia(t.Context(), s, k.Sink, func(context.Context, string, *chanio.Sink[int]) error {
		return errBoom
	})
	require.ErrorIs(t, err, errBoom)
	require.Zero(t, k.closes)
	rest, err := drain(t, s)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, rest)
}

func TestSeveralSourcesIntoOneSinkAndOneIntoSeveralLoseNothing(t *testing.T) {
	ctx := t.Context()
	var sinks [3]*sink
	errs := make(chan error)
	for i, branch := range pipeline.Tee(ctx, pipeline.Merge(ctx, of(upto(500)...), of(upto(500)...)), len(sinks)) {
		sinks[i] = newSink(1000)
		go func() { errs <- pipeline.Connect(ctx, branch, sinks[i].Sink) }()
	}
	for range sinks {
		require.NoError(t, <-errs)
	}
	first := sinks[0].has()
	require.ElementsMatch(t, append(upto(500), upto(500)...), first)
	require.Equal(t, first, sinks[1].has())
	require.Equal(t, first, sinks[2].has())
}

func TestTreeShowsALivePipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(9)...)
		outs := pipeline.TeeWith(t.Context(), pipeline.Named(pipeline.Map(w.Source, inc), "orders"),
			&pipeline.Queue[int]{Size: 2, Policy: pipeline.DropOldest, Name: "audit"}, &pipeline.Queue[int]{Size: 100})
		joined := pipeline.Zip(pipeline.Filter(outs[0], isEven), outs[1], func(a, b int) int { return a })
		synctest.Wait()
		tree := `pipeline.Zip
├─ pipeline.Filter
│  └─ pipeline.Tee "audit", 2 of 2 queued, 7 dropped
│     └─ pipeline.Named "orders", 9 passed
│        └─ pipeline.Map
│           └─ source
└─ pipeline.Tee, 9 of 100 queued
   └─ pipeline.Named "orders", 9 passed, see above
`
		require.Equal(t, tree, pipeline.Tree(joined.Describe()))
		dot := pipeline.Dot(joined.Describe())
		require.Equal(t, 7, strings.Count(dot, "[label="))
		require.Equal(t, 7, strings.Count(dot, "->"))
		require.Contains(t, dot, `"pipeline.Tee\n\"audit\"\n2 of 2 queued\n7 dropped"`)
		require.NoError(t, joined.Close())
		require.Equal(t, "pipeline.Zip, ended", strings.SplitN(pipeline.Tree(joined.Describe()), "\n", 2)[0])
	})
}

func TestGraphShowsConnectionsWhileTheyLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g pipeline.Graph
		k := newSink(9)
		one, two := watch[int](), watch[int]()
		done := make(chan error)
		for _, c := range []struct {
			w    *watched[int]
			name string
		}{{one, "first"}, {two, "second"}} {
			go func() {
				done <- pipeline.ConnectWith(t.Context(), pipeline.Map(c.w.Source, inc), k.Sink,
					&pipeline.ConnectConfig{KeepSink: true, Description: c.name, Graph: &g})
			}()
			synctest.Wait()
		}
		require.Equal(t, `sink
├─ pipeline.Connect "first"
│  └─ pipeline.Map
│     └─ source
└─ pipeline.Connect "second"
   └─ pipeline.Map
      └─ source
`, g.String())
		require.Equal(t, 6, strings.Count(g.Dot(), "->"))
		one.fail <- io.EOF
		require.NoError(t, <-done)
		require.NotContains(t, g.String(), "first")
		two.fail <- io.EOF
		require.NoError(t, <-done)
		require.Empty(t, g.String())
	})
}

func TestG9PartitionByGivesThePartsOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(0, 2, 4, 1, 3, 6)
		parts := pipeline.PartitionBy(w.Source, isEven)
		even, err := parts.Recv(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		next := make(chan error)
		go func() {
			_, err := parts.Recv(ctx)
			next <- err
		}()
		synctest.Wait()
		require.EqualValues(t, 1, w.taken.Load()) // waits for the first part
		cancel()
		require.ErrorIs(t, <-next, context.Canceled)

		got, err := drain(t, even)
		require.NoError(t, err)
		require.Equal(t, []int{0, 2, 4}, got)
		odd, err := parts.Recv(t.Context())
		require.NoError(t, err)
		v, err := odd.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.NoError(t, odd.Close()) // drops 3
		last, err := parts.Recv(t.Context())
		require.NoError(t, err)
		v, err = last.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 6, v)

		waiting := make(chan error)
		go func() {
			_, err := last.Recv(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		require.NoError(t, last.Close()) // reaches the one who waits, and leaves the parts alive
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		w.in <- 7
		odd, err = parts.Recv(t.Context())
		require.NoError(t, err)
		w.fail <- errBoom
		got, err = drain(t, odd)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []int{7}, got)
		_, err = parts.Recv(t.Context())
		require.ErrorIs(t, err, errBoom)
	})
}

func TestPartitionByWorksAsAChannel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got [][]int
	for part := range pipeline.PartitionBy(of(upto(100)...), func(v int) int { return v / 10 }).C(ctx) {
		run, err := pipeline.Collect(ctx, part)
		require.NoError(t, err)
		got = append(got, run)
	}
	require.Len(t, got, 10)
	require.Equal(t, []int{90, 91, 92, 93, 94, 95, 96, 97, 98, 99}, got[9])
}

func TestG16APanicOfTheKeyEndsPartAndParts(t *testing.T) {
	w := watch(1, 2, 3)
	parts := pipeline.PartitionBy(w.Source, func(v int) int {
		if v == 2 {
			panic(errBoom)
		}
		return 0
	})
	part, err := parts.Recv(t.Context())
	require.NoError(t, err)
	_, err = part.Recv(t.Context())
	require.NoError(t, err)
	require.PanicsWithValue(t, errBoom, func() { _, _ = part.Recv(t.Context()) })
	_, err = parts.Recv(t.Context())
	var p *chanio.PanicError
	require.ErrorAs(t, err, &p)
	require.True(t, w.isClosed())
}

func TestConnectKeepsNothingOfWhatWasAccepted(t *testing.T) {
	type large [1 << 10]byte
	var made []weak.Pointer[large]
	fresh := func() *large {
		v := new(large)
		made = append(made, weak.Make(v))
		return v
	}
	waits := make(chan struct{})
	source := chanio.NewSource(chanio.SourceHooks[*large]{
		Next: func(ctx context.Context) (*large, error) {
			if len(made) == 0 {
				return fresh(), nil
			}
			close(waits)
			<-ctx.Done()
			return nil, chanio.Cause(ctx)
		},
		AtHand: func(dst []*large) []*large {
			for len(made) > 0 && len(made) < 6 && len(dst) < cap(dst) {
				dst = append(dst, fresh())
			}
			return dst
		},
	})
	sink := chanio.NewSink(chanio.SinkHooks[*large]{Send: func(context.Context, *large) error { return nil }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- pipeline.Connect(ctx, source, sink) }()
	<-waits
	runtime.GC()
	require.Len(t, made, 6) // the room for values is not filled to its end
	for i, v := range made {
		require.Nil(t, v.Value(), "value %d, while Connect waits for the next", i)
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestTheRestOfAPartThatWasClosedGoesToTheOwnerOfItsValues(t *testing.T) {
	next, dropped := 0, []int(nil)
	source := chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) {
			if next == 20 {
				return 0, io.EOF
			}
			next++
			return next - 1, nil
		},
		Undelivered: func(v int) { dropped = append(dropped, v) },
	})
	parts := pipeline.PartitionBy(source, func(v int) int { return v / 5 })
	first, err := parts.Recv(t.Context())
	require.NoError(t, err)
	v, err := first.Recv(t.Context())
	require.NoError(t, err)
	require.Zero(t, v)
	require.NoError(t, first.Close())
	second, err := parts.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3, 4}, dropped)
	v, err = second.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5, v)
	require.NoError(t, parts.Close())
}
