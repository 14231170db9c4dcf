package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestLinesReachEveryWatcherFromTheFirstOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	in, feed := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", in, out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	url := strings.TrimSpace(string(line[:n]))

	client := httpc.New(nil)
	defer client.Close()
	_, err = io.WriteString(feed, "one\ntwo\n")
	require.NoError(t, err)
	for range 3 {
		lines, err := client.Events(t.Context(), url+"lines?lastEventId=tail-0", nil)
		require.NoError(t, err)
		for _, want := range []string{"one", "two"} {
			e, err := lines.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, e.Data)
		}
		require.NoError(t, lines.Close())
	}
	resp, err := client.Get(t.Context(), url)
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Contains(t, text, "EventSource")
	cancel()
	require.NoError(t, <-result)
}

func TestAddressInUseIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Error(t, run(t.Context(), ln.Addr().String(), io.NopCloser(strings.NewReader("")), io.Discard))
}
