package chanio_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestRaceReturnsTheFirstResultAfterTheOthersEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, ended := errors.New("first"), false
		err := chanio.Race(t.Context(),
			func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Hour)
				ended = true
				return ctx.Err()
			},
			func(context.Context) error { return first },
		)
		require.Equal(t, first, err)
		require.True(t, ended)
	})
}

func TestRaceOfASuccessIsNil(t *testing.T) {
	err := chanio.Race(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { return nil },
	)
	require.NoError(t, err)
	require.NoError(t, chanio.Race(t.Context()))
}

func TestG11RaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		wait := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		time.AfterFunc(time.Second, func() { cancel(why) })
		require.Equal(t, why, chanio.Race(ctx, wait, wait, wait))
	})
}

func TestG16PanicWinsTheRaceAndWaitsForTheOthers(t *testing.T) {
	ended := false
	wait := func(ctx context.Context) error { <-ctx.Done(); ended = true; return nil }
	err := chanio.Race(t.Context(), wait, func(context.Context) error { panic("broken") })
	var p *chanio.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "broken", p.Value)
	require.Contains(t, string(p.Stack), "TestG16PanicWins")
	require.True(t, ended)
}

func TestG16PanicOfALoserIsNotSwallowed(t *testing.T) {
	err := chanio.Race(t.Context(),
		func(context.Context) error { return nil },
		func(ctx context.Context) error { <-ctx.Done(); panic(errors.ErrUnsupported) },
	)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestG16GoexitInARaceIsReported(t *testing.T) {
	var p *chanio.PanicError
	require.ErrorAs(t, chanio.Race(t.Context(), func(context.Context) error { runtime.Goexit(); return nil }), &p)
	require.Nil(t, p.Value)
}
