package deadline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
)

func TestACauseThatCannotBeAskedIsNone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var unsound *net.OpError // its Unwrap panics
	cancel(unsound)
	require.Equal(t, context.Canceled, deadline.Cause(ctx))
	require.True(t, deadline.Resumable(ctx, deadline.Cause(ctx)))

	for cause, want := range map[error]error{errTest: errTest, io.EOF: context.Canceled, net.ErrClosed: context.Canceled} {
		ctx, cancel := context.WithCancelCause(t.Context())
		require.NoError(t, deadline.Cause(ctx))
		cancel(errors.Join(cause))
		require.ErrorIs(t, deadline.Cause(ctx), want)
		require.Equal(t, cause == errTest, errors.Is(deadline.Cause(ctx), cause))
	}
}
