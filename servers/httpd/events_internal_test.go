package httpd

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientGoneOfAnEventStreamIsErrClientGone(t *testing.T) {
	require.ErrorIs(t, &clientGone{context.Canceled}, ErrClientGone)
	require.NotErrorIs(t, &clientGone{context.Canceled}, context.Canceled, "it is no error of the sender's ctx")
}
