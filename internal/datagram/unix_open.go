//go:build unix && !aix && !solaris

package datagram

import (
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unixfile"
)

// OpenUnix opens a socket. The error is a [*net.OpError] with Op "listen" for the local address and "dial" for the
// remote one.
func OpenUnix(cfg *UnixConfig) (*chanio.UnixPacketConn, error) {
	uc, file, err := bindUnix(cfg)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unixgram", Addr: unixAddr(cfg.Local), Err: err}
	}
	c := newUnix(uc, file, cfg)
	if cfg.Remote != "" {
		if err := c.connect(); err != nil {
			c.Out.Abort(err)
			return nil, &net.OpError{Op: "dial", Net: "unixgram", Addr: unixAddr(cfg.Remote), Err: err}
		}
	}
	return &chanio.UnixPacketConn{Duplex: c.Duplex, PacketSocket: c}, nil
}

// bindUnix returns a socket bound to its local address, and its file, if any.
func bindUnix(cfg *UnixConfig) (uc *net.UnixConn, file *unixfile.File, err error) {
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	use := func(socket *os.File) error {
		uc, err = wrapUnix(socket, cfg.WriteBuffer)
		return err
	}
	if cfg.Local != "" && !isAbstract(cfg.Local) {
		file, err = unixfile.Bind(cfg.Local, syscall.SOCK_DGRAM, cfg.Mode, use)
		return uc, file, err
	}
	socket, err := unixfile.Socket(syscall.SOCK_DGRAM)
	if err != nil {
		return nil, nil, err
	}
	defer socket.Close()
	if err := bindName(int(socket.Fd()), cfg.Local); err != nil {
		return nil, nil, err
	}
	err = use(socket) // it sets uc
	return uc, nil, err
}

// bindName binds to an abstract name, which the kernel chooses if it is empty. Only Linux has abstract names; elsewhere
// a socket without a file has no name.
func bindName(fd int, name string) error {
	if runtime.GOOS != "linux" {
		if name != "" {
			return errNoAbstract
		}
		return nil
	}
	return os.NewSyscallError("bind", syscall.Bind(fd, &syscall.SockaddrUnix{Name: name}))
}

// wrapUnix returns a copy of socket for the runtime's poller.
func wrapUnix(socket *os.File, writeBuffer int) (*net.UnixConn, error) {
	pc, err := net.FilePacketConn(socket)
	if err != nil {
		return nil, err
	}
	uc := pc.(*net.UnixConn)
	if err := nonZero(writeBuffer, uc.SetWriteBuffer); err != nil {
		_ = uc.Close() // err is returned instead
		return nil, err
	}
	return uc, nil
}

// connect connects the socket to its peer.
func (c *UnixConn) connect() error { return control(c.raw, c.connectFD) }

func (c *UnixConn) connectFD(fd uintptr) error {
	bound, err := connectName(fd, c.peer)
	if err == nil {
		c.bound.Store(&bound)
	}
	return err
}

// connectName connects to name, and returns the name that the peer is bound to.
func connectName(fd uintptr, name string) (bound string, err error) {
	if isAbstract(name) && runtime.GOOS != "linux" {
		return "", errNoAbstract
	}
	if err := syscall.Connect(int(fd), &syscall.SockaddrUnix{Name: name}); err != nil {
		return "", os.NewSyscallError("connect", err)
	}
	peer, err := syscall.Getpeername(int(fd))
	if err != nil {
		return "", os.NewSyscallError("getpeername", err)
	}
	return nameIn(peer), nil
}

// nameIn returns the name of a socket, or "" if it has none.
func nameIn(a syscall.Sockaddr) string {
	if u, ok := a.(*syscall.SockaddrUnix); ok {
		return u.Name
	}
	return ""
}

func unixAddr(name string) net.Addr { return &net.UnixAddr{Name: name, Net: "unixgram"} }
