package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), "", &out))
	require.Equal(t, "HELLO\nIS THIS THING ON?\n", out.String())
}

func TestServerHasItsSocketForItself(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "loud")
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, path, out) }()
	_, err = said.Read(make([]byte, 200)) // it listens
	require.NoError(t, err)

	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, info.Mode())
	require.ErrorIs(t, run(t.Context(), path, io.Discard), syscall.EADDRINUSE)
	var answer bytes.Buffer
	require.NoError(t, ask(t.Context(), path, &answer, "still there"))
	require.Equal(t, "STILL THERE\n", answer.String())

	cancel()
	require.NoError(t, <-result)
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
