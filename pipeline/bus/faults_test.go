package bus_test

import (
	"context"
	"io"
	"math"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

// Publishers that wait for one subscriber are all woken when it leaves, or the bus is closed.
func TestTheEndOfASubscriptionWakesAllItsPublishers(t *testing.T) {
	for name, end := range map[string]func(*bus.Bus[string, int], *chanio.Source[int]) error{
		"its Close":    func(_ *bus.Bus[string, int], s *chanio.Source[int]) error { return s.Close() },
		"Close of all": func(b *bus.Bus[string, int], _ *chanio.Source[int]) error { return b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, metric := range []func(int) int{nil, func(int) int { return 1 }} {
				synctest.Test(t, func(t *testing.T) {
					b := bus.New[string, int]()
					s := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: pipeline.Block, Metric: metric})
					publish(t, b, "a", 0)
					done := make(chan int, 5)
					for range cap(done) {
						go func() {
							n, _ := b.Publish(t.Context(), "a", 1)
							done <- n
						}()
					}
					synctest.Wait()
					require.Empty(t, done)
					require.NoError(t, end(b, s))
					synctest.Wait()
					require.Len(t, done, cap(done))
				})
			}
		})
	}
}

// One publisher that gives up, or is served, wakes the next.
func TestEachPublisherThatWaitsIsServedInTheEnd(t *testing.T) {
	for _, metric := range []func(int) int{nil, func(int) int { return 1 }} {
		synctest.Test(t, func(t *testing.T) {
			b := bus.New[string, int]()
			s := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: pipeline.Block, Metric: metric})
			publish(t, b, "a", 0)
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error, 9)
			for i := range cap(done) {
				go func() {
					own := t.Context()
					if i%3 == 0 {
						own = ctx
					}
					_, err := b.Publish(own, "a", i)
					done <- err
				}()
			}
			synctest.Wait()
			cancel(io.EOF) // which is no end of the bus
			synctest.Wait()
			for range 3 {
				require.ErrorIs(t, <-done, context.Canceled)
			}
			for range 7 {
				_, err := s.Recv(t.Context())
				require.NoError(t, err)
			}
			for range 6 {
				require.NoError(t, <-done)
			}
		})
	}
}

func TestAPanicOfASubscribersFunctionEndsItsSubscriptionAlone(t *testing.T) {
	b := bus.New[string, int]()
	boom := func() { panic(errBoom) }
	byMetric := subscribe(t, b, "a", &pipeline.Queue[int]{Metric: func(int) int { boom(); return 1 }})
	byOverflow := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: pipeline.Fail, OnOverflow: boom})
	byMatch, err := b.SubscribeFunc(func(string) bool { boom(); return true }, nil)
	require.NoError(t, err)
	well := subscribe(t, b, "a", nil)
	require.Equal(t, 2, publish(t, b, "a", 1))
	require.Equal(t, 1, publish(t, b, "a", 2))
	require.Equal(t, 1, publish(t, b, "a", 3))
	for _, s := range []*chanio.Source[int]{byMetric, byMatch} {
		_, err := s.Recv(t.Context())
		require.ErrorIs(t, err, errBoom)
	}
	got, err := pipeline.Collect(t.Context(), byOverflow)
	require.Equal(t, []int{1}, got)
	require.ErrorIs(t, err, pipeline.ErrOverflow)
	require.NoError(t, b.Close())
	got, err = pipeline.Collect(t.Context(), well)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, got)
}

func TestMisuseOfABusPanics(t *testing.T) {
	b := bus.New[string, int]()
	require.PanicsWithValue(t, "bus: SubscribeFunc: match is nil", func() { _, _ = b.SubscribeFunc(nil, nil) })
	require.PanicsWithValue(t, "bus: Attach: sink is nil", func() { _, _ = b.Attach(t.Context(), "a", nil, nil) })
	require.PanicsWithValue(t, "bus: Subscribe: Size is -1, must not be negative", func() {
		_, _ = b.Subscribe(t.Context(), "a", &pipeline.Queue[int]{Size: -1})
	})
}

// A topic that is not equal to itself, such as NaN, finds no subscriber and does no harm.
func TestATopicThatDiffersFromItself(t *testing.T) {
	b := bus.New[float64, int]()
	defer b.Close()
	nan := math.NaN()
	s, err := b.Subscribe(t.Context(), nan, nil)
	require.NoError(t, err)
	n, err := b.Publish(t.Context(), nan, 1)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	other, err := b.Subscribe(t.Context(), 1, nil)
	require.NoError(t, err)
	n, err = b.Publish(t.Context(), 1, 2)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	v, err := other.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, v)
}

// Subscribers that come and go disturb neither a publication in progress nor each other.
func TestSubscriptionsComeAndGoBesidePublishers(t *testing.T) {
	b := bus.New[string, int]()
	stays, err := b.Subscribe(t.Context(), "a", &pipeline.Queue[int]{Policy: pipeline.Block})
	require.NoError(t, err)
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				s, err := b.Subscribe(t.Context(), "a", nil)
				check(err)
				m, err := b.SubscribeFunc(func(topic string) bool { return topic == "a" }, nil)
				check(err)
				check(s.Close())
				check(m.Close())
			}
		})
	}
	all.Go(func() {
		for v := range 1000 {
			n, err := b.Publish(t.Context(), "a", v)
			check(err)
			if n < 1 {
				t.Errorf("%d was received by nobody", v)
			}
		}
	})
	for v := range 1000 {
		got, err := stays.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	all.Wait()
	require.Len(t, b.Subscribers("a"), 1)
	require.NoError(t, stays.Close())
	require.Empty(t, b.Topics())
	require.NoError(t, b.Close())
}

// A large value waits for its turn only: small ones that come later do not take its room again and again.
func TestALargeValueIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		s := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 10, Policy: pipeline.Block, Metric: func(v int) int { return v }})
		ctx, cancel := context.WithCancel(t.Context())
		var publishers sync.WaitGroup
		for range 10 {
			publishers.Go(func() {
				for ctx.Err() == nil {
					_, _ = b.Publish(ctx, "a", 1)
				}
			})
		}
		synctest.Wait()
		publishers.Go(func() { _, _ = b.Publish(ctx, "a", 10) })
		for i, v := 0, 1; v == 1; i++ {
			require.Less(t, i, 1000)
			synctest.Wait()
			var err error
			v, err = s.Recv(ctx)
			require.NoError(t, err)
		}
		cancel()
		publishers.Wait()
	})
}

type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} { panic("Done") }

func TestAContextThatPanicsLocksNothing(t *testing.T) {
	for _, metric := range []func(int) int{nil, func(int) int { return 1 }} {
		b := bus.New[string, int]()
		s := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: pipeline.Block, Metric: metric})
		publish(t, b, "a", 1)
		func() {
			defer func() { _ = recover() }()
			_, _ = b.Publish(brokenContext{t.Context()}, "a", 0)
		}()
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.NoError(t, b.Close())
	}
}
