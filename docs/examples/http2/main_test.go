package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// inMemory calls run with ask, in a bubble with its own network.
func inMemory(t *testing.T, ask func(context.Context, string, *httpc.Client, io.Writer) error) (said string) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("localhost:8443")
		require.NoError(t, err)
		dial := func(ctx context.Context, addr string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
			nc, err := network.DialContext(ctx, "mem", addr)
			if err != nil {
				return nil, err
			}
			return chanio.NewConn(nc, cfg), nil
		}
		var out strings.Builder
		require.NoError(t, run(t.Context(), ln, dial, &out, ask))
		said = out.String()
	})
	return said
}

func TestTheQuickestIsAnsweredFirst(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(inMemory(t, visit), "\n"), "\n")
	require.Len(t, lines, 9)
	require.Equal(t, []string{"1", "2", "3", "4", "sum 10"}, lines[4:])
	stream := regexp.MustCompile(`^after (\w+): HTTP/2.0, stream (\d)$`)
	var order, streams []string
	for _, line := range lines[:4] {
		m := stream.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		order, streams = append(order, m[1]), append(streams, m[2])
	}
	require.Equal(t, []string{"0s", "100ms", "200ms", "300ms"}, order)
	require.ElementsMatch(t, []string{"1", "3", "5", "7"}, streams, "all of one connection")
}

func TestNoTimeIsABadRequest(t *testing.T) {
	inMemory(t, func(ctx context.Context, url string, client *httpc.Client, _ io.Writer) error {
		resp, err := client.Get(ctx, url+"/after/lunch")
		if err != nil {
			return err
		}
		require.Equal(t, 400, resp.Status)
		return resp.Close()
	})
}

// TestResetEndsTheWait cancels a request and gets the answer to another on the same connection.
func TestResetEndsTheWait(t *testing.T) {
	inMemory(t, func(ctx context.Context, url string, client *httpc.Client, out io.Writer) error {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := client.Get(short, url+"/after/1h")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return show(ctx, client, url+"/after/0s", out)
	})
}
