package pipeline_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// TestACloseThatPanicsDoesNotKeepOtherInputsOpen closes stages whose first input panics in its Close hook.
func TestACloseThatPanicsDoesNotKeepOtherInputsOpen(t *testing.T) {
	for name, join := range map[string]func(a, b *chanio.Source[int]) *chanio.Source[int]{
		"Zip": func(a, b *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Zip(a, b, func(a, b int) int { return a + b })
		},
		"Concat": func(a, b *chanio.Source[int]) *chanio.Source[int] { return pipeline.Concat(a, b) },
	} {
		closed := 0
		source := func(close func() error) *chanio.Source[int] {
			return chanio.NewSource(chanio.SourceHooks[int]{
				Next:  func(context.Context) (int, error) { return 0, io.EOF },
				Close: close,
			})
		}
		src := join(source(func() error { panic("close") }), source(func() error { closed++; return nil }))
		func() {
			defer func() { _ = recover() }()
			_ = src.Close()
		}()
		require.Equal(t, 1, closed, name)
	}
}
