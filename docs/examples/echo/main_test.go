package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestEcho(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	addr := strings.Fields(string(line[:n]))[1]

	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	sent := bytes.Repeat([]byte("there and back "), 100_000)
	go func() {
		_, _ = nc.Write(sent)
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, nc.Close())
	cancel()
	require.NoError(t, <-result)
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.ErrorContains(t, run(t.Context(), ln.Addr().String(), io.Discard), "choose another port")
}
