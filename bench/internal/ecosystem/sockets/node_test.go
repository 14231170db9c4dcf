package sockets

import (
	"bufio"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/codec/websocket"
)

// nodeModule is the WebSocket library of Node.js, with its version.
const nodeModule = "ws@8.23.0"

//go:embed testdata/client.js
var nodeClient string

//go:embed testdata/server.js
var nodeServer string

// node returns a function that returns the command of a script. It installs the library with npm, and therefore needs
// WEIR_NPM=1.
func node(t *testing.T) func(ctx context.Context, script string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getenv("WEIR_NPM") != "1" {
		t.Skip("Node.js is run with WEIR_NPM=1 only: npm fetches a module")
	}
	npm, err := exec.LookPath("npm")
	require.NoError(t, err)
	dir := t.TempDir()
	install := exec.CommandContext(ecosystem.Within(t), npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", nodeModule)
	install.Dir = dir
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return func(ctx context.Context, script string, args ...string) *exec.Cmd {
		name := filepath.Join(dir, "script.js")
		require.NoError(t, os.WriteFile(name, []byte(script), 0o600))
		cmd := exec.CommandContext(ctx, "node", append([]string{name}, args...)...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		return cmd
	}
}

func TestClientOfNode(t *testing.T) {
	run := node(t)
	for _, m := range modes {
		t.Run(string(m), func(t *testing.T) {
			ended := make(chan websocket.Code, 2)
			s := ecosystem.Serve(t, ecosystem.Ways[0], ourServer(m, ended), nil)
			out, err := run(ecosystem.Within(t), nodeClient, strings.Replace(s.URL, "http", "ws", 1), string(m)).Output()
			require.NoError(t, err, "%s", out)
			require.Equal(t, "echoed\nponged\nclosed 4000\nclosed 4001 as told\n", string(out))
			require.EqualValues(t, 4000, <-ended)
		})
	}
}

func TestServerOfNode(t *testing.T) {
	run := node(t)
	for _, m := range modes {
		t.Run(string(m), func(t *testing.T) {
			ctx, cancel := context.WithCancel(ecosystem.Within(t))
			cmd := run(ctx, nodeServer, string(m))
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			defer func() {
				cancel()
				_ = cmd.Wait() // it was killed
			}()
			port, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			addr := "127.0.0.1:" + strings.TrimSpace(port)
			s := ecosystem.Server{Way: ecosystem.Ways[0], Addr: addr, URL: "http://" + addr}
			for _, theirs := range []bool{false, true} {
				conversation(t, s, m, theirs)
			}
		})
	}
}
