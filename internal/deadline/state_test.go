package deadline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// quiet is a context that calls nobody.
type quiet struct {
	context.Context
	err    error
	bound  int
	done   chan struct{}
	unbind int
}

func (q *quiet) Done() <-chan struct{} { return q.done }
func (q *quiet) Err() error            { return q.err }

func (q *quiet) AfterFunc(func()) (stop func() bool) {
	q.bound++
	return func() bool { q.unbind++; return true }
}

type none struct{}

func (none) SetDeadline(time.Time) error { return nil }

func TestACtxIsBoundOnceAndReleasedByClose(t *testing.T) {
	var d Deadline
	d.Init(none{})
	ctx := &quiet{Context: context.Background(), done: make(chan struct{})}
	for range 3 {
		require.NoError(t, d.Enter(ctx, time.Time{}))
		require.EqualValues(t, inside, d.state.Load())
		d.Leave()
		require.EqualValues(t, calm, d.state.Load())
		require.NoError(t, d.Enter(ctx, time.Now().Add(time.Hour)))
		require.NoError(t, d.Arm())
		d.Leave()
		require.EqualValues(t, calm, d.state.Load(), "the next call takes no lock")
	}
	require.Equal(t, 1, ctx.bound)
	other := &quiet{Context: context.Background(), done: make(chan struct{})}
	require.NoError(t, d.Enter(other, time.Time{}))
	d.Leave()
	require.Equal(t, 1, ctx.unbind)
	d.Close(errors.New("over"))
	require.Equal(t, 1, other.unbind)
}

func TestACtxThatHasEndedIsNoticedBeforeItsCallback(t *testing.T) {
	var d Deadline
	d.Init(none{})
	ctx := &quiet{Context: context.Background(), done: make(chan struct{})}
	require.NoError(t, d.Enter(ctx, time.Time{}))
	d.Leave()
	ctx.err = context.Canceled
	require.ErrorIs(t, d.Enter(ctx, time.Time{}), context.Canceled)
}
