package servers

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestOnlyAConnectionThatIsNoLongerThereIsCalledByItsCause(t *testing.T) {
	near, far := chanio.Pipe()
	defer far.Close()
	defer near.Close()
	require.Equal(t, io.ErrUnexpectedEOF, plain(near, io.ErrUnexpectedEOF), "it says what has happened")
	require.Equal(t, error(syscall.ECONNRESET), plain(near, syscall.ENOTCONN))
	cause := errors.New("the cause")
	near.Abort(cause)
	require.Equal(t, io.ErrUnexpectedEOF, plain(near, io.ErrUnexpectedEOF))
	require.ErrorIs(t, plain(near, syscall.ENOTCONN), cause)
}
