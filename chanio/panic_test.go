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
