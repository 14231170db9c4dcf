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
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), "", &out))
	require.Equal(t, "1 -> 2\n41 -> 42\n-1 -> 0\n", out.String())
}

func TestProtocolIsTheOneInTheDrawing(t *testing.T) {
	frame, err := codec.Marshal(protocol, 41)
	require.NoError(t, err)
	require.Equal(t, "\x00\x00\x00\x0241", string(frame))
}

func TestServerOverTheWire(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	addr := strings.Fields(string(line[:n]))[1]

	for sent, want := range map[string]string{
		"\x00\x00\x00\x011":                     "\x00\x00\x00\x012",
		"\x00\x00\x00\x019\x00\x00\x00\x03-10":  "\x00\x00\x00\x0210\x00\x00\x00\x02-9",
		"\x00\x00\x00\x011\x00\x00\x00\x03one":  "\x00\x00\x00\x012", // what came before the garbage is answered
		"\x00\x00\x00\x011\xff\xff\xff\xffmuch": "\x00\x00\x00\x012", // 4 GiB are not waited for
		"\x00\x00\x00\x011\x00\x00\x00\x0912":   "\x00\x00\x00\x012", // cut short
	} {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = io.WriteString(nc, sent)
		require.NoError(t, err)
		require.NoError(t, nc.(*net.TCPConn).CloseWrite())
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "%q", sent)
		require.NoError(t, nc.Close())
	}
	cancel()
	require.NoError(t, <-result)
}
