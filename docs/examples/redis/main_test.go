package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestAgainstTheRealServer(t *testing.T) {
	addr := peertest.Start(t, peertest.Program(t, "redis-server", "redis-server"), "eady to accept connections",
		"--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), addr, &out))
	require.Equal(t, "PING: PONG\nthe sum of 10000 keys: 49995000\nnews: one\nnews: two\n", out.String())
}
