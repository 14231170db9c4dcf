package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func TestMapConcurrentKeepsTheOrderUnderRandomDelays(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int64
			s := pipeline.MapConcurrent(t.Context(), of(upto(200)...), n, func(_ context.Context, v int) (int, error) {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				time.Sleep(rand.N(time.Second))
				return v, nil
			})
			got, err := drain(t, s)
			require.NoError(t, err)
			require.Equal(t, upto(200), got)
			require.EqualValues(t, n, most.Load())
		})
	}
}

func TestMapUnorderedDeliversAsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := pipeline.MapUnordered(t.Context(), of(5, 1, 3, 2, 4), 5, func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Duration(v) * time.Second)
			return v, nil
		})
		for want := 1; want <= 5; want++ {
			v, err := s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, v)
			require.Equal(t, time.Duration(want)*time.Second, time.Since(start))
		}
		_, err := s.Recv(t.Context())
		require.Equal(t, io.EOF, err)
	})
}

func TestG8MapConcurrentTakesAtMostThreeTimesNAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(100)...)
		s := pipeline.MapConcurrent(t.Context(), w.Source, 4, sameCtx(nothing))
		synctest.Wait()
		require.EqualValues(t, 12+1, w.taken.Load()) // one waits for room
		require.NoError(t, s.Close())
	})
}

// delayed is a function for these tests: value v takes v seconds, or less if its ctx ends, which it notes.
type delayed struct {
	started, cancelled [64]atomic.Bool
	fail               int
}

func (d *delayed) do(ctx context.Context, v int) (int, error) {
	d.started[v].Store(true)
	select {
	case <-time.After(time.Duration(v) * time.Second):
	case <-ctx.Done():
		d.cancelled[v].Store(true)
		return 0, ctx.Err()
	}
	if v == d.fail {
		return 0, errBoom
	}
	return v, nil
}

func TestG1AFailureOfACallArrivesInOrderAndCancelsThoseAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &delayed{fail: 1}
		w := watch(3, 2, 1, 5, 4, 6, 7)
		s := pipeline.MapConcurrent(t.Context(), w.Source, 5, d.do)
		time.Sleep(1500 * time.Millisecond) // 1 has failed; 3 and 2 come before it and go on
		require.True(t, d.cancelled[5].Load())
		require.True(t, d.cancelled[4].Load())
		require.False(t, d.cancelled[2].Load())
		require.False(t, d.started[6].Load())
		require.True(t, w.isClosed())
		got, err := drain(t, s)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []int{3, 2}, got)
	})
}

func TestG1TheFirstFailureInOrderIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pipeline.MapConcurrent(t.Context(), of(3, 2, 1), 3, func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Duration(v) * time.Second)
			if v < 3 {
				return 0, fmt.Errorf("%d: %w", v, errBoom)
			}
			return v, nil
		})
		got, err := drain(t, s)
		require.EqualError(t, err, "2: boom")
		require.Equal(t, []int{3}, got)
	})
}

func TestG1AFailureOfAnUnorderedCallCancelsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &delayed{fail: 2}
		w := watch(3, 2, 1, 5)
		s := pipeline.MapUnordered(t.Context(), w.Source, 3, d.do)
		start := time.Now()
		got, err := drain(t, s)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []int{1}, got)
		require.Equal(t, 2*time.Second, time.Since(start))
		synctest.Wait()
		require.True(t, d.cancelled[3].Load())
		require.True(t, w.isClosed())
	})
}

func TestG3ClosingAMapConcurrentCancelsItsCallsAndStartsNoMore(t *testing.T) {
	for name, stage := range map[string]func(ctx ctxt, s src, d *delayed) src{
		"ordered": func(ctx ctxt, s src, d *delayed) src {
			return pipeline.MapConcurrent(ctx, s, 2, d.do)
		},
		"unordered": func(ctx ctxt, s src, d *delayed) src {
			return pipeline.MapUnordered(ctx, s, 2, d.do)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &delayed{}
				w := watch(5, 6, 7, 8, 9)
				s := stage(t.Context(), w.Source, d)
				synctest.Wait()
				require.NoError(t, s.Close())
				synctest.Wait()
				require.True(t, d.cancelled[5].Load() && d.cancelled[6].Load())
				require.False(t, d.started[7].Load())
				require.True(t, w.isClosed())
			})
		})
	}
}

func TestG11TheEndOfCtxStopsWhatIsStillToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var calls atomic.Int64
		s := pipeline.MapConcurrent(ctx, of(upto(6)...), 3, func(_ context.Context, v int) (int, error) {
			calls.Add(1)
			time.Sleep(time.Second) // without regard to ctx
			return v, nil
		})
		synctest.Wait() // src has ended, 3 values are at work and 3 wait
		cancel(errBoom)
		start := time.Now()
		_, err := drain(t, s)
		require.ErrorIs(t, err, errBoom)
		require.Zero(t, time.Since(start)) // calls that go on are not waited for
		time.Sleep(time.Minute)
		require.EqualValues(t, 3, calls.Load())
	})
}

func TestG16APanicOrGoexitInAGoroutineIsTheFailureOfTheStage(t *testing.T) {
	for name, f := range map[string]func(){
		"panic":  func() { panic(errBoom) },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			s := pipeline.MapConcurrent(t.Context(), of(upto(9)...), 3, func(_ context.Context, v int) (int, error) {
				if v == 2 {
					f()
				}
				return v, nil
			})
			got, err := drain(t, s)
			require.Equal(t, []int{0, 1}, got)
			var p *chanio.PanicError
			require.ErrorAs(t, err, &p)
			require.Equal(t, name == "panic", p.Value != nil)

			above := pipeline.Map(ints(), func(v int) int { f(); return v })
			_, err = drain(t, pipeline.Buffer(t.Context(), above, 3, pipeline.Block))
			require.ErrorAs(t, err, &p)
		})
	}
}

func TestForEachConcurrentWaitsForAllCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done atomic.Int64
		slow := func(context.Context, int) error {
			time.Sleep(time.Second)
			done.Add(1)
			return nil
		}
		require.NoError(t, pipeline.ForEachConcurrent(t.Context(), of(upto(10)...), 4, slow))
		require.EqualValues(t, 10, done.Load())

		w := watch(1, 2, 3, 4)
		var running atomic.Int64
		err := pipeline.ForEachConcurrent(t.Context(), w.Source, 3, func(ctx context.Context, v int) error {
			running.Add(1)
			defer running.Add(-1)
			if v == 2 {
				return errBoom
			}
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		})
		require.ErrorIs(t, err, errBoom)
		require.Zero(t, running.Load())
		require.True(t, w.isClosed())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w = watch(1)
		err = pipeline.ForEachConcurrent(ctx, w.Source, 3, func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, w.isClosed())
	})
}

func TestMergeEndsWhenAllHaveEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := watch(1, 2), watch(10)
		s := pipeline.Merge(t.Context(), a.Source, b.Source)
		a.fail <- io.EOF
		synctest.Wait()
		b.in <- 11
		b.fail <- io.EOF
		got, err := drain(t, s)
		require.NoError(t, err)
		require.ElementsMatch(t, []int{1, 2, 10, 11}, got)
	})
	_, err := drain(t, pipeline.Merge[int](t.Context()))
	require.NoError(t, err)
}

func TestG1MergeFailsWithTheFirstAndClosesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := watch(1, 2), watch[int]()
		s := pipeline.Merge(t.Context(), a.Source, b.Source)
		a.fail <- errBoom
		synctest.Wait()
		require.True(t, b.isClosed())
		got, err := drain(t, s)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []int{1, 2}, got)
	})
}

func TestMergeThatKeepsGoingJoinsTheFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := watch(1), watch[int]()
		s := pipeline.MergeWith(t.Context(), []src{a.Source, b.Source}, &pipeline.MergeConfig{KeepGoing: true})
		a.fail <- errBoom
		synctest.Wait()
		b.in <- 2
		b.fail <- io.ErrUnexpectedEOF
		got, err := drain(t, s)
		require.Equal(t, []int{1, 2}, got)
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestTeeGivesEveryBranchEverything(t *testing.T) {
	outs := pipeline.Tee(t.Context(), from(errBoom, upto(1000)...), 3)
	type branch struct {
		got []int
		err error
	}
	results := make(chan branch)
	for _, s := range outs {
		go func() {
			got, err := pipeline.Collect(t.Context(), s)
			results <- branch{got, err}
		}()
	}
	for range outs {
		r := <-results
		require.Equal(t, upto(1000), r.got)
		require.ErrorIs(t, r.err, errBoom)
	}
}

func TestTeeClosesItsUpstreamWithItsLastBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch[int]()
		outs := pipeline.Tee(t.Context(), w.Source, 2)
		require.NoError(t, outs[0].Close())
		w.in <- 1
		v, err := outs[1].Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.False(t, w.isClosed())
		require.NoError(t, outs[1].Close())
		require.True(t, w.isClosed())
	})
}

func TestG13ASlowBranchHoldsBackTheOthersOnlyIfItBlocks(t *testing.T) {
	for policy, fast := range map[pipeline.Policy]int{
		pipeline.Block: 4, pipeline.DropOldest: 100, pipeline.DropNewest: 100, pipeline.Latest: 100,
		pipeline.Fail: 100, pipeline.Disconnect: 100,
	} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outs := pipeline.TeeWith(t.Context(), of(upto(100)...),
					&pipeline.Queue[int]{Size: 1000}, &pipeline.Queue[int]{Size: 3, Policy: policy})
				synctest.Wait()
				require.Equal(t, fast, outs[0].Describe().Queued)
				for _, s := range outs {
					require.NoError(t, s.Close())
				}
			})
		})
	}
}

func TestG13ATeeWithoutBranchesLeftEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(10)...)
		outs := pipeline.TeeWith(t.Context(), w.Source, &pipeline.Queue[int]{Size: 2, Policy: pipeline.Fail})
		synctest.Wait()
		require.True(t, w.isClosed())
		got, err := drain(t, outs[0])
		require.Equal(t, []int{0, 1}, got)
		require.ErrorIs(t, err, pipeline.ErrOverflow)
	})
}

func TestWorkersThatWereIdleWorkSideBySideAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(0)
		s := pipeline.MapUnordered(t.Context(), w.Source, 2, func(_ context.Context, v int) (int, error) {
			time.Sleep(time.Duration(v) * time.Second)
			return v, nil
		})
		_, err := s.Recv(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		start := time.Now()
		w.in <- 1
		w.in <- 1
		for range 2 {
			_, err = s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, time.Second, time.Since(start))
		}
		require.NoError(t, s.Close())
	})
}

func TestG11TheEndOfCtxStopsAProducerThatNeverWaits(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.DropOldest, pipeline.DropNewest, pipeline.Latest} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s := pipeline.Buffer(ctx, ints(), 2, policy)
		_, err := s.Recv(t.Context())
		require.NoError(t, err)
		cancel(errBoom)
		for err == nil {
			_, err = s.Recv(t.Context())
		}
		require.ErrorIs(t, err, errBoom)
	}
}

// The receiver waits with the ctx of the stage or another; the producer does not look at any.
func TestTheEndOfCtxReachesTheReceiverThoughTheProducerIsStuck(t *testing.T) {
	for name, stage := range map[string]func(ctxt, src) src{
		"Buffer": func(ctx ctxt, s src) src { return pipeline.Buffer(ctx, s, 3, pipeline.Block) },
		"MapConcurrent": func(ctx ctxt, s src) src {
			return pipeline.MapConcurrent(ctx, s, 3, sameCtx(nothing))
		},
		"MapUnordered": func(ctx ctxt, s src) src {
			return pipeline.MapUnordered(ctx, s, 3, sameCtx(nothing))
		},
	} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprint(name, same), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					stuck := make(chan struct{})
					s := stage(ctx, chanio.NewSource(chanio.SourceHooks[int]{Next: func(context.Context) (int, error) {
						<-stuck
						return 0, io.EOF
					}}))
					receiving := t.Context()
					if same {
						receiving = ctx
					}
					got := make(chan error)
					go func() {
						_, err := s.Recv(receiving)
						got <- err
					}()
					synctest.Wait()
					cancel(errBoom)
					require.ErrorIs(t, <-got, errBoom)
					close(stuck)
				})
			})
		}
	}
}
