// Package peertest starts real servers for the tests of examples.
package peertest

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program returns the path of a program from a Debian package. If it is missing, the test is skipped, or fails with
// WEIR_REQUIRE=1.
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	for _, try := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(try); err == nil {
			return path
		}
	}
	message := name + " is not installed; on Debian: apt-get install " + pkg
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// Start runs a server on a free loopback port until the test ends, and returns its address. "PORT" in args stands for
// the port. Start returns when the server has written a line that contains ready. If the port was taken meanwhile, it
// tries another.
func Start(t testing.TB, path, ready string, args ...string) (addr string) {
	t.Helper()
	var said string
	for range 5 {
		port := freePort(t)
		filled := make([]string, len(args))
		for i, arg := range args {
			filled[i] = strings.ReplaceAll(arg, "PORT", strconv.Itoa(port))
		}
		var up bool
		if said, up = launch(t, exec.Command(path, filled...), ready); up {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		}
	}
	t.Fatalf("%s does not start: %s", path, said)
	return ""
}

// launch starts a command and waits until it is ready.
func launch(t testing.TB, cmd *exec.Cmd, ready string) (said string, up bool) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = w, w
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), ready) {
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, r)
			}()
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				<-drained
				_ = r.Close()
			})
			return said, true
		}
	}
	_ = cmd.Wait()
	_ = r.Close()
	return said, false
}

func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
