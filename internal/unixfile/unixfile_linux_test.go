package unixfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

const nobody = 65534

func listening(socket *os.File) error { return syscall.Listen(int(socket.Fd()), 1) }

// A user who may write to the directory replaces a socket with a link: the target of the link does not change.
func TestChmodFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	nl, err := net.Listen("unix", filepath.Join(dir, "other"))
	require.NoError(t, err)
	defer nl.Close()
	require.NoError(t, os.Chmod(nl.Addr().String(), 0o600))
	for target, want := range map[string]error{secret: ErrNotSocket, nl.Addr().String(): ErrNotSocket, "nothing": ErrNotSocket} {
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink(target, link))
		require.ErrorIs(t, chmod(link, 0o666), want)
		require.NoError(t, os.Remove(link))
	}
	require.ErrorIs(t, chmod(secret, 0o666), ErrNotSocket)
	require.ErrorIs(t, chmod(filepath.Join(dir, "nothing"), 0o666), fs.ErrNotExist)
	for _, path := range []string{secret, nl.Addr().String()} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
	}
	require.NoError(t, chmod(nl.Addr().String(), 0o640))
	info, err := os.Lstat(nl.Addr().String())
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
}

// A link at the path itself is neither followed nor removed, whatever it leads to.
func TestBindTakesNoLinkForAStaleSocket(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	require.NoError(t, err)
	nl.SetUnlinkOnClose(false)
	require.NoError(t, nl.Close())
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(stale, link))
	_, err = Bind(link, syscall.SOCK_STREAM, 0, listening)
	require.ErrorIs(t, err, ErrNotSocket)
	for _, path := range []string{stale, link} {
		_, err := os.Lstat(path)
		require.NoError(t, err)
	}
}

// A file that has replaced the socket is not removed.
func TestRemoveLeavesWhatIsAnothers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	f, err := Bind(path, syscall.SOCK_STREAM, 0o600, listening)
	require.NoError(t, err)
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	f.Remove()
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestBindLeavesNothingWhenUseFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	sorry := errors.New("sorry")
	_, err := Bind(path, syscall.SOCK_STREAM, 0o600, func(*os.File) error { return sorry })
	require.ErrorIs(t, err, sorry)
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestBindLeavesWhatIsAnothersWhenUseFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	sorry := errors.New("sorry")
	_, err := Bind(path, syscall.SOCK_STREAM, 0, func(*os.File) error {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		return sorry
	})
	require.ErrorIs(t, err, sorry)
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

// A machine without a battery starts with its clock in the past.
func TestAStaleSocketFromTheFutureIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := bind(path, syscall.SOCK_STREAM, 0, false)
	require.NoError(t, err)
	require.NoError(t, stale.Close())
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(path, later, later))
	f, err := Bind(path, syscall.SOCK_STREAM, 0, listening)
	require.NoError(t, err)
	f.Remove()
}

// A server that has bound and does not listen yet is given time.
func TestAFreshSocketIsNotStaleAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fresh, err := bind(path, syscall.SOCK_STREAM, 0, false)
	require.NoError(t, err)
	defer fresh.Close()
	listened := make(chan error, 1)
	time.AfterFunc(settled/4, func() { listened <- listening(fresh) })
	_, err = Bind(path, syscall.SOCK_STREAM, 0, listening)
	require.NoError(t, <-listened)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NotErrorIs(t, err, ErrForeign)
}

// The socket is another user's, in a directory where everyone may create files but not remove those of others.
func TestTheSocketOfAnotherUserIsForeign(t *testing.T) {
	if os.Getenv("WEIR_TEST_FOREIGN") == "" {
		beNobody(t)
		return
	}
	require.NoError(t, syscall.Setuid(nobody))
	for _, name := range []string{"/alive", "/closed", "/stale"} {
		_, err := Bind(os.Getenv("WEIR_TEST_FOREIGN")+name, syscall.SOCK_STREAM, 0, listening)
		require.ErrorIs(t, err, map[string]error{"/alive": syscall.EADDRINUSE, "/closed": ErrForeign, "/stale": ErrForeign}[name], name)
		require.Equal(t, name != "/alive", errors.Is(err, ErrForeign), name)
		if name != "/alive" {
			require.Contains(t, BindHint(err), "have its user remove it")
		}
	}
}

// beNobody runs the calling test in a child process that drops its privileges.
func beNobody(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	for name, mode := range map[string]fs.FileMode{"/alive": 0o666, "/closed": 0o600, "/stale": 0o666} {
		nl, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + name, Net: "unix"})
		require.NoError(t, err)
		nl.SetUnlinkOnClose(false)
		require.NoError(t, os.Chmod(dir+name, mode))
		if name == "/stale" {
			require.NoError(t, nl.Close())
		} else {
			defer nl.Close()
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "WEIR_TEST_FOREIGN="+dir)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	for _, name := range []string{"/alive", "/closed", "/stale"} {
		_, err := os.Lstat(dir + name)
		require.NoError(t, err, "is left alone")
	}
}

func TestASocketIsNotForChildProcesses(t *testing.T) {
	socket, err := Socket(syscall.SOCK_STREAM)
	require.NoError(t, err)
	defer socket.Close()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, socket.Fd(), syscall.F_GETFD, 0)
	require.Zero(t, errno)
	require.EqualValues(t, syscall.FD_CLOEXEC, flags&syscall.FD_CLOEXEC)
}

func TestSocketSaysWhyThereIsNone(t *testing.T) {
	const noKind = 99
	_, err := Socket(noKind)
	require.Error(t, err)
	_, err = Bind(filepath.Join(t.TempDir(), "socket"), noKind, 0, func(*os.File) error { return nil })
	require.Error(t, err)
}
