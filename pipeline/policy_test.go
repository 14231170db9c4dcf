package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// lost is made by the Mark of these tests, and is negative, unlike any value.
func lost(n uint64) int { return -int(n) }

// overflow sends 10 values to a Buffer of 4 before its receiver starts, and then 2 more. It returns everything received
// to the end.
func overflow(t *testing.T, q *pipeline.Queue[int]) (got []int, d chanio.Description, err error) {
	t.Helper()
	q.Size = 4
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(10)...)
		s := pipeline.BufferWith(t.Context(), w.Source, q)
		synctest.Wait()
		v, first := s.Recv(t.Context())
		if first != nil {
			err = first
			d = s.Describe()
			return
		}
		synctest.Wait()
		w.in <- 10
		w.in <- 11
		w.fail <- io.EOF
		synctest.Wait()
		got, err = drain(t, s)
		got = append([]int{v}, got...)
		d = s.Describe()
	})
	return got, d, err
}

func TestG13Policies(t *testing.T) {
	for _, c := range []struct {
		policy  pipeline.Policy
		mark    bool
		got     []int
		err     error
		dropped int
	}{
		{0, true, upto(12), nil, 0},
		{pipeline.Block, true, upto(12), nil, 0},
		{pipeline.DropOldest, false, []int{6, 8, 9, 10, 11}, nil, 7},
		{pipeline.DropOldest, true, []int{-6, -2, 8, 9, 10, 11}, nil, 8},
		{pipeline.DropNewest, false, []int{0, 1, 2, 3, 10}, nil, 7},
		{pipeline.DropNewest, true, []int{0, 1, 2, 3, -6, 10, -1}, nil, 7},
		{pipeline.Latest, false, []int{9, 11}, nil, 10},
		{pipeline.Latest, true, []int{-9, -2, 11}, nil, 11},
		{pipeline.Fail, true, []int{0, 1, 2, 3}, pipeline.ErrOverflow, 1},
		{pipeline.Disconnect, true, nil, pipeline.ErrOverflow, 5},
	} {
		t.Run(fmt.Sprint(c.policy, c.mark), func(t *testing.T) {
			q := &pipeline.Queue[int]{Policy: c.policy}
			if c.mark {
				q.Mark = lost
			}
			got, d, err := overflow(t, q)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.got, got)
			require.EqualValues(t, c.dropped, d.Dropped)
		})
	}
}

func TestG13EveryLossIsAnnouncedInItsPlace(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.DropOldest, pipeline.DropNewest, pipeline.Latest} {
		for _, size := range []int{1, 2, 3, 8, 64} {
			t.Run(fmt.Sprint(policy, size), func(t *testing.T) {
				const sent = 20000
				w := pipeline.Take(ints(), sent)
				s := pipeline.BufferWith(t.Context(), w, &pipeline.Queue[int]{Size: size, Policy: policy, Mark: lost})
				next, dropped := 0, 0
				for v := range s.All(t.Context()) {
					if v < 0 {
						next -= v
						dropped -= v
						continue
					}
					require.Equal(t, next, v)
					next++
					if v%7 == 0 {
						runtime.Gosched()
					}
				}
				require.NoError(t, s.Err())
				require.Equal(t, sent, next)
				d := s.Describe()
				require.EqualValues(t, dropped, d.Dropped)
				require.True(t, d.Ended)
			})
		}
	}
}

func TestG8ABufferHoldsExactlyItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(1000)...)
		s := pipeline.Buffer(t.Context(), w.Source, 4, pipeline.Block)
		for received := range 100 {
			synctest.Wait()
			require.EqualValues(t, received+4+1, w.taken.Load()) // one is in the hand of the goroutine
			require.Equal(t, 4, s.Describe().Queued)
			v, err := s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, received, v)
		}
		require.NoError(t, s.Close())
	})
}

func TestG8ALargeBufferHoldsNeverMoreThanItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(1000)...)
		s := pipeline.Buffer(t.Context(), w.Source, 100, pipeline.Block)
		for received := range 500 {
			synctest.Wait()
			ahead := int(w.taken.Load()) - received
			require.LessOrEqual(t, ahead, 101)
			require.GreaterOrEqual(t, ahead, 100, "a sender that waits gets the first place")
			_, err := s.Recv(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, s.Close())
	})
}

func TestABufferThatBlocksLosesNothingAtAnySize(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 8, 9, 64, 100, 1000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const sent = 20000
			s := pipeline.Buffer(t.Context(), from(errBoom, upto(sent)...), size, pipeline.Block)
			next := 0
			for v := range s.All(t.Context()) {
				require.Equal(t, next, v)
				if next++; v%(1+v%97) == 0 {
					runtime.Gosched()
				}
			}
			require.ErrorIs(t, s.Err(), errBoom)
			require.Equal(t, sent, next)
			d := s.Describe()
			require.Zero(t, d.Queued)
		})
	}
}

// The receiver is at the end of a segment, and has taken all of its values, while the sender wraps around.
func TestABufferKeepsTheOrderWhenItsSenderComesRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		s := pipeline.Buffer(t.Context(), chanio.From(ch), 100, pipeline.Block)
		sent, received := 0, 0
		pass := func(n int) {
			for range n {
				ch <- sent
				sent++
			}
			synctest.Wait()
			for range n {
				v, err := s.Recv(t.Context())
				require.NoError(t, err)
				require.Equal(t, received, v)
				received++
			}
		}
		pass(9)  // a segment of 8 and one of 16
		pass(15) // to the end of that
		pass(60) // round, and more room
		close(ch)
		_, err := s.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

// A Source that was closed and is still referenced keeps no value alive that will not be received.
func TestAClosedBufferLetsGoOfItsValues(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Block, pipeline.DropNewest} {
		synctest.Test(t, func(t *testing.T) {
			var refs []weak.Pointer[[64]byte]
			made := pipeline.Map(pipeline.Take(ints(), 100), func(int) *[64]byte {
				v := new([64]byte)
				refs = append(refs, weak.Make(v))
				return v
			})
			s := pipeline.Buffer(t.Context(), made, 50, policy)
			_, err := s.Recv(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, s.Close())
			synctest.Wait()
			runtime.GC()
			require.GreaterOrEqual(t, len(refs), 50)
			for i, ref := range refs {
				require.Nil(t, ref.Value(), i)
			}
			runtime.KeepAlive(s)
		})
	}
}

func TestG4ABufferIsClosedWhileItsFirstValueCrosses(t *testing.T) {
	for range 500 {
		s := pipeline.Buffer(t.Context(), pipeline.Take(ints(), 3), 2, pipeline.Block)
		done := make(chan error)
		go func() {
			_, err := s.Recv(t.Context())
			done <- err
		}()
		runtime.Gosched()
		require.NoError(t, s.Close())
		if err := <-done; err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
		}
	}
}

func TestBufferByCountsWithItsMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch("aaaa", "bb", "cccc", "dddddddddddddddd", "e", "")
		s := pipeline.BufferBy(t.Context(), w.Source, func(v string) int { return len(v) }, 8, pipeline.Block)
		for _, step := range []struct {
			queued, taken int
			want          string
		}{
			{6, 3, "aaaa"}, // cccc has to wait
			{6, 4, "bb"},
			{4, 4, "cccc"}, // and so has what is larger than the buffer
			{16, 5, "dddddddddddddddd"},
			{2, 6, "e"},
			{1, 6, ""}, // nothing weighs nothing
		} {
			synctest.Wait()
			require.Equal(t, step.queued, s.Describe().Queued)
			require.EqualValues(t, step.taken, w.taken.Load())
			v, err := s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, step.want, v)
		}
		require.NoError(t, s.Close())
	})
}

// hops are the stages that hand values to another goroutine, with room for 64 of them.
var hops = map[string]func(ctxt, src) src{
	"Buffer": func(ctx ctxt, s src) src { return pipeline.Buffer(ctx, s, 64, pipeline.Block) },
	"BufferBy": func(ctx ctxt, s src) src {
		return pipeline.BufferBy(ctx, s, one(nothing), 64, pipeline.Block)
	},
	"Merge": func(ctx ctxt, s src) src { return pipeline.Merge(ctx, s, of[int]()) },
	"Tee":   func(ctx ctxt, s src) src { return pipeline.Tee(ctx, s, 1)[0] },
	"MapConcurrent": func(ctx ctxt, s src) src {
		return pipeline.MapConcurrent(ctx, s, 32, sameCtx(nothing))
	},
	"MapUnordered": func(ctx ctxt, s src) src {
		return pipeline.MapUnordered(ctx, s, 32, sameCtx(nothing))
	},
}

// No time passes while a single value crosses.
func TestASparseValueCrossesAtOnce(t *testing.T) {
	for name, stage := range hops {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch[int]()
				s := stage(t.Context(), w.Source)
				for i := range 10 {
					got := make(chan int)
					go func() {
						v, _ := s.Recv(t.Context())
						got <- v
					}()
					synctest.Wait()
					start := time.Now()
					w.in <- i
					require.Equal(t, i, <-got)
					require.Zero(t, time.Since(start))
				}
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestNoAllocationPerValue(t *testing.T) {
	for name, make := range map[string]func(src) src{
		"Map":       func(s src) src { return pipeline.Map(s, inc) },
		"Filter":    func(s src) src { return pipeline.Filter(s, isEven) },
		"Scan":      func(s src) src { return pipeline.Scan(s, 0, max0) },
		"Transform": func(s src) src { return pairs(s) },
		"Timeout":   func(s src) src { return pipeline.Timeout(s, time.Hour) },
		"Named":     func(s src) src { return pipeline.Named(s, "x") },
		"Buffer":    func(s src) src { return pipeline.Buffer(t.Context(), s, 64, 0) },
		"Merge":     func(s src) src { return pipeline.Merge(t.Context(), s, of[int]()) },
		"Tee":       func(s src) src { return pipeline.Tee(t.Context(), s, 1)[0] },
		"MapConcurrent": func(s src) src {
			return pipeline.MapConcurrent(t.Context(), s, 4, sameCtx(nothing))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := make(ints())
			for range 1000 { // buffers grow to their size
				_, err := s.Recv(t.Context())
				require.NoError(t, err)
			}
			require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = s.Recv(t.Context()) }))
			require.NoError(t, s.Close())
		})
	}
}

func max0(a, b int) int { return max(a, b) }

// Every value that must be closed is received or returned, wherever it is when the receiver leaves.
func TestG12NoValueThatMustBeClosedIsForgotten(t *testing.T) {
	type stage func(ctxt, src) src
	for name, stage := range map[string]stage{
		"Take": func(_ ctxt, s src) src { return pipeline.Take(s, 1<<30) },
		"Buffer": func(ctx ctxt, s src) src {
			return pipeline.Buffer(ctx, s, 3, 0)
		},
		"Merge": func(ctx ctxt, s src) src {
			return pipeline.Merge(ctx, of[int](), s)
		},
		"DropOldest": func(ctx ctxt, s src) src {
			return pipeline.Buffer(ctx, s, 3, pipeline.DropOldest)
		},
		"DropNewest": func(ctx ctxt, s src) src {
			return pipeline.Buffer(ctx, s, 3, pipeline.DropNewest)
		},
		"Disconnect": func(ctx ctxt, s src) src {
			return pipeline.Buffer(ctx, s, 3, pipeline.Disconnect)
		},
	} {
		for _, channel := range []bool{false, true} {
			t.Run(fmt.Sprint(name, channel), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n = 20
					var back atomic.Int64
					w := watch[int]()
					taken := 0
					s := stage(t.Context(), chanio.NewSource(chanio.SourceHooks[int]{
						Next: func(ctx context.Context) (int, error) {
							if taken == n {
								return w.next(ctx)
							}
							taken++
							return taken, nil
						},
						Close:       func() error { close(w.closed); return nil },
						Undelivered: func(int) { back.Add(1) },
					}))
					synctest.Wait()
					got := 0
					if channel {
						ch := s.C(t.Context())
						synctest.Wait()
						for range 2 {
							if _, ok := <-ch; ok {
								got++
							}
						}
					} else if _, err := s.Recv(t.Context()); err == nil {
						got++
					}
					synctest.Wait()
					require.NoError(t, s.Close())
					synctest.Wait()
					require.Equal(t, taken, got+int(back.Load()))
				})
			})
		}
	}
	t.Run("MapConcurrent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var back, calls atomic.Int64
			w := watch(upto(20)...)
			s := chanio.NewSource(chanio.SourceHooks[int]{Next: w.next, Undelivered: func(int) { back.Add(1) }})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				done <- pipeline.ForEachConcurrent(ctx, s, 3, func(ctx context.Context, _ int) error {
					calls.Add(1)
					<-ctx.Done()
					return nil
				})
			}()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.EqualValues(t, 3, calls.Load())
			require.Equal(t, w.taken.Load(), calls.Load()+back.Load())
		})
	})
}

// TestASenderThatWaitsGetsTheFirstPlace receives one value of a full queue.
func TestASenderThatWaitsGetsTheFirstPlace(t *testing.T) {
	sent := make(chan struct{})
	src := pipeline.Buffer(t.Context(), chanio.FromSeq(func(yield func(int) bool) {
		for i := range 66 {
			if i == 65 {
				close(sent) // 64 in the queue, one accepted in the place of what was received
			}
			if !yield(i) {
				return
			}
		}
	}), 64, pipeline.Block)
	_, err := src.Recv(t.Context())
	require.NoError(t, err)
	select {
	case <-sent:
	case <-time.After(10 * time.Second):
		t.Fatal("the sender waits beside a free place")
	}
	require.NoError(t, src.Close())
}
