package sse_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
)

func TestBlockWaitsAlsoForTheBytesOfTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := sse.NewTopic(&sse.TopicConfig{RingBytes: 1000, Slow: sse.Block, Epoch: "e"})
		src := topic.Subscribe("")
		publish(t, topic, 1, 3)
		large := strings.Repeat("x", 990)
		published := make(chan error, 1)
		go func() {
			_, err := topic.Publish(t.Context(), sse.Event{Data: large})
			published <- err
		}()
		synctest.Wait()
		require.Equal(t, []string{"1", "2"}, receive(t, src, 2))
		synctest.Wait()
		require.Empty(t, published, "the third would be lost")
		require.Equal(t, []string{"3", large}, receive(t, src, 2))
		require.NoError(t, <-published)
		require.NoError(t, src.Close())
	})
}

// A large event waits for its turn only: small ones that come later do not take its room again and again.
func TestALargeEventIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := sse.NewTopic(&sse.TopicConfig{RingBytes: 1000, Slow: sse.Block})
		s := topic.Subscribe("")
		ctx, cancel := context.WithCancel(t.Context())
		var publishers sync.WaitGroup
		publishAgain := func(e sse.Event) {
			for ctx.Err() == nil {
				_, _ = topic.Publish(ctx, e)
			}
		}
		for range 10 {
			publishers.Go(func() { publishAgain(sse.Event{Data: "small"}) })
		}
		synctest.Wait()
		publishers.Go(func() { publishAgain(sse.Event{Type: "large", Data: strings.Repeat("x", 800)}) })
		for i, e := 0, (sse.Event{}); e.Type != "large"; i++ {
			require.Less(t, i, 1000)
			synctest.Wait()
			var err error
			e, err = s.Recv(ctx)
			require.NoError(t, err)
		}
		cancel()
		require.NoError(t, topic.Close()) // which wakes all
		publishers.Wait()
	})
}

type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} { panic("Done") }

func TestAContextThatPanicsStopsNoOtherPublisher(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{Ring: 1, Slow: sse.Block})
	src := topic.Subscribe("")
	publish(t, topic, 1, 1)
	require.PanicsWithValue(t, "Done", func() { _, _ = topic.Publish(brokenContext{t.Context()}, sse.Event{Data: "0"}) })
	require.Equal(t, []string{"1"}, receive(t, src, 1))
	publish(t, topic, 2, 1)
	require.Equal(t, []string{"2"}, receive(t, src, 1))
	require.NoError(t, src.Close())
}
