package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os/exec"
	"os/user"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// start serves until the test ends.
func start(t *testing.T) (addr string) {
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- serve(ctx, "127.0.0.1:0", out) }()
	line := make([]byte, 100)
	n, err := said.Read(line)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return strings.TrimSpace(string(line[:n]))
}

func TestAskTheRealServer(t *testing.T) {
	me, err := user.Current()
	require.NoError(t, err)
	addr := peertest.Start(t, peertest.Program(t, "dnsmasq", "dnsmasq-base"), "started", "--no-daemon",
		"--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user="+me.Username, "--bind-interfaces",
		"--listen-address=127.0.0.1", "--port=PORT", "--address=/example.test/192.0.2.33")
	var out bytes.Buffer
	require.NoError(t, ask(t.Context(), addr, "example.test.", &out))
	require.Equal(t, "example.test. 192.0.2.33\n", out.String())
}

func TestAnswerTheRealClient(t *testing.T) {
	dig := peertest.Program(t, "dig", "dnsutils")
	host, port, err := net.SplitHostPort(start(t))
	require.NoError(t, err)
	out, err := exec.Command(dig, "+tcp", "+short", "+tries=1", "-p", port, "@"+host, "www.weir.test").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "192.0.2.8\n", string(out))
	out, err = exec.Command(dig, "+tcp", "+tries=1", "-p", port, "@"+host, "nothing.test").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "status: NXDOMAIN")
	require.NotContains(t, strings.ToLower(string(out)), "malformed")
}

func TestAskOurselves(t *testing.T) {
	addr := start(t)
	var out bytes.Buffer
	require.NoError(t, ask(t.Context(), addr, "weir.test.", &out))
	require.Equal(t, "weir.test. 192.0.2.7\n", out.String())
	require.ErrorContains(t, ask(t.Context(), addr, "nothing.test.", &out), "code 3")
}
