package chanio_test

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestAPanicErrorHoldsTheErrorOfThePanic(t *testing.T) {
	require.ErrorIs(t, chanio.Recovered(io.ErrShortBuffer), io.ErrShortBuffer)
	require.NotErrorIs(t, chanio.Recovered("text"), io.ErrShortBuffer)
	var unsound *net.OpError // its Unwrap panics
	require.NotErrorIs(t, chanio.Recovered(unsound), io.ErrShortBuffer)
}

// asked counts how often its Unwrap is called.
type asked struct {
	times *int
}

func (asked) Error() string   { return "asked" }
func (e asked) Unwrap() error { *e.times++; return nil }

func TestAPanicErrorOfPanicErrorsExaminesEachOnce(t *testing.T) {
	times := 0
	var err error = asked{&times}
	for range 8 {
		err = chanio.Recovered(err)
	}
	times = 0
	require.NotErrorIs(t, err, io.ErrShortBuffer)
	require.LessOrEqual(t, times, 4)
}
