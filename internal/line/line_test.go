package line_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/line"
)

func TestThoseInLineAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			l      line.Line
			served []int
		)
		short, giveUp := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		leave := make(chan struct{})
		for i := range 7 {
			ctx := t.Context()
			if i%3 == 1 {
				ctx = short
			}
			go func() {
				mu.Lock()
				defer mu.Unlock()
				err := l.Enter(ctx, &mu, func(ctx context.Context) error {
					mu.Lock() // which is free
					defer mu.Unlock()
					return context.Cause(ctx)
				})
				if i%3 == 1 {
					require.Equal(t, gone, err)
					return
				}
				require.NoError(t, err)
				served = append(served, i)
				mu.Unlock()
				leave <- struct{}{}
				mu.Lock()
				l.Leave()
			}()
			synctest.Wait()
		}
		require.Equal(t, 7, l.Len())
		giveUp(gone)
		synctest.Wait()
		require.Equal(t, 5, l.Len())
		for left := 5; left > 0; left-- {
			require.Len(t, served, 6-left)
			<-leave
			synctest.Wait()
			require.Equal(t, left-1, l.Len())
		}
		require.Equal(t, []int{0, 2, 3, 5, 6}, served)
	})
}

type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} { panic("Done") }

func TestAContextThatPanicsIsNotInLine(t *testing.T) {
	var (
		mu sync.Mutex
		l  line.Line
	)
	mu.Lock()
	require.NoError(t, l.Enter(t.Context(), &mu, context.Cause))
	require.PanicsWithValue(t, "Done", func() { _ = l.Enter(brokenContext{t.Context()}, &mu, context.Cause) })
	require.False(t, mu.TryLock())
	require.Equal(t, 1, l.Len())
	l.Leave()
	require.NoError(t, l.Enter(t.Context(), &mu, context.Cause))
}
