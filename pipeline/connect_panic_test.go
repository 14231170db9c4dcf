package pipeline_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// A sink that takes values one by one panics in the middle of a batch. A caller that recovers, and sends the rest elsewhere,
// sends no value twice.
func TestConnectRepeatsNoValueThatWasAcceptedBeforeAPanic(t *testing.T) {
	src := chanio.FromSlice([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	var got []int
	dst := chanio.NewSink(chanio.SinkHooks[int]{Send: func(_ context.Context, v int) error {
		if v == 7 {
			panic("seven")
		}
		got = append(got, v)
		return nil
	}})
	require.PanicsWithValue(t, "seven", func() { _ = pipeline.Connect(t.Context(), src, dst) })
	next := chanio.NewSink(chanio.SinkHooks[int]{Send: func(_ context.Context, v int) error {
		got = append(got, v)
		return nil
	}})
	err := pipeline.Connect(t.Context(), src, next)
	require.ErrorAs(t, err, new(*chanio.PanicError))
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got)
}

// The same holds for a codec of the user's that panics after a batch of large values has been sent.
func TestConnectRepeatsNoValueThatWasEncodedBeforeAPanic(t *testing.T) {
	pad := strings.Repeat(".", 10<<10)
	var values []string
	for i := range 10 {
		values = append(values, strconv.Itoa(i)+pad)
	}
	src := chanio.FromSlice(values)
	var got []string
	bytes := chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(_ context.Context, p []byte) error {
		for line := range strings.Lines(string(p)) {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
		return nil
	}})
	seven := true
	c := codec.Map(codec.Lines, func(s string) (string, error) { return s, nil }, func(s string) (string, error) {
		if seven && s[0] == '7' {
			panic("seven")
		}
		return s, nil
	})
	dst := codec.Encode(bytes, c)
	require.PanicsWithValue(t, "seven", func() { _ = pipeline.Connect(t.Context(), src, dst) })
	seven = false
	err := pipeline.Connect(t.Context(), src, dst)
	require.ErrorAs(t, err, new(*chanio.PanicError))
	require.Equal(t, values, got)
}

// A SendAll that panics has accepted nothing, as its hook says: nobody but the sink knows how far it came. Nothing is
// lost, and what the sink did accept comes again.
func TestConnectPutsABatchBackWhoseSendAllPanics(t *testing.T) {
	src := chanio.FromSlice([]int{0, 1, 2, 3, 4, 5, 6, 7})
	var got, batch []int
	send := func(_ context.Context, v int) error { got = append(got, v); return nil }
	dst := chanio.NewSink(chanio.SinkHooks[int]{Send: send, SendAll: func(_ context.Context, vs []int) (int, error) {
		batch = append(batch, vs...)
		got = append(got, vs[0])
		panic("after the first")
	}})
	require.PanicsWithValue(t, "after the first", func() { _ = pipeline.Connect(t.Context(), src, dst) })
	require.Greater(t, len(batch), 1)
	require.Equal(t, batch[0], got[len(got)-1], "the sink has it")
	left, err := pipeline.Collect(t.Context(), src)
	require.ErrorAs(t, err, new(*chanio.PanicError))
	require.Equal(t, batch, left[:len(batch)])
}
