//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/pool"
)

// readSize is the most messages received by one call.
const readSize = 32

// readBlock holds the messages of one call, and the arena of the payloads. A socket borrows one while datagrams are at
// hand.
type readBlock struct {
	mem   []byte
	slot  int // bytes for each message
	hdrs  [readSize]mmsghdr
	iovs  [readSize]syscall.Iovec
	names [readSize]sockaddr
	ctls  [readSize]ancillary
	ready []chanio.Packet // the result of the latest call
	arena arena
}

// newReadBlock returns a block for messages of the given size. The distance between slots is a little more than a power
// of two, so that their starts do not compete for the same cache lines.
func newReadBlock(size int) *readBlock {
	stride := (size+63)&^63 + 64
	b := &readBlock{mem: make([]byte, readSize*stride), slot: stride}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.mem[i*stride]
		b.iovs[i].SetLen(size)
		h := &b.hdrs[i].hdr
		h.Iov, h.Iovlen = &b.iovs[i], 1
		h.Control = &b.ctls[i][0]
	}
	return b
}

// prepare prepares the first n headers for a call. A connected socket has one peer and needs no name, which would
// take a tenth of the time of a call.
func (b *readBlock) prepare(n int, named bool) {
	for i := range n {
		h := &b.hdrs[i].hdr
		if h.Name = nil; named {
			h.Name = &b.names[i][0]
		}
		h.Namelen = uint32(len(b.names[i]))
		h.SetControllen(len(b.ctls[i]))
	}
}

// fullBlocks are blocks for datagrams of any size.
var fullBlocks = pool.Pool[readBlock]{New: func() *readBlock { return newReadBlock(MaxPayload) }}

// batchReader receives many messages with one call, and holds no block while it waits.
type batchReader struct {
	c    *Conn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // tryRead, made once
	pool *pool.Pool[readBlock]

	wait    bool
	waited  bool // the call in progress found nothing at first
	err     error
	pace    pace
	blk     *readBlock // nil while nothing is at hand
	keepCut bool
	mayJoin bool // the kernel may be asked to join datagrams, when there are many
	joined  bool // the kernel joins datagrams
}

func newBatchReader(c *Conn, raw syscall.RawConn, cfg Config) *batchReader {
	r := &batchReader{c: c, raw: raw, pool: &fullBlocks, keepCut: cfg.KeepTruncated}
	r.try = r.tryRead
	if size := cfg.MaxDatagram; size < MaxPayload {
		r.pool = &pool.Pool[readBlock]{New: func() *readBlock { return newReadBlock(size) }}
	} else {
		r.mayJoin = !cfg.NoOffload
	}
	return r
}

func (r *batchReader) read(wait bool) ([]chanio.Packet, error) {
	r.wait, r.waited, r.err = wait, false, nil
	if err := r.raw.Read(r.try); err != nil {
		r.giveBack()
		return nil, err
	}
	if r.blk == nil {
		return nil, r.err
	}
	return r.blk.ready, nil
}

// tryRead reports whether it has a result. Otherwise it is called again when the socket is readable.
func (r *batchReader) tryRead(fd uintptr) bool {
	if r.blk == nil {
		r.blk = r.pool.Get()
	}
	n, errno := r.receive(fd)
	switch {
	case errno == 0:
		r.unpack(n)
		return true
	case errno != syscall.EAGAIN:
		r.err = errno
	case r.wait:
		r.waited = true
		r.giveBack()
		return false
	default:
		r.err = errEmpty
	}
	r.giveBack()
	return true
}

// receive makes the system call for one message or for many, and returns how many it received.
func (r *batchReader) receive(fd uintptr) (n int, errno syscall.Errno) {
	if n = 1; r.pace.many {
		n = readSize
	}
	r.blk.prepare(n, !r.c.peer.IsValid())
	if n == 1 && !r.joined {
		errno = recvfrom(fd, &r.blk.hdrs[0])
	} else {
		n, errno = mmsg(syscall.SYS_RECVMMSG, fd, r.blk.hdrs[:n])
	}
	switch {
	case errno != 0:
		return 0, errno
	case !r.pace.many:
		r.pace.tookOne(r.waited)
	default:
		if r.pace.took(n); n > 1 && r.mayJoin {
			r.join(fd)
		}
	}
	return n, 0
}

// join makes the kernel join datagrams. recvmmsg returns the segment size, recvfrom does not.
func (r *batchReader) join(fd uintptr) {
	r.mayJoin = false
	r.joined = syscall.SetsockoptInt(int(fd), solUDP, udpGRO, 1) == nil
}

// unpack converts the first n messages to packets, and counts them.
func (r *batchReader) unpack(n int) {
	b, datagrams, bytes := r.blk, 0, 0
	clear(b.ready)
	b.ready = b.ready[:0]
	for i := range n {
		addr := r.c.peer
		if !addr.IsValid() {
			addr = b.names[i].get(&r.c.zones)
		}
		rest, cut := b.mem[i*b.slot:][:b.hdrs[i].n], b.hdrs[i].hdr.Flags&syscall.MSG_TRUNC != 0
		bytes += len(rest)
		size := r.segment(i)
		for first := true; first || len(rest) > 0; first = false {
			p := rest[:min(size, len(rest))]
			rest = rest[len(p):]
			datagrams++
			if !cut || r.c.counts.cut(r.keepCut) {
				b.ready = append(b.ready, chanio.Packet{Addr: addr, Data: b.arena.clone(p)})
			}
		}
	}
	r.c.counts.read(datagrams, bytes)
}

// segment returns the size of the datagrams in message i, of which the last may be smaller.
func (r *batchReader) segment(i int) int {
	if r.joined {
		if size := r.blk.ctls[i].segment(int(r.blk.hdrs[i].hdr.Controllen)); size > 0 {
			return size
		}
	}
	return MaxPayload
}

func (r *batchReader) giveBack() {
	if r.blk != nil {
		clear(r.blk.ready)
		r.blk.ready = r.blk.ready[:0]
		r.pool.Put(r.blk)
		r.blk = nil
	}
}
