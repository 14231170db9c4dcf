//go:build unix && !aix && !solaris

package datagram

import (
	"net"
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// unixReader receives one datagram at a time.
type unixReader struct {
	c *UnixConn
	single[chanio.UnixPacket]
	try func(fd uintptr) bool // tryRead, made once

	// Of the call in progress.
	wait bool
	got  []chanio.UnixPacket // one, or none
	err  error
}

// unixBufs is the pool of buffers of the default size.
var unixBufs = bufsFor(MaxUnix)

func newUnixReader(c *UnixConn, cfg *UnixConfig) *unixReader {
	r := &unixReader{c: c}
	r.counts, r.max, r.keepCut, r.bufs = &c.counts, cfg.MaxDatagram, cfg.KeepTruncated, unixBufs
	if r.max <= 0 {
		r.max = MaxUnix
	}
	if r.max != MaxUnix {
		r.bufs = bufsFor(r.max)
	}
	r.try = r.tryRead
	return r
}

func (r *unixReader) read(wait bool) ([]chanio.UnixPacket, error) {
	r.wait, r.got, r.err = wait, nil, nil
	if err := r.c.raw.Read(r.try); err != nil {
		return nil, err
	}
	return r.got, r.err
}

// tryRead reports whether it has a result. Otherwise it is called again when the socket is readable. It borrows a
// buffer only during the call, so a waiting socket has none.
func (r *unixReader) tryRead(fd uintptr) bool {
	buf := r.bufs.Get()
	defer r.bufs.Put(buf)
	n, _, _, from, err := syscall.Recvmsg(int(fd), *buf, nil, 0)
	for err == syscall.EINTR {
		n, _, _, from, err = syscall.Recvmsg(int(fd), *buf, nil, 0)
	}
	switch {
	case err == syscall.EAGAIN && r.wait:
		return false
	case err == syscall.EAGAIN:
		r.err = errEmpty
	case err != nil:
		r.err = err
	case n == 0 && r.c.inEnd.Ended():
		r.err = net.ErrClosed // the end that CloseRead makes
	default:
		r.receive((*buf)[:n], nameIn(from))
	}
	return true
}

// receive makes a packet of p. A socket with a peer drops packets from others, which the kernel delivers until the
// socket is connected and after the peer is gone.
func (r *unixReader) receive(p []byte, from string) {
	if r.c.peer != "" {
		if bound := r.c.bound.Load(); bound == nil || *bound != from {
			return
		}
		from = r.c.peer
	}
	if data, ok := r.take(p); ok {
		r.got = r.deliver(chanio.UnixPacket{Addr: from, Data: data})
	}
}
