//go:build unix

package servers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

// childTest names the environment variable that makes this test binary run one of the child processes below.
const childTest = "WEIR_TEST_CHILD"

func child(t *testing.T, test string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), childTest+"="+test)
	return cmd
}

func skipUnlessChild(t *testing.T) {
	if os.Getenv(childTest) != t.Name() {
		t.Skip("runs in a child process of another test")
	}
}

// The server has descriptors for only a few connections. The others wait in the kernel until there are more.
func TestLackOfDescriptorsMakesConnectionsWait(t *testing.T) {
	cmd := child(t, "TestChildServesWithFewDescriptors")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	addr := after(t, lines, "addr ")

	const peers = 30
	conns := make([]net.Conn, peers)
	for i := range conns {
		conns[i], err = net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = io.WriteString(conns[i], "x")
		require.NoError(t, err)
	}
	after(t, lines, "level=WARN") // it has run out of descriptors
	for _, nc := range conns {
		_, err := io.ReadFull(nc, make([]byte, 1)) // served, sooner or later
		require.NoError(t, err)
		require.NoError(t, nc.Close())
	}
	require.NoError(t, in.Close())
	require.Equal(t, "1", after(t, lines, "log lines: "))
	_, _ = io.Copy(io.Discard, out)
	require.NoError(t, cmd.Wait())
}

// after returns what follows prefix on the next line that contains it.
func after(t *testing.T, lines *bufio.Scanner, prefix string) string {
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), prefix); ok {
			return rest
		}
	}
	require.FailNow(t, "the child said no more", "waiting for %q", prefix)
	return ""
}

// shout is a logbook that also prints its lines.
type shout struct{ logbook }

func (s *shout) Write(p []byte) (int, error) {
	fmt.Printf("%s", p)
	return s.logbook.Write(p)
}

func TestChildServesWithFewDescriptors(t *testing.T) {
	skipUnlessChild(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log shout
	ln := listen(t, &servers.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	result := serveOn(t, ctx, ln, echo)
	nc := dial(t, ln)
	say(t, nc, "x") // all files that the runtime needs are open
	require.NoError(t, nc.Close())
	await(t, ln, 0)
	probe, err := os.Open(os.DevNull)
	require.NoError(t, err)
	few := probe.Fd() + 10
	require.NoError(t, probe.Close())
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, rlimit(few)))
	fmt.Println("addr " + ln.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	require.NoError(t, <-result)
	fmt.Printf("log lines: %d\n", len(log.lines()))
}

func TestAKeyThatCannotBeReadSaysWhatToDo(t *testing.T) {
	cert := filepath.Join(t.TempDir(), "cert.pem")
	require.NoError(t, os.WriteFile(cert, []byte("secret"), 0o000))
	cmd := child(t, "TestChildCannotReadItsKey")
	cmd.Env = append(cmd.Env, "WEIR_TEST_FILE="+cert)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "permission denied: the user that the program runs as must be allowed to read it")
	require.NotContains(t, string(out), "ports below 1024")
}

func TestChildCannotReadItsKey(t *testing.T) {
	skipUnlessChild(t)
	dropPrivilege(t)
	file := os.Getenv("WEIR_TEST_FILE")
	_, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{CertFile: file, KeyFile: file}, nil)
	require.ErrorIs(t, err, os.ErrPermission)
	fmt.Println(err)
}

func TestPrivilegedPortSaysWhatToDo(t *testing.T) {
	out, err := child(t, "TestChildListensOnAPrivilegedPort").CombinedOutput()
	require.NoError(t, err, "%s", out)
	if strings.Contains(string(out), "no privilege needed") {
		t.Skip("this machine needs no privilege for low ports")
	}
	require.Contains(t, string(out), "ports below 1024 may need a privilege")
}

func TestChildListensOnAPrivilegedPort(t *testing.T) {
	skipUnlessChild(t)
	dropPrivilege(t)
	ln, err := servers.ListenTCP("127.0.0.1:81", nil)
	if err == nil {
		_ = ln.Close()
		fmt.Println("no privilege needed")
		return
	}
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorIs(t, err, syscall.EACCES)
	fmt.Println(err)
}

// dropPrivilege drops the privileges of this process.
func dropPrivilege(t testing.TB) {
	if os.Getuid() == 0 {
		require.NoError(t, syscall.Setuid(65534))
	}
}

func TestHandOverFailsWithoutDescriptors(t *testing.T) {
	out, err := child(t, "TestChildHandsOverWithoutDescriptors").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestChildHandsOverWithoutDescriptors(t *testing.T) {
	skipUnlessChild(t)
	ln := listen(t, nil)
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	low := was
	low.Cur = 3
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	cmd := exec.Command("true")
	_, errFile := ln.File()
	errHandOver := servers.HandOver(cmd, ln)
	_, errUnix := servers.ListenUnix(filepath.Join(os.TempDir(), "weir-without-descriptors"), nil)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was))
	require.ErrorIs(t, errFile, syscall.EMFILE)
	require.ErrorIs(t, errHandOver, syscall.EMFILE)
	require.ErrorIs(t, errUnix, syscall.EMFILE)
	require.Nil(t, cmd.Process)
	serveOn(t, t.Context(), ln, echo)
	require.Equal(t, "hello", say(t, dial(t, ln), "hello"), "nothing has changed")
}
