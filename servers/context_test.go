package servers

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandlersContextIsAContext(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	defer cancel(nil)
	cs, stop := newContexts(parent)
	defer stop()
	c, other := cs.add(), cs.add()
	require.NoError(t, c.Err())
	require.Equal(t, "value", c.Value(key{}))
	child, cancelChild := context.WithCancel(c)
	defer cancelChild()
	ran := make(chan struct{})
	context.AfterFunc(c, func() { close(ran) })
	require.True(t, context.AfterFunc(c, func() { panic("was stopped") })())

	cs.drop(c) // its handler has returned
	<-c.Done()
	<-child.Done()
	<-ran
	require.Equal(t, context.Canceled, c.Err())
	require.Equal(t, context.Canceled, context.Cause(c))
	require.NoError(t, other.Err())

	why := errors.New("why")
	cancel(why)
	<-other.Done()
	require.Equal(t, context.Canceled, other.Err())
	require.Equal(t, why, context.Cause(other))
	late := cs.add()
	<-late.Done()
	require.Equal(t, why, context.Cause(late))
	require.False(t, late.AfterFunc(func() {})())
}
