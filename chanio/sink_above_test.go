package chanio_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// upper returns a Sink of strings above sink, as a codec does.
func upper(sink *chanio.Sink[[]byte]) *chanio.Sink[string] {
	return chanio.NewSink(chanio.SinkHooks[string]{
		Send: func(ctx context.Context, v string) error {
			if v == "bad" {
				return errors.New("not encodable")
			}
			return sink.Send(ctx, []byte(strings.ToUpper(v)))
		},
		Flush: sink.Flush, Close: sink.Close, Abort: sink.Abort, Cork: sink.Cork, End: sink.End(),
	})
}

func TestG7ClosingASinkDrainsTheChannelsThatLeadToIt(t *testing.T) {
	for range 200 {
		near, far := chanio.Pipe()
		twice := upper(near.Out)
		thrice := chanio.NewSink(chanio.SinkHooks[string]{Send: twice.Send, Close: twice.Close, End: twice.End()})
		twice.C(t.Context()) <- "a"
		thrice.C(t.Context()) <- "b"
		require.NoError(t, near.Out.Close())
		got, err := readAll(t, far)
		require.NoError(t, err)
		require.ElementsMatch(t, []byte("AB"), got)
		require.NoError(t, far.Close())
		require.NoError(t, near.Close())
	}
}

func TestFlushOfASinkPassesOnTheChannelsThatLeadToIt(t *testing.T) {
	near, far := chanio.Pipe()
	upper(near.Out).C(t.Context()) <- "hello"
	require.NoError(t, near.Out.Flush(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what has been flushed is there
	b, err := far.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(b))
	_, err = far.In.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, near.Out.Close())
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}

// A value that is rejected while the lower sink is closing closes the upper one; neither waits for the other. They
// share their end, so Close returns the reason for the rejection.
func TestRefusalDuringCloseIsNoDeadlock(t *testing.T) {
	for range 200 {
		near, far := chanio.Pipe()
		up := upper(near.Out)
		out := up.C(t.Context())
		out <- "good"
		out <- "bad"
		require.EqualError(t, near.Out.Close(), "not encodable")
		got, err := readAll(t, far)
		require.NoError(t, err)
		require.Equal(t, "GOOD", string(got))
		require.NoError(t, far.Close())
		require.ErrorContains(t, near.Close(), "not encodable")
	}
}

func readAll(t *testing.T, c *chanio.Conn) (all []byte, err error) {
	for b := range c.In.All(t.Context()) {
		all = append(all, b...)
	}
	return all, c.In.Err()
}
