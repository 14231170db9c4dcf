package codec_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// TestDecodeEndsWithTheErrorOfACallOnAnotherStream has a codec repeat an error that says that the call may be repeated.
func TestDecodeEndsWithTheErrorOfACallOnAnotherStream(t *testing.T) {
	conn, _ := chanio.Pipe()
	defer conn.Abort(nil)
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	_, late := conn.In.Recv(t.Context())
	require.True(t, chanio.Resumable(t.Context(), late))
	values := codec.Decode(chanio.FromSlice([][]byte{{1, 2}}), codec.Map(codec.Uint8,
		func(uint8) (int, error) { return 0, late }, func(int) (uint8, error) { return 0, nil }))
	for range 2 {
		_, err := values.Recv(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.False(t, chanio.Resumable(t.Context(), err))
		var where *codec.Error
		require.ErrorAs(t, err, &where)
	}
	require.ErrorIs(t, values.Err(), os.ErrDeadlineExceeded)
}
