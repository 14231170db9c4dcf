package sse_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

func TestTryRecvUpdatesTheState(t *testing.T) {
	state := new(sse.State)
	src := sse.Decode(chanio.FromSlice([][]byte{[]byte("id: 1\nretry: 50\n\nid: 2\ndata: x\n\ndata: y\n\n")}), &sse.StreamConfig{State: state})
	for _, data := range []string{"x", "y"} {
		e, ok, err := src.TryRecv()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "2", e.ID)
		require.Equal(t, data, e.Data)
	}
	require.Equal(t, "2", state.LastID())
	require.Equal(t, 50*time.Millisecond, state.Retry())
}

func TestTryRecvOfASlowSubscriberIsAnError(t *testing.T) {
	topic := sse.NewTopic(&sse.TopicConfig{Ring: 1, Slow: sse.Disconnect})
	src := topic.Subscribe("")
	publish(t, topic, 1, 2)
	_, ok, err := src.TryRecv()
	require.False(t, ok)
	require.ErrorIs(t, err, sse.ErrSlow)

	src = topic.Subscribe("")
	require.NoError(t, topic.Close())
	_, ok, err = src.TryRecv()
	require.False(t, ok)
	require.Error(t, err)
}
