package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

func TestKeysAre16BytesInBase64(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455 1.3
	require.True(t, websocket.ValidKey(key))
	require.True(t, websocket.ValidKey(websocket.NewKey()))
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", websocket.AcceptKey(key))
	for _, wrong := range []string{
		"", key[:22], key + "x", key + "=", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j",
	} {
		require.False(t, websocket.ValidKey(wrong), wrong)
	}
}
