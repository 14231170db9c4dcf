package jarctx

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestContextTellsOfAJar(t *testing.T) {
	type other struct{}
	require.False(t, In(t.Context()))
	require.True(t, In(With(t.Context())))
	require.True(t, In(context.WithValue(With(t.Context()), other{}, 1)))
}
