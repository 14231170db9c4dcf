package sse_test

import (
	"strings"
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
