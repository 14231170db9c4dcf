package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

func TestEachPeriodHasItsOwnTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		ctx, cancel := context.WithCancel(t.Context())
		r := newRoller()
		var out strings.Builder
		printed := make(chan error, 1)
		go func() { printed <- r.print(ctx, time.Second, &out) }()
		served := make(chan error, 2)
		var clients [2]*chanio.Conn
		for i := range clients {
			near, far := chanio.Pipe()
			clients[i] = far
			go func() {
				served <- r.take(ctx, near)
				_ = near.Close()
			}()
		}
		send := func(i int, text string) { require.NoError(t, clients[i].Out.Send(ctx, []byte(text))) }
		send(0, "a:1\nb:2\na")
		send(1, "a:10\n")
		time.Sleep(1500 * time.Millisecond)
		send(0, ":5\n")
		require.NoError(t, clients[0].Close())
		require.NoError(t, <-served)
		time.Sleep(8700 * time.Millisecond) // to 10.2
		send(1, "not a sample\n")
		require.Error(t, <-served)
		require.NoError(t, clients[1].Close())
		cancel()
		require.ErrorIs(t, <-printed, context.Canceled)
		require.Equal(t, `00:00:01 a=11 b=2
00:00:02 a=5
00:00:03
00:00:04
00:00:05
00:00:06
00:00:07
00:00:08
00:00:09
`, beforeTen(out.String()))
		require.Contains(t, out.String(), "00:00:10\n")
		require.Contains(t, out.String(), "clients: 1\n")
	})
}

// beforeTen avoids the moment at which two events are due at once.
func beforeTen(s string) string {
	before, _, _ := strings.Cut(s, "00:00:10")
	return strings.TrimSuffix(before, "clients: 1\n")
}

func TestRollupOverTCP(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", 50*time.Millisecond, out)
		out.Close()
		result <- err
	}()
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	nc, err := net.Dial("tcp", strings.Fields(string(line[:n]))[1])
	require.NoError(t, err)
	_, err = io.WriteString(nc, "a:1\n")
	require.NoError(t, err)
	var all strings.Builder
	for !strings.Contains(all.String(), " a=1\n") {
		n, err = said.Read(line)
		require.NoError(t, err)
		all.Write(line[:n])
	}
	require.NoError(t, nc.Close())
	cancel()
	_, _ = io.Copy(io.Discard, said)
	require.NoError(t, <-result)
}
