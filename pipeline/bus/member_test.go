package bus_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

// mailbox is a sink with room for a number of values, until a receiver takes them.
type mailbox struct {
	*chanio.Sink[int]
	room chan int
}

func newMailbox(size int) *mailbox {
	m := &mailbox{room: make(chan int, size)}
	var end chanio.End
	m.Sink = chanio.NewSink(chanio.SinkHooks[int]{
		End: &end,
		TrySend: func(v int) (bool, error) {
			select {
			case m.room <- v:
				return true, nil
			default:
				return false, nil
			}
		},
		Send: func(ctx context.Context, v int) error {
			select {
			case m.room <- v:
				return nil
			case <-ctx.Done():
				return chanio.Cause(ctx)
			case <-end.Done():
				return net.ErrClosed
			}
		},
	})
	return m
}

// take returns the next n values.
func (m *mailbox) take(n int) (all []int) {
	for range n {
		all = append(all, <-m.room)
	}
	return all
}

func attach(t *testing.T, b *bus.Bus[string, int], sink *chanio.Sink[int], cfg *pipeline.Queue[int]) (detach func()) {
	detach, err := b.Attach(t.Context(), "a", sink, cfg)
	require.NoError(t, err)
	t.Cleanup(detach)
	return detach
}

func TestAnAttachedSinkGetsEveryValueInOrderWhileItHasRoom(t *testing.T) {
	b := bus.New[string, int]()
	one, two := newMailbox(10), newMailbox(10)
	attach(t, b, one.Sink, nil)
	attach(t, b, two.Sink, nil)
	for i := range 10 {
		require.Equal(t, 2, publish(t, b, "a", i))
	}
	require.Equal(t, upto(10), one.take(10))
	require.Equal(t, upto(10), two.take(10))
}

// The values for which a sink has no room wait in its queue and are not overtaken. Other sinks do not wait.
func TestASinkWithoutRoomGetsItsValuesLaterAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		slow, quick := newMailbox(3), newMailbox(30)
		attach(t, b, slow.Sink, &pipeline.Queue[int]{Size: 30})
		attach(t, b, quick.Sink, nil)
		for i := range 20 {
			require.Equal(t, 2, publish(t, b, "a", i))
		}
		require.Equal(t, upto(20), quick.take(20))
		require.Equal(t, upto(20)[:10], slow.take(10))
		for i := 20; i < 30; i++ {
			publish(t, b, "a", i)
		}
		require.Equal(t, upto(30)[10:], slow.take(20))
		synctest.Wait()
		require.Equal(t, 2, publish(t, b, "a", 30), "again without the queue")
		require.Equal(t, []int{30}, slow.take(1))
	})
}

func TestAQueueOfAnAttachedSinkDropsAsItsPolicySays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		slow := newMailbox(1)
		attach(t, b, slow.Sink, &pipeline.Queue[int]{Size: 2, Mark: lost})
		for i := range 10 {
			publish(t, b, "a", i)
			synctest.Wait()
		}
		require.Equal(t, []int{0, 1, lost(6), 8, 9}, slow.take(5))
	})
}

func TestAnOverflowAbortsTheAttachedSink(t *testing.T) {
	for policy, want := range map[pipeline.Policy][]int{
		pipeline.Disconnect: {0},
		pipeline.Fail:       {0, 1, 2, 3},
	} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := bus.New[string, int]()
				slow := newMailbox(1)
				var told bool
				attach(t, b, slow.Sink, &pipeline.Queue[int]{Size: 2, Policy: policy, OnOverflow: func() { told = true }})
				for i := range 5 {
					publish(t, b, "a", i)
					synctest.Wait()
				}
				require.True(t, told)
				require.Empty(t, b.Subscribers("a"))
				require.Equal(t, want, slow.take(len(want)))
				<-slow.Done()
				require.ErrorIs(t, slow.Err(), pipeline.ErrOverflow)
				require.Empty(t, slow.room)
			})
		})
	}
}

func TestAPublisherWaitsForAnAttachedSinkUnderBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		slow := newMailbox(1)
		attach(t, b, slow.Sink, &pipeline.Queue[int]{Size: 1, Policy: pipeline.Block})
		var group sync.WaitGroup
		group.Go(func() {
			for i := range 20 {
				n, err := b.Publish(t.Context(), "a", i)
				require.NoError(t, err)
				require.Equal(t, 1, n)
			}
		})
		synctest.Wait()
		require.Equal(t, upto(20), slow.take(20))
		group.Wait()
	})
}

func TestAnAttachmentEndsWithItsContextItsDetachOrItsSink(t *testing.T) {
	for name, end := range map[string]func(cancel func(), detach func(), m *mailbox){
		"context": func(cancel func(), _ func(), _ *mailbox) { cancel() },
		"detach":  func(_ func(), detach func(), _ *mailbox) { detach() },
		"sink":    func(_ func(), _ func(), m *mailbox) { m.Abort(errBoom) },
	} {
		for _, size := range []int{1, 100} { // with and without a goroutine
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := bus.New[string, int]()
					m := newMailbox(size)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					detach, err := b.Attach(ctx, "a", m.Sink, nil)
					require.NoError(t, err)
					defer detach()
					for i := range 10 {
						publish(t, b, "a", i)
					}
					synctest.Wait()
					before := len(m.room)
					end(cancel, detach, m)
					synctest.Wait()
					n, err := b.Publish(t.Context(), "a", 10)
					require.NoError(t, err)
					require.Zero(t, n)
					require.Empty(t, b.Topics())
					m.take(before)
					synctest.Wait()
					require.Empty(t, m.room, "nothing is sent any more")
				})
			})
		}
	}
}

func TestCloseOfTheBusLeavesAnAttachedSinkOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.New[string, int]()
		m := newMailbox(1)
		attach(t, b, m.Sink, nil)
		for i := range 3 {
			publish(t, b, "a", i)
		}
		require.NoError(t, b.Close())
		require.Equal(t, upto(3), m.take(3), "what the queue holds is sent")
		synctest.Wait()
		require.NoError(t, m.Send(t.Context(), 3))
		_, err := b.Attach(t.Context(), "a", m.Sink, nil)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// Many members are served by several goroutines. Each gets the values of one publisher in order.
func TestEachOfManyMembersGetsTheValuesOfEachPublisherInOrder(t *testing.T) {
	const members, publishers, values = 300, 3, 40
	b := bus.New[string, int]()
	all := make([]*mailbox, members)
	for i := range all {
		all[i] = newMailbox(values * publishers)
		if i%7 == 0 {
			all[i] = newMailbox(3)
		}
		attach(t, b, all[i].Sink, &pipeline.Queue[int]{Size: values * publishers})
	}
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for i := range values {
				n, err := b.Publish(t.Context(), "a", p*values+i)
				require.NoError(t, err)
				require.Equal(t, members, n)
			}
		})
	}
	for _, m := range all {
		group.Go(func() {
			var next [publishers]int
			for _, v := range m.take(values * publishers) {
				p := v / values
				require.Equal(t, p*values+next[p], v)
				next[p]++
			}
		})
	}
	group.Wait()
}

// A sink whose hook does not return ends, in the goroutine of the publisher as in those that help.
func TestAnAttachedSinkThatPanicsEndsAlone(t *testing.T) {
	for name, fault := range map[string]func(){
		"panic":  func() { panic(errBoom) },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			const members = 200
			b := bus.New[string, int]()
			all := make([]*mailbox, members)
			var broken []*chanio.Sink[int]
			for i := range all {
				all[i] = newMailbox(5)
				attach(t, b, all[i].Sink, nil)
				if i%50 == 0 {
					sink := chanio.NewSink(chanio.SinkHooks[int]{
						Send:    func(context.Context, int) error { fault(); return nil },
						TrySend: func(int) (bool, error) { fault(); return true, nil },
					})
					attach(t, b, sink, nil)
					broken = append(broken, sink)
				}
			}
			for range 2 * len(broken) { // Goexit ends a publisher
				var group sync.WaitGroup
				group.Go(func() { _, _ = b.Publish(t.Context(), "a", 0) })
				group.Wait()
				for _, m := range all {
					for len(m.room) > 0 {
						<-m.room
					}
				}
			}
			for _, sink := range broken {
				var p *chanio.PanicError
				require.ErrorAs(t, sink.Err(), &p)
			}
			require.Equal(t, members, publish(t, b, "a", 1))
		})
	}
}

// The same in the goroutine that empties the queue.
func TestAnAttachedSinkThatPanicsInSendEndsAlone(t *testing.T) {
	for name, fault := range map[string]func(){
		"panic":  func() { panic(errBoom) },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			b := bus.New[string, int]()
			sink := chanio.NewSink(chanio.SinkHooks[int]{
				Send:    func(context.Context, int) error { fault(); return nil },
				TrySend: func(int) (bool, error) { return false, nil },
			})
			attach(t, b, sink, nil)
			require.Equal(t, 1, publish(t, b, "a", 0), "it is in the queue")
			<-sink.Done()
			var p *chanio.PanicError
			require.ErrorAs(t, sink.Err(), &p)
		})
	}
}

// A value that the sink rejects affects no other subscriber.
func TestAValueThatAnAttachedSinkRejectsIsSkipped(t *testing.T) {
	b := bus.New[string, int]()
	m := newMailbox(5)
	even := chanio.NewSink(chanio.SinkHooks[int]{
		Send: func(ctx context.Context, v int) error {
			if v%2 != 0 {
				return errors.New("odd")
			}
			return m.Send(ctx, v)
		},
		TrySend: func(v int) (bool, error) {
			if v%2 != 0 {
				return false, errors.New("odd")
			}
			return m.TrySend(v)
		},
		End: m.End(),
	})
	attach(t, b, even, nil)
	for i := range 5 {
		require.Equal(t, (i+1)%2, publish(t, b, "a", i))
	}
	require.Equal(t, []int{0, 2, 4}, m.take(3))
}
