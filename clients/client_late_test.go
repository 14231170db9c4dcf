package clients_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func TestLateCallThatWasNotSentDoesNotSpeakOfAReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := clients.NewClient(func(ctx context.Context) (*chanio.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}, codec.Lines, codec.Lines, &clients.ClientConfig[string, string]{Timeout: 2 * time.Second})
		_, err := cl.Call(t.Context(), "x")
		require.ErrorIs(t, err, clients.ErrNotSent)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "waited for 2s")
		require.NotContains(t, err.Error(), "no reply")
		require.NoError(t, cl.Close())
	})
}
