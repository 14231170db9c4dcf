package servers_test

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

func TestInheritedSocketsAreNotPassedOnToChildren(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	f, err := nl.(*net.TCPListener).File()
	require.NoError(t, err)
	defer f.Close()
	cmd := child(t, "TestChildLooksAtWhatItInherits")
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestChildLooksAtWhatItInherits(t *testing.T) {
	skipUnlessChild(t)
	const first = 3
	require.False(t, closedOnExec(t, first), "as it came")
	files, err := servers.Inherited()
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.True(t, closedOnExec(t, first))
	require.NoError(t, files[0].Close())
}

// LISTEN_FDS promises more than was passed. The rest are the runtime's and the program's own, whose owners would otherwise
// lose them.
func TestInheritedTakesNoFileThatThisProcessHasOpened(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	f, err := nl.(*net.TCPListener).File()
	require.NoError(t, err)
	defer f.Close()
	cmd := child(t, "TestChildIsPassedTooFewFiles")
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestChildIsPassedTooFewFiles(t *testing.T) {
	skipUnlessChild(t)
	own, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer own.Close()
	raw, err := own.(*net.TCPListener).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { t.Setenv("LISTEN_FDS", strconv.Itoa(int(fd)-2)) }))
	files, err := servers.Inherited()
	require.ErrorContains(t, err, ": was not inherited")
	require.Empty(t, files)
	require.True(t, closedOnExec(t, 3), "what was passed goes to no child")
}

func TestTheFileOfAListenerIsNotPassedOnToChildren(t *testing.T) {
	for name, listen := range map[string]func() (*servers.Listener, error){
		"tcp":  func() (*servers.Listener, error) { return servers.ListenTCP("127.0.0.1:0", nil) },
		"unix": func() (*servers.Listener, error) { return servers.ListenUnix(t.TempDir()+"/s", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := listen()
			require.NoError(t, err)
			defer l.Close()
			f, err := l.File()
			require.NoError(t, err)
			defer f.Close()
			require.True(t, closedOnExec(t, f.Fd()))
		})
	}
}

func closedOnExec(t *testing.T, fd uintptr) bool {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFD, 0)
	require.Zero(t, errno, os.NewSyscallError("fcntl", errno))
	return flags&syscall.FD_CLOEXEC != 0
}
