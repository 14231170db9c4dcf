package bus_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

var _ bus.PubSub[string, int] = (*bus.Bus[string, int])(nil)

func subscribe(t testing.TB, b *bus.Bus[string, int], topic string, q *pipeline.Queue[int]) *chanio.Source[int] {
	t.Helper()
	s, err := b.Subscribe(context.Background(), topic, q)
	require.NoError(t, err)
	return s
}

func publish(t testing.TB, b *bus.Bus[string, int], topic string, v int) int {
	t.Helper()
	n, err := b.Publish(context.Background(), topic, v)
	require.NoError(t, err)
	return n
}

func TestBusReportsHowManyReceived(t *testing.T) {
	b := bus.New[string, int]()
	require.Zero(t, publish(t, b, "a", 1))
	one, two := subscribe(t, b, "a", nil), subscribe(t, b, "a", nil)
	other := subscribe(t, b, "b", nil)
	require.Equal(t, 2, publish(t, b, "a", 2))
	require.ElementsMatch(t, []string{"a", "b"}, b.Topics())
	require.Len(t, b.Subscribers("a"), 2)
	require.Nil(t, b.Subscribers("none"))

	require.NoError(t, one.Close())
	require.Equal(t, 1, publish(t, b, "a", 3))
	require.NoError(t, two.Close())
	require.Equal(t, []string{"b"}, b.Topics())
	require.Zero(t, publish(t, b, "a", 4))

	again := subscribe(t, b, "a", nil) // the topic is a new one
	require.Equal(t, 1, publish(t, b, "a", 5))
	v, err := again.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5, v)
	require.NoError(t, other.Close())
}

func TestG1ClosingABusEndsItsSubscriptionsAfterWhatTheyHold(t *testing.T) {
	b := bus.New[string, int]()
	s := subscribe(t, b, "a", nil)
	m, err := b.SubscribeFunc(func(string) bool { return true }, nil)
	require.NoError(t, err)
	require.Equal(t, 2, publish(t, b, "a", 1))
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	for _, s := range []*chanio.Source[int]{s, m} {
		got, err := drain(t, s)
		require.NoError(t, err)
		require.Equal(t, []int{1}, got)
	}
	_, err = b.Publish(t.Context(), "a", 2)
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = b.Subscribe(t.Context(), "a", nil)
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = b.SubscribeFunc(func(string) bool { return true }, nil)
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, b.Topics())
}

func TestG13ASlowSubscriberStallsNobodyUnlessItBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		slow := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 2, Mark: lost})
		fast := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 100})
		for i := range 10 {
			require.Equal(t, 2, publish(t, b, "a", i))
		}
		require.NoError(t, b.Close())
		got, _ := drain(t, slow)
		require.Equal(t, []int{-8, 8, 9}, got)
		got, _ = drain(t, fast)
		require.Equal(t, upto(10), got)
	})
}

func TestG13APublisherWaitsForABlockingSubscriberAfterItServedTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		blocking := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: pipeline.Block})
		other := subscribe(t, b, "a", nil)
		publish(t, b, "a", 1)
		done := make(chan int)
		go func() { done <- publish(t, b, "a", 2) }()
		synctest.Wait()
		require.Equal(t, 2, other.Describe().Queued)
		_, err := blocking.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, <-done)

		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			n, err := b.Publish(ctx, "a", 3)
			require.ErrorIs(t, err, errBoom)
			done <- n
		}()
		synctest.Wait()
		cancel(errBoom)
		require.Equal(t, 1, <-done) // the other has it

		go func() { done <- publish(t, b, "a", 4) }()
		synctest.Wait()
		require.NoError(t, blocking.Close()) // lets a publisher go
		require.Equal(t, 1, <-done)
		require.NoError(t, b.Close())
	})
}

func TestG13ASubscriberThatIsCutOffLeavesTheTopic(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Fail, pipeline.Disconnect} {
		b := bus.New[string, int]()
		s := subscribe(t, b, "a", &pipeline.Queue[int]{Size: 1, Policy: policy})
		require.Equal(t, 1, publish(t, b, "a", 1))
		require.Zero(t, publish(t, b, "a", 2))
		require.Empty(t, b.Topics())
		got, err := drain(t, s)
		require.ErrorIs(t, err, pipeline.ErrOverflow)
		require.Len(t, got, map[pipeline.Policy]int{pipeline.Fail: 1}[policy])
	}
}

func TestBusServesPredicates(t *testing.T) {
	b := bus.New[string, int]()
	s, err := b.SubscribeFunc(bus.Wildcard("room.*.said"), nil)
	require.NoError(t, err)
	exact := subscribe(t, b, "room.7.said", nil)
	require.Equal(t, 2, publish(t, b, "room.7.said", 1))
	require.Equal(t, 1, publish(t, b, "room.8.said", 2))
	require.Zero(t, publish(t, b, "room.8.left", 3))
	require.NoError(t, s.Close())
	require.Zero(t, publish(t, b, "room.8.said", 4))
	require.NoError(t, exact.Close())
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"a", []string{"a"}, []string{"", "b", "a.b", "a."}},
		{"*", []string{"a", "b"}, []string{"", "a.b"}},
		{">", []string{"a", "a.b.c"}, []string{""}},
		{"a.*.c", []string{"a.b.c"}, []string{"a.c", "a..c", "a.b.d", "a.b.c.d", "b.b.c"}},
		{"a.>", []string{"a.b", "a.b.c"}, []string{"a", "a.", "b.c"}},
	} {
		match := bus.Wildcard(c.pattern)
		for _, topic := range c.yes {
			require.True(t, match(topic), "%s %q", c.pattern, topic)
		}
		for _, topic := range c.no {
			require.False(t, match(topic), "%s %q", c.pattern, topic)
		}
	}
	for _, bad := range []string{"", "a..b", "a.", "a*", ">.a", "a.b>"} {
		require.PanicsWithValue(t, fmt.Sprintf("bus: Wildcard: invalid pattern %q", bad), func() {
			bus.Wildcard(bad)
		})
	}
}

// Subscribers come and go while publishers publish: each receives its values in order, and nothing remains at the end.
func TestG4BusUnderConcurrentUse(t *testing.T) {
	b := bus.New[string, int]()
	topics := []string{"a", "b", "c"}
	var publishers, subscribers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for _, topic := range topics {
		publishers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, _ = b.Publish(ctx, topic, i)
			}
		})
	}
	for i := range 8 {
		subscribers.Go(func() {
			for round := range 10 {
				q := &pipeline.Queue[int]{Size: 4, Policy: pipeline.Policy(1 + i%4)}
				s, err := b.Subscribe(ctx, topics[(i+round)%3], q)
				if err != nil {
					t.Error(err)
					return
				}
				last := -1
				for range 20 {
					v, err := s.Recv(ctx)
					if err != nil || v <= last {
						t.Error(v, last, err)
					}
					last = v
				}
				_ = s.Close()
			}
		})
	}
	subscribers.Wait()
	require.Empty(t, b.Topics())
	cancel()
	publishers.Wait()
}

func TestBusSnapshotsSurviveChanges(t *testing.T) {
	b := bus.New[string, int]()
	var subs []*chanio.Source[int]
	for range 100 {
		subs = append(subs, subscribe(t, b, "a", nil))
	}
	want := 100
	for i := 0; len(subs) > 0; i++ {
		require.Equal(t, want, publish(t, b, "a", i))
		k := (i * 37) % len(subs)
		require.NoError(t, subs[k].Close())
		subs = slices.Delete(subs, k, k+1)
		want--
		if i%3 == 0 && i < 60 {
			subs = append(subs, subscribe(t, b, "a", nil))
			want++
		}
	}
	require.Empty(t, b.Topics())
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestBusMemoryPerSubscription(t *testing.T) {
	n := 10_000
	if os.Getenv("WEIR_LONG") != "" {
		n = 100_000
	}
	for name, topic := range map[string]func(i int) int{
		"one topic":   func(int) int { return 0 },
		"many topics": func(i int) int { return i },
	} {
		t.Run(name, func(t *testing.T) {
			b := bus.New[int, int]()
			subs := make([]*chanio.Source[int], n)
			before := heap()
			for i := range subs {
				subs[i], _ = b.Subscribe(t.Context(), topic(i), nil)
			}
			idle := (heap() - before) / int64(n)
			for i := range subs {
				if topic(i) == i || i == 0 {
					_, _ = b.Publish(t.Context(), topic(i), i)
				}
			}
			t.Logf("%d subscriptions: %d bytes each, %d with a value", n, idle, (heap()-before)/int64(n))
			require.Less(t, idle, int64(800))
			for _, s := range subs {
				_ = s.Close()
			}
			require.Empty(t, b.Topics())
		})
	}
}

func BenchmarkBusPublish(b *testing.B) {
	for _, c := range []struct{ topics, subscribers int }{{1, 1}, {1, 100}, {1, 10_000}, {1, 100_000}, {100_000, 1}} {
		b.Run(fmt.Sprintf("topics=%d/subscribers=%d", c.topics, c.subscribers), func(b *testing.B) {
			all := bus.New[int, int]()
			before := heap()
			for topic := range c.topics {
				for range c.subscribers {
					_, _ = all.Subscribe(context.Background(), topic, nil)
				}
			}
			n := c.topics * c.subscribers
			b.ReportMetric(float64(heap()-before)/float64(n), "B/subscription")
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				n, _ := all.Publish(context.Background(), sent%c.topics, sent)
				if n != c.subscribers {
					b.Fatal(n)
				}
				sent++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.subscribers), "ns/delivery")
		})
	}
}

func TestASubscriberThatLeavesDuringAPublishDisturbsNobody(t *testing.T) {
	b := bus.New[string, int]()
	var second *chanio.Source[int]
	first := subscribe(t, b, "a", &pipeline.Queue[int]{Metric: func(int) int {
		_ = second.Close() // in the middle of Publish
		return 1
	}})
	second = subscribe(t, b, "a", nil)
	third := subscribe(t, b, "a", nil)
	require.Equal(t, 2, publish(t, b, "a", 1))
	require.Equal(t, 2, publish(t, b, "a", 2))
	require.NoError(t, b.Close())
	for _, s := range []*chanio.Source[int]{first, third} {
		got, err := drain(t, s)
		require.NoError(t, err)
		require.Equal(t, []int{1, 2}, got)
	}
}

func TestG13OverflowGetsAStuckReceiverOut(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Fail, pipeline.Disconnect} {
		synctest.Test(t, func(t *testing.T) {
			_, k := chanio.PipeOf[int](0)
			told := 0
			b := bus.New[string, int]()
			s, err := b.Subscribe(t.Context(), "a", &pipeline.Queue[int]{Size: 2, Policy: policy, OnOverflow: func() {
				told++
				k.Abort(pipeline.ErrOverflow)
			}})
			require.NoError(t, err)
			done := make(chan error)
			go func() { done <- pipeline.Connect(t.Context(), s, k) }()
			for i := range 5 {
				publish(t, b, "a", i)
				synctest.Wait()
			}
			require.ErrorIs(t, <-done, pipeline.ErrOverflow)
			require.Equal(t, 1, told)
		})
	}
}
