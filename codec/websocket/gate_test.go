package websocket

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Senders that exclude others, and keep coming, do not keep the others out for ever; nor do the others keep them out.
func TestNoSenderIsKeptOutForEver(t *testing.T) {
	for name, c := range map[string]struct{ many, one pass }{
		"a message among messages in parts": {partsMessage, wholeMessage},
		"one in parts among messages":       {wholeMessage, partsMessage},
		"a control frame":                   {partsMessage, control},
		"one in parts among such":           {partsMessage, partsMessage},
		"one after the other":               {aloneMessage, aloneMessage},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gate
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all sync.WaitGroup
				for i := range 3 {
					all.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						for ctx.Err() == nil && g.enter(ctx, c.many) == nil {
							time.Sleep(3 * time.Millisecond)
							g.leave(c.many)
						}
					})
				}
				time.Sleep(10 * time.Millisecond)
				for range 3 {
					require.NoError(t, g.enter(ctx, c.one))
					g.leave(c.one)
				}
				short, giveUp := context.WithTimeout(ctx, time.Nanosecond)
				defer giveUp()
				if g.enter(short, c.one) == nil {
					g.leave(c.one)
				}
				require.NoError(t, g.enter(ctx, c.many), "one that gives up blocks nobody")
				g.leave(c.many)
				cancel()
				all.Wait()
				require.False(t, g.alone)
				require.Zero(t, g.whole+g.writing+g.waiting+g.due+int32(g.line.Len()))
			})
		})
	}
}

// A message whose ctx ends when it is due leaves its place to the next one.
func TestAMessageThatGivesUpWhenItIsDueBlocksNobody(t *testing.T) {
	for range 20 { // it may also enter
		synctest.Test(t, func(t *testing.T) {
			var g gate
			enter := func(ctx context.Context, p pass) {
				if g.enter(ctx, p) == nil {
					g.leave(p)
				}
			}
			require.NoError(t, g.enter(t.Context(), partsMessage))
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { enter(ctx, wholeMessage) })
			all.Go(func() { enter(t.Context(), aloneMessage) })
			synctest.Wait()
			cancel()
			g.leave(partsMessage)
			all.Go(func() { enter(t.Context(), wholeMessage) })
			all.Wait()
			require.False(t, g.alone)
			require.Zero(t, g.whole+g.writing+g.waiting+g.due+int32(g.line.Len()))
		})
	}
}

type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} { panic("Done") }

func TestAContextThatPanicsStopsNoOtherSender(t *testing.T) {
	for _, p := range []pass{wholeMessage, aloneMessage} {
		var g gate
		require.NoError(t, g.enter(t.Context(), partsMessage))
		require.PanicsWithValue(t, "Done", func() { _ = g.enter(brokenContext{t.Context()}, p) })
		g.leave(partsMessage)
		for _, p := range []pass{partsMessage, wholeMessage} {
			require.NoError(t, g.enter(t.Context(), p))
			g.leave(p)
		}
	}
}

// One that leaves and comes again at once goes behind those that wait.
func TestSendersThatWantToBeAloneEnterInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		require.NoError(t, g.enter(t.Context(), partsMessage))
		var all sync.WaitGroup
		var order []int
		for i := range 5 {
			all.Go(func() {
				for _, p := range []pass{aloneMessage, partsMessage} {
					if g.enter(t.Context(), p) == nil {
						order = append(order, i) // with nobody else in the gate
						g.leave(p)
					}
				}
			})
			synctest.Wait()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, g.enter(gone, aloneMessage), context.Canceled)
		ok, err := g.tryEnter(aloneMessage)
		require.NoError(t, err)
		require.False(t, ok)
		g.leave(partsMessage)
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}, order)

		require.NoError(t, g.enter(t.Context(), aloneMessage))
		for range 3 {
			all.Go(func() { require.ErrorIs(t, g.enter(t.Context(), aloneMessage), net.ErrClosed) })
		}
		synctest.Wait()
		g.cut()
		all.Wait()
		require.Zero(t, g.line.Len())
	})
}
