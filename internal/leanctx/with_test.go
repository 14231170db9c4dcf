package leanctx_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/leanctx"
)

func TestWithCancelEndsWithItsParentAndByItself(t *testing.T) {
	root, end := context.WithCancel(t.Context())
	defer end()
	for name, parent := range map[string]context.Context{"lean": &leanctx.Context{Context: root}, "standard": root} {
		ctx, cancel := leanctx.WithCancel(parent)
		require.NoError(t, ctx.Err(), name)
		cancel()
		<-ctx.Done()
		require.ErrorIs(t, ctx.Err(), context.Canceled, name)
		require.NoError(t, parent.Err(), name)
		cancel() // again
	}

	parent := &leanctx.Context{Context: root}
	ctx, cancel := leanctx.WithCancel(parent)
	defer cancel()
	_, lean := ctx.(*leanctx.Context)
	require.True(t, lean)
	parent.Cancel()
	<-ctx.Done()
	require.ErrorIs(t, ctx.Err(), context.Canceled)

	ctx, cancel = leanctx.WithCancel(parent)
	defer cancel()
	require.ErrorIs(t, ctx.Err(), context.Canceled, "at once, since its parent has ended")
}
