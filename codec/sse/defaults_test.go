package sse_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// TestRingOfATopicHas256Events resumes from the last event that is still known, and from the one before.
func TestRingOfATopicHas256Events(t *testing.T) {
	topic := sse.NewTopic(nil)
	ids := publish(t, topic, 0, 300)
	for from, want := range map[int]string{43: "44", 42: "stale"} { // 44 to 299 are 256
		src := topic.Subscribe(ids[from])
		require.Equal(t, want, receive(t, src, 1)[0])
		require.NoError(t, src.Close())
	}
}

// TestRingOfATopicHas1MiB has events of 300 KiB, of which three fit.
func TestRingOfATopicHas1MiB(t *testing.T) {
	topic := sse.NewTopic(nil)
	var ids []string
	for range 5 {
		e, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 300<<10)})
		require.NoError(t, err)
		ids = append(ids, e.ID)
	}
	for from, stale := range []bool{true, false, false} {
		src := topic.Subscribe(ids[from])
		e, err := src.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, stale, e.Type == "stale", from)
		require.NoError(t, src.Close())
	}
}

// TestEventsHaveAtMost1MiB holds the default of the codec.
func TestEventsHaveAtMost1MiB(t *testing.T) {
	topic := sse.NewTopic(nil)
	_, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 1<<20-100)})
	require.NoError(t, err)
	_, err = topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", 1<<20)})
	require.ErrorIs(t, err, chanio.ErrTooLarge)
}
