package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strconv"
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
			{[]string{"a:1|c", "b:2|c"}, "a=1 b=2"},
			{[]string{"a:1|c\na:-5|c\n", "a:1|c|@0.1|#tag:x,y"}, "a=6"},
			{[]string{"nonsense\n:1|c\nb:much|c\nc:1", "d:1|x", "e:1|c|@2\nf:NaN|c\nf:+Inf|g\ne:1|c|@0", ""}, "(10 malformed)"},
			{nil, ""},
			{[]string{"load:3|g", "load:+0.5|g\nload:-1|g"}, "load=2.5 (gauge)"},
			{[]string{"load:+1|g"}, "load=3.5 (gauge)"},
			{[]string{"q:10|ms\nq:15|h", "q:5|d"}, "q=10ms (mean of 3)"},
			{[]string{"u:alice|s", "u:bob|s", "u:alice|s"}, "u=2 (distinct)"},
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
	for _, metric := range []string{"a:1|c", "what?", "b:2|c"} {
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

// pythonWith returns the path of a Python that has a module of a Debian package: Debian's own, or the one in PATH.
// Without one the test is skipped, or fails with WEIR_REQUIRE=1.
func pythonWith(t *testing.T, module, pkg string) string {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import "+module).Run() == nil {
			return python
		}
	}
	message := "no python3 has the module " + module + "; on Debian: apt-get install " + pkg
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// Every increment from a widely used client is counted.
func TestStatsdCountsWhatARealClientReports(t *testing.T) {
	python := pythonWith(t, "statsd", "python3-statsd")
	const script = `
import statsd, sys
c = statsd.StatsClient("127.0.0.1", int(sys.argv[1]))
with c.pipeline() as p:
    for i in range(1000):
        p.incr("hits", 2)
for i in range(500):
    c.incr("hits")
c.gauge("load", 7)
c.gauge("load", -2, delta=True)
c.timing("query", 12.5)
c.set("users", "alice")
c.set("users", "bob")
c.incr("last")
`
	conn, err := servers.ListenUDP("127.0.0.1:0", &servers.UDPConfig{ReadBuffer: 1 << 20})
	require.NoError(t, err)
	defer conn.Close()
	said, err := exec.CommandContext(t.Context(), python, "-c", script, strconv.Itoa(int(conn.LocalAddr().Port()))).CombinedOutput()
	require.NoError(t, err, "%s", said)
	total, gauges := newTotals(), map[string]float64{}
	for total.counters["last"] == 0 {
		p, err := conn.In.Recv(t.Context())
		require.NoError(t, err)
		for line := range strings.SplitSeq(strings.TrimSpace(string(p.Data)), "\n") {
			m, err := parse(line)
			require.NoError(t, err, line)
			total.add(m, gauges)
		}
	}
	require.Equal(t, "hits=2500 last=1 load=5 (gauge) query=12.5ms (mean of 1) users=2 (distinct)", total.String())
}

func TestAddressInUseIsAnError(t *testing.T) {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	require.NoError(t, err)
	defer conn.Close()
	require.ErrorContains(t, run(t.Context(), conn.LocalAddr().String(), time.Second, io.Discard), "choose another port")
}
