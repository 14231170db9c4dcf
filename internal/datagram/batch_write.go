//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"syscall"
	"unsafe"

	"github.com/weir-go/weir/internal/pool"
)

// writeBlock holds the arguments of one sendmmsg call, and is borrowed for it.
type writeBlock struct {
	hdrs  [queueSize]mmsghdr
	iovs  [queueSize]syscall.Iovec
	names [queueSize]sockaddr
	ctls  [queueSize]ancillary
	takes [queueSize]int // datagrams in each message
}

var writeBlocks = pool.Pool[writeBlock]{New: func() *writeBlock {
	b := &writeBlock{}
	for i := range b.hdrs {
		b.hdrs[i].hdr.Iov, b.hdrs[i].hdr.Iovlen = &b.iovs[i], 1
	}
	return b
}}

const (
	segmentsMax     = 64         // UDP_MAX_SEGMENTS of every kernel that can do it
	segmentsSizeMax = 65000      // of all segments, headers apart
	segmentDefault  = MaxPayload // until the kernel refuses
)

// batchWriter sends many datagrams with one call. Datagrams of one size to one address form one message, which the
// kernel or the network card splits (UDP_SEGMENT).
type batchWriter struct {
	c   *Conn
	raw syscall.RawConn
	try func(fd uintptr) bool // tryWrite, made once

	name    sockaddr
	segment int // the largest datagram sent that way; 0: none

	q    *queue
	wait bool
	n    int
	err  error
}

func newBatchWriter(c *Conn, raw syscall.RawConn, cfg Config) *batchWriter {
	w := &batchWriter{c: c, raw: raw}
	w.try = w.tryWrite
	if !cfg.NoOffload {
		w.segment = segmentDefault
	}
	return w
}

func (w *batchWriter) write(q *queue, wait bool) (int, error) {
	w.q, w.wait, w.n, w.err = q, wait, 0, nil
	err := w.raw.Write(w.try)
	w.q = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// tryWrite reports whether it has a result. Otherwise it is called again when the socket is writable.
func (w *batchWriter) tryWrite(fd uintptr) bool {
	var errno syscall.Errno
	if w.q.left() == 1 {
		errno = w.first(fd)
	} else {
		errno = w.writeMany(fd)
	}
	switch {
	case errno == 0:
	case errno != syscall.EAGAIN:
		w.err = errno
	case w.wait:
		return false
	default:
		w.err = errFull
	}
	return true
}

// first sends only the first datagram, which is faster than writeMany.
func (w *batchWriter) first(fd uintptr) (errno syscall.Errno) {
	to, data := w.q.msgs[w.q.first].addr, w.q.payload(0, w.q.off)
	if w.c.peer.IsValid() {
		errno = sendto(fd, data, nil)
	} else {
		errno = sendto(fd, data, w.name[:w.name.put(to, w.c.v4, &w.c.zones)])
	}
	if errno == 0 {
		w.n = 1
	}
	return errno
}

// writeMany sends as many datagrams as one call takes.
func (w *batchWriter) writeMany(fd uintptr) syscall.Errno {
	b := writeBlocks.Get()
	used := w.fill(b)
	n, errno := mmsg(sysSendmmsg, fd, b.hdrs[:used])
	for _, take := range b.takes[:n] {
		w.n += take
	}
	if b.takes[0] > 1 && refusesToSplit(errno) {
		if errno = w.first(fd); errno == 0 { // so it was not the address
			w.segment = min(w.segment, w.q.msgs[w.q.first].size-1)
		}
	}
	for i := range used {
		b.iovs[i].Base, b.hdrs[i].hdr.Control = nil, nil
	}
	writeBlocks.Put(b)
	return errno
}

// refusesToSplit reports whether errno may be caused by splitting: the card cannot do it, or a datagram exceeds a
// packet.
func refusesToSplit(errno syscall.Errno) bool {
	return errno == syscall.EINVAL || errno == syscall.EIO || errno == syscall.EMSGSIZE || errno == syscall.EOPNOTSUPP ||
		errno == syscall.ENOPROTOOPT
}

// fill prepares as many datagrams as one call can send, and returns the number of messages.
func (w *batchWriter) fill(b *writeBlock) (used int) {
	off := w.q.off
	for i := 0; i < w.q.left() && used < queueSize; used++ {
		first := &w.q.msgs[w.q.first+i]
		run, size := w.run(i)
		h := &b.hdrs[used].hdr
		h.Name, h.Namelen, h.Control = nil, 0, nil
		if !w.c.peer.IsValid() {
			h.Name = &b.names[used][0]
			h.Namelen = uint32(b.names[used].put(first.addr, w.c.v4, &w.c.zones))
		}
		h.SetControllen(0)
		if run > 1 {
			h.Control = &b.ctls[used][0]
			h.SetControllen(b.ctls[used].putSegment(first.size))
		}
		b.iovs[used].Base = unsafe.SliceData(w.q.buf[off:])
		b.iovs[used].SetLen(size)
		b.takes[used] = run
		off += size
		i += run
	}
	return used
}

// run returns how many datagrams from the i-th on can form one message, and their total size: those to the same address
// and of the same size, of which the last may be smaller.
func (w *batchWriter) run(i int) (n, size int) {
	msgs := w.q.msgs[w.q.first+i:]
	first := &msgs[0]
	n, size = 1, first.size
	if first.size == 0 || first.size > w.segment {
		return n, size
	}
	for n < len(msgs) && n < segmentsMax {
		m := &msgs[n]
		if m.size == 0 || m.size > first.size || size+m.size > segmentsSizeMax || m.addr != first.addr {
			break
		}
		n, size = n+1, size+m.size
		if m.size < first.size {
			break
		}
	}
	return n, size
}
