package deadline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
)

func TestFinal(t *testing.T) {
	require.NoError(t, deadline.Final(nil))
	for _, err := range []error{io.EOF, errTest, &deadline.Timeout{Text: "late"}} {
		require.Same(t, err, deadline.Final(err))
	}
	for _, err := range []error{deadline.Exceeded, fmt.Errorf("wrapped: %w", deadline.Exceeded), errors.Join(errTest, deadline.Exceeded)} {
		require.True(t, deadline.Resumable(bg, err))
		last := deadline.Final(err)
		require.False(t, deadline.Resumable(bg, last))
		require.False(t, deadline.Resumable(bg, fmt.Errorf("wrapped: %w", last)))
		require.ErrorIs(t, last, os.ErrDeadlineExceeded)
		require.ErrorIs(t, last, err)
		require.EqualError(t, last, err.Error())
		require.Same(t, last, deadline.Final(last))
	}
}

// A nil *net.OpError panics when errors.Is or errors.As examines it.
func TestTheEndOfAStreamCanBeExamined(t *testing.T) {
	for _, err := range []error{(*net.OpError)(nil), fmt.Errorf("wrapped: %w", (*net.OpError)(nil))} {
		last := deadline.Final(err)
		require.NotErrorIs(t, last, io.EOF)
		require.False(t, deadline.Resumable(bg, last))
		require.ErrorContains(t, last, "with a method that panics: "+err.Error())
	}
}

// Every half of a stream ends through Final, most with these errors.
func TestFinalOfTheUsualEndsAllocatesNothing(t *testing.T) {
	for _, err := range []error{nil, io.EOF, net.ErrClosed, context.Canceled} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = deadline.Final(err) }), "%v", err)
	}
}
