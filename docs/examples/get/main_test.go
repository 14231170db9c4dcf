package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/docs/examples/internal/webtest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestEveryWayPrintsTheSame(t *testing.T) {
	url := webtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 10 {
			fmt.Fprintln(w, i)
		}
	}))
	c := httpc.New(nil)
	defer c.Close()
	for _, how := range []string{"text", "lines", "bytes"} {
		var out bytes.Buffer
		require.NoError(t, get(t.Context(), c, how, url, &out))
		require.Equal(t, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", out.String(), how)
	}
	var out bytes.Buffer
	require.NoError(t, get(t.Context(), c, "future", url, &out))
	require.Equal(t, "asked\n200, 20 bytes\n", out.String())
	require.Error(t, get(t.Context(), c, "slowly", url, &out))
}

// TestLinesAreThereWhenTheyCome requires each line before the next one is sent.
func TestLinesAreThereWhenTheyCome(t *testing.T) {
	seen := make(chan struct{})
	url := webtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			_ = http.NewResponseController(w).Flush()
			<-seen
		}
	}))
	c := httpc.New(nil)
	defer c.Close()
	said, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- get(t.Context(), c, "lines", url, out) }()
	line := make([]byte, 10)
	for i := range 3 {
		n := 0
		for n == 0 || line[n-1] != '\n' {
			m, err := said.Read(line[n:])
			require.NoError(t, err)
			n += m
		}
		require.Equal(t, fmt.Sprintln(i), string(line[:n]))
		seen <- struct{}{}
	}
	require.NoError(t, <-done)
}
