package sse_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
)

func TestSubscriberLeavesAtTheEndOfTheTopic(t *testing.T) {
	topic := sse.NewTopic(nil)
	src := topic.Subscribe("")
	require.Equal(t, 1, topic.Subscribers())
	require.NoError(t, topic.Close())
	_, err := src.Recv(t.Context())
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, topic.Subscribers())
}
