//go:build unix && !aix && !solaris

package datagram

import (
	"net"
	"sync"
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// unixReader takes one datagram at a time.
type unixReader struct {
	c       *UnixConn
	max     int
	keepCut bool
	bufs    *sync.Pool
	try     func(fd uintptr) bool // tryRead, made once

	// Of the call under way.
	wait bool
	got  []chanio.UnixPacket // one, or none
	err  error

	one   [1]chanio.UnixPacket
	arena arena
}

// unixBufs are buffers for the default size.
var unixBufs = unixBufsOf(MaxUnix)

func unixBufsOf(size int) *sync.Pool {
	return &sync.Pool{New: func() any {
		buf := make([]byte, size+1) // one more tells that there was more
		return &buf
	}}
}

func newUnixReader(c *UnixConn, cfg *UnixConfig) *unixReader {
	r := &unixReader{c: c, max: cfg.MaxDatagram, keepCut: cfg.KeepTruncated, bufs: unixBufs}
	if r.max <= 0 {
		r.max = MaxUnix
	}
	if r.max != MaxUnix {
		r.bufs = unixBufsOf(r.max)
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

func (r *unixReader) rest() []chanio.UnixPacket { return nil }

// tryRead reports whether there is something to report; otherwise it is called again when there may be. The buffer is
// borrowed only meanwhile, so a socket that waits has none.
func (r *unixReader) tryRead(fd uintptr) bool {
	buf := r.bufs.Get().(*[]byte)
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
		r.take((*buf)[:n], nameIn(from))
	}
	return true
}

// take makes a packet of p. A socket with a peer drops what others sent: the kernel lets that through until the socket is
// connected, and after the peer is gone.
func (r *unixReader) take(p []byte, from string) {
	if r.c.peer != "" {
		if bound := r.c.bound.Load(); bound == nil || *bound != from {
			return
		}
		from = r.c.peer
	}
	cut := len(p) > r.max
	if cut {
		p = p[:r.max]
	}
	r.c.counts.read(1, len(p))
	if cut && !r.c.counts.cut(r.keepCut) {
		return
	}
	r.one[0] = chanio.UnixPacket{Addr: from, Data: r.arena.clone(p)}
	r.got = r.one[:]
}
