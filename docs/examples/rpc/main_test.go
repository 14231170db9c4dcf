package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demonstrate(t.Context(), &out))
	require.Equal(t, strings.Join([]string{
		`upper hello: "HELLO" <nil>`,
		`divide 1/0: "" no method divide`,
		`sleep 10s, with 20 ms for it: context deadline exceeded`,
		`after a new start: "HELLO AGAIN" <nil>`, ``,
	}, "\n"), out.String())
}

func TestASlowCallHoldsUpNoOther(t *testing.T) {
	ln, stop, err := start("127.0.0.1:0")
	require.NoError(t, err)
	defer stop()
	c := client(ln.Addr().String())
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		_, err := call(ctx, c, "sleep", "1h")
		require.ErrorIs(t, err, context.Canceled)
	})
	for i := range 100 {
		all.Go(func() {
			got, err := call(t.Context(), c, "upper", fmt.Sprint("a", i))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("A", i), got)
			if i == 99 {
				cancel()
			}
		})
	}
	all.Wait()
}

func TestACallToNobodyEndsInTime(t *testing.T) {
	c := client("127.0.0.1:1")
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := call(ctx, c, "upper", "x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "refused", "it says what the trouble is")
}

func TestRunServesUntilItsCtxEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- run(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	var answer bytes.Buffer
	require.NoError(t, callOnce(t.Context(), strings.Fields(string(line[:n]))[1], "upper", "x", &answer))
	require.Equal(t, "X\n", answer.String())
	require.ErrorContains(t, callOnce(t.Context(), strings.Fields(string(line[:n]))[1], "sleep", "long", os.Stdout), "invalid duration")
	cancel()
	require.NoError(t, <-result)
}
