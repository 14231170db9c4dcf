package sse_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// publish publishes events with the data from, from+1 and so on.
func publish(t *testing.T, topic *sse.Topic, from, n int) (ids []string) {
	for i := range n {
		e, err := topic.Publish(t.Context(), sse.Event{Data: fmt.Sprint(from + i)})
		require.NoError(t, err)
		ids = append(ids, e.ID)
	}
	return ids
}

// receive returns the data of the next n events, or their types.
func receive(t *testing.T, src *chanio.Source[sse.Event], n int) (got []string) {
	for range n {
		e, err := src.Recv(t.Context())
		require.NoError(t, err)
		if e.Type != "" {
			e.Data = e.Type + e.Data
		}
		got = append(got, e.Data)
	}
	return got
}

func TestSubscribersGetWhatTheyHaveMissedThenWhatComes(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{Ring: 4, Epoch: "e"})
	ids := publish(t, topic, 1, 6)
	require.Equal(t, "e-1", ids[0])
	live, resumed, oldest := topic.Subscribe(""), topic.Subscribe("e-4"), topic.Subscribe("e-2")
	latest := topic.Subscribe("e-6")
	publish(t, topic, 7, 1)
	require.Equal(t, []string{"7"}, receive(t, live, 1))
	require.Equal(t, []string{"5", "6", "7"}, receive(t, resumed, 3))
	require.Equal(t, []string{"7"}, receive(t, latest, 1))
	require.Equal(t, []string{"lost1", "4", "5"}, receive(t, oldest, 3), "the ring moved on by one")
	for _, stale := range []string{"e-1", "e-99", "f-5", "nonsense", "e-", "e-x"} {
		src := topic.Subscribe(stale)
		publish(t, topic, 8, 1)
		e, err := src.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "stale", e.Type)
		require.True(t, strings.HasPrefix(e.ID, "e-"), "what the client is to resume from")
		require.Equal(t, []string{"8"}, receive(t, src, 1))
		again := topic.Subscribe(e.ID)
		require.Equal(t, []string{"8"}, receive(t, again, 1))
		require.NoError(t, src.Close())
		require.NoError(t, again.Close())
	}
	for _, src := range []*chanio.Source[sse.Event]{live, resumed, oldest, latest} {
		require.NoError(t, src.Close())
	}
	require.Zero(t, topic.Subscribers())
}

func TestTopicsAreConfigured(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{
		MaxEvent: 100, Stale: func() sse.Event { return sse.Event{ID: "x", Type: "start again", Data: "now"} },
	})
	_, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 100)})
	require.ErrorIs(t, err, chanio.ErrTooLarge)
	src := topic.Subscribe("of another run")
	publish(t, topic, 1, 1)
	e, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "start again: now", e.Type+": "+e.Data)
	require.NotEqual(t, "x", e.ID)
	require.Equal(t, []string{"1"}, receive(t, src, 1))
	require.NoError(t, src.Close())
}

func TestSlowSubscribersAreTreatedAsThePolicySays(t *testing.T) {
	drop := sse.NewTopic(&sse.TopicConfig{Ring: 3})
	src := drop.Subscribe("")
	publish(t, drop, 1, 10)
	require.Equal(t, []string{"lost7", "8", "9", "10"}, receive(t, src, 4))
	require.NoError(t, src.Close())

	marked := sse.NewTopic(&sse.TopicConfig{Ring: 1, Mark: func(lost uint64) sse.Event { return sse.Event{ID: "x", Data: fmt.Sprint("-", lost)} }})
	src = marked.Subscribe("")
	publish(t, marked, 1, 3)
	e, err := src.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, sse.Event{Data: "-2"}, e)
	require.NoError(t, src.Close())

	disconnect := sse.NewTopic(&sse.TopicConfig{Ring: 3, Slow: sse.Disconnect})
	src = disconnect.Subscribe("")
	publish(t, disconnect, 1, 4)
	_, err = src.Recv(t.Context())
	require.ErrorIs(t, err, sse.ErrSlow)
	require.Zero(t, disconnect.Subscribers())
}

func TestBlockMakesPublishWaitForTheSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := sse.NewTopic(&sse.TopicConfig{Ring: 2, Slow: sse.Block})
		slow, gone := topic.Subscribe(""), topic.Subscribe("")
		require.NoError(t, gone.Close())
		publish(t, topic, 1, 2)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := topic.Publish(ctx, sse.Event{Data: "never"})
		require.ErrorIs(t, err, context.Canceled)
		done := make(chan struct{})
		go func() {
			defer close(done)
			publish(t, topic, 3, 1)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("Publish did not wait")
		default:
		}
		require.Equal(t, []string{"1", "2", "3"}, receive(t, slow, 3))
		<-done
		publish(t, topic, 4, 2)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			publish(t, topic, 6, 1)
		}()
		synctest.Wait()
		require.NoError(t, slow.Close())
		<-closed
	})
}

func TestRingIsBoundedInBytes(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{RingBytes: 1000, Epoch: "e"})
	for range 10 {
		_, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 300)})
		require.NoError(t, err)
	}
	src := topic.Subscribe("e-5")
	require.Equal(t, []string{"stale"}, receive(t, src, 1))
	require.NoError(t, src.Close())
	_, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 5000)})
	require.NoError(t, err, "one is kept whatever its size")
	_, err = topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 2<<20)})
	require.Error(t, err)
}

func TestCloseEndsSubscribersBehindWhatTheyHaveNotSeen(t *testing.T) {
	topic := sse.NewTopic(nil)
	src, bytes := topic.Subscribe(""), topic.SubscribeBytes("")
	publish(t, topic, 1, 2)
	require.NoError(t, topic.Close())
	require.NoError(t, topic.Close())
	require.Equal(t, []string{"1", "2"}, receive(t, src, 2))
	_, err := src.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	p, err := bytes.Recv(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(p), "data: 1\n\n")
	require.NoError(t, bytes.Close())
	_, err = topic.Publish(t.Context(), sse.Event{})
	require.ErrorIs(t, err, net.ErrClosed)
}
