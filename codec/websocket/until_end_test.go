package websocket

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

func TestAContextUntilTheEndEndsWithEither(t *testing.T) {
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		end   func(end *chanio.End, cancel context.CancelCauseFunc)
		cause error
	}{
		"end":     {func(end *chanio.End, _ context.CancelCauseFunc) { end.Set(io.EOF) }, context.Canceled},
		"context": {func(_ *chanio.End, cancel context.CancelCauseFunc) { cancel(gone) }, gone},
	} {
		t.Run(name, func(t *testing.T) {
			for _, asked := range []bool{true, false} {
				parent, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var end chanio.End
				u := &untilEnd{Context: parent, end: &end}
				defer u.release()
				require.NoError(t, u.Err())
				if asked {
					u.Done()
				}
				c.end(&end, cancel)
				<-u.Done()
				require.ErrorIs(t, u.Err(), context.Canceled)
				require.ErrorIs(t, context.Cause(u), c.cause)
			}
		})
	}
}

func TestAContextUntilTheEndHasEndedAtOnce(t *testing.T) {
	var end chanio.End
	end.Set(io.EOF)
	u := &untilEnd{Context: t.Context(), end: &end}
	defer u.release()
	require.ErrorIs(t, u.Err(), context.Canceled, "before anything waits")
}
