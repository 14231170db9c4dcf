package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func packet(s string) chanio.Packet { return chanio.Packet{Data: []byte(s)} }

func TestEachRollupHasThePacketsOfItsSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		packets, arriving := chanio.PipeOf[chanio.Packet](16)
		sums := rollups(packets, time.Second)
		for _, second := range []struct {
			packets []string
			want    string
		}{
			{[]string{"a:1", "b:2"}, "a=1 b=2"},
			{[]string{"a:1", "a:-5", "nonsense", ":1", "b:much", "c:1:2"}, "a=-4 (4 malformed)"},
			{nil, ""},
			{[]string{"a:3"}, "a=3"},
		} {
			for _, p := range second.packets {
				require.NoError(t, arriving.Send(t.Context(), packet(p)))
			}
			span, err := sums.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, second.want, span.Value.String())
			require.Equal(t, time.Second, span.End.Sub(span.Start))
		}
		require.NoError(t, sums.Close())
		<-arriving.Done()
	})
}

func TestClosingTheRollupClosesTheSocket(t *testing.T) {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	_ = conn.Out.Close()
	sums := rollups(conn.In, time.Hour)
	over := make(chan error, 1)
	go func() {
		_, err := sums.Recv(t.Context())
		over <- err
	}()
	require.NoError(t, sums.Close())
	require.Error(t, <-over, "at once, though nothing comes")
	<-conn.Done()
	again, err := servers.ListenUDP(conn.LocalAddr().String(), nil)
	require.NoError(t, err, "the port is free")
	require.NoError(t, again.Close())
}

func TestStatsd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", 10*time.Millisecond, out)
		_ = out.Close()
		result <- err
	}()
	lines := bufio.NewScanner(said)
	require.True(t, lines.Scan())
	addr := strings.Fields(lines.Text())[1]
	for _, metric := range []string{"a:1", "what?", "b:2"} {
		require.NoError(t, report(ctx, addr, metric))
	}
	seen := ""
	for !strings.Contains(seen, "b=2") {
		require.True(t, lines.Scan())
		seen += lines.Text() + "\n"
	}
	require.Contains(t, seen, "a=1")
	require.Contains(t, seen, "(1 malformed)")
	cancel()
	_, err := io.Copy(io.Discard, said)
	require.NoError(t, err)
	require.NoError(t, <-result)
}

func TestAddressInUseIsAnError(t *testing.T) {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer conn.Close()
	require.ErrorContains(t, run(t.Context(), conn.LocalAddr().String(), time.Second, io.Discard), "choose another port")
}
