package leanctx_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/leanctx"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestContextEndsWithWhatItIsMadeOfAndByItself(t *testing.T) {
	gone := errors.New("gone")
	for name, end := range map[string]func(c *leanctx.Context, parent context.CancelCauseFunc){
		"itself": func(c *leanctx.Context, _ context.CancelCauseFunc) { c.Cancel() },
		"parent": func(_ *leanctx.Context, parent context.CancelCauseFunc) { parent(gone) },
	} {
		t.Run(name, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c := &leanctx.Context{Context: parent}
			defer context.AfterFunc(parent, c.Cancel)()
			child, stop := context.WithCancel(c)
			defer stop()
			called := make(chan struct{})
			context.AfterFunc(c, func() { close(called) })
			taken := context.AfterFunc(c, func() { t.Error("called although it was taken back") })
			require.True(t, taken())
			require.False(t, taken())
			require.NoError(t, c.Err())

			end(c, cancel)
			<-c.Done()
			<-child.Done()
			<-called
			require.ErrorIs(t, c.Err(), context.Canceled)
			if name == "parent" {
				require.Equal(t, gone, context.Cause(c))
				require.Equal(t, gone, context.Cause(child))
			}
			c.Cancel() // again

			after := make(chan struct{})
			require.False(t, c.AfterFunc(func() { close(after) })())
			<-after
		})
	}
}
