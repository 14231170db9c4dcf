//go:build unix && !aix && !solaris

package servers

import (
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/weir-go/weir/internal/unixfile"
)

// unixListener removes its socket file when it is closed.
type unixListener struct {
	*net.UnixListener
	file *unixfile.File
}

// Close removes the file while the socket still listens.
func (l *unixListener) Close() error {
	l.file.Remove()
	return l.UnixListener.Close()
}

// leaveFile keeps the socket's file in place for the other holders of a descriptor.
func (l *unixListener) leaveFile() { l.file.Leave() }

// backlog is the number of connections that the kernel is asked to queue. The kernel takes the lower of this and its
// own limit.
const backlog = 1<<16 - 1

// listenUnixFile binds to a path, sets the mode of the file, and then listens. Until then the kernel refuses
// connections, so no client connects before the mode is set.
func listenUnixFile(path string, mode fs.FileMode) (net.Listener, error) {
	l := &unixListener{}
	var err error
	l.file, err = unixfile.Bind(path, syscall.SOCK_STREAM, mode, func(socket *os.File) error {
		if err := syscall.Listen(int(socket.Fd()), backlog); err != nil {
			return os.NewSyscallError("listen", err)
		}
		nl, err := net.FileListener(socket)
		if err == nil {
			l.UnixListener = nl.(*net.UnixListener)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}
