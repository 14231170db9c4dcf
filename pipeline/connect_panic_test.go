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
