//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"github.com/weir-go/weir/chanio"
)

// readSize is how many messages one call takes.
const readSize = 32

// readBlock is where one call puts what it takes, and the arena that goes with it. A socket borrows one while datagrams
// are at hand.
type readBlock struct {
	mem   []byte
	slot  int // bytes for each message
	used  int // how many the last call filled
	hdrs  [readSize]mmsghdr
	iovs  [readSize]syscall.Iovec
	names [readSize]sockaddr
	ctls  [readSize]ancillary
	arena arena
}

// newReadBlock makes a block with room for messages of the given size. Slots are apart by a little more than a power of
// two, so that the starts of all do not compete for the same lines of the cache.
func newReadBlock(size int) *readBlock {
	stride := (size+63)&^63 + 64
	b := &readBlock{mem: make([]byte, readSize*stride), slot: stride, used: readSize}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.mem[i*stride]
		b.iovs[i].SetLen(size)
		h := &b.hdrs[i].hdr
		h.Name = &b.names[i][0]
		h.Iov, h.Iovlen = &b.iovs[i], 1
		h.Control = &b.ctls[i][0]
	}
	return b
}

// reset makes the headers that the last call changed ready for the next.
func (b *readBlock) reset() {
	for i := range b.used {
		b.hdrs[i].hdr.Namelen = uint32(len(b.names[i]))
		b.hdrs[i].hdr.SetControllen(len(b.ctls[i]))
	}
	b.used = 0
}

// fullBlocks are blocks for datagrams of any size.
var fullBlocks = sync.Pool{New: func() any { return newReadBlock(MaxPayload) }}

// batchReader takes many messages with one call, and holds no block while it waits.
type batchReader struct {
	c    *Conn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // tryRead, made once
	pool *sync.Pool

	wait bool
	err  error

	// What read took: messages i to n, the first of them from off on, in datagrams of seg bytes if that is not 0.
	blk    *readBlock
	i, n   int
	off    int
	seg    int
	left   int // datagrams in all
	joined bool
}

func newBatchReader(c *Conn, raw syscall.RawConn, cfg Config) *batchReader {
	r := &batchReader{c: c, raw: raw, pool: &fullBlocks}
	r.try = r.tryRead
	if size := cfg.MaxDatagram; size < MaxPayload {
		r.pool = &sync.Pool{New: func() any { return newReadBlock(size) }}
	} else if !cfg.NoOffload {
		r.joined = control(raw, func(fd uintptr) error {
			return syscall.SetsockoptInt(int(fd), solUDP, udpGRO, 1)
		}) == nil
	}
	return r
}

func (r *batchReader) read(wait bool) (int, error) {
	r.wait, r.n, r.left, r.err = wait, 0, 0, nil
	if err := r.raw.Read(r.try); err != nil {
		return 0, err
	}
	return r.left, r.err
}

// tryRead reports whether there is something to report; otherwise it is called again when there may be.
func (r *batchReader) tryRead(fd uintptr) bool {
	r.blk = r.pool.Get().(*readBlock)
	r.blk.reset()
	n, errno := mmsg(syscall.SYS_RECVMMSG, fd, r.blk.hdrs[:])
	if errno != 0 {
		r.giveBack()
		if errno == syscall.EAGAIN {
			return !r.wait
		}
		r.err = errno
		return true
	}
	r.got(n)
	return true
}

// got counts what is in the first n messages.
func (r *batchReader) got(n int) {
	r.blk.used, r.i, r.n, r.off = n, 0, n, 0
	bytes := 0
	for i := range n {
		size := int(r.blk.hdrs[i].n)
		bytes += size
		if seg := r.segment(i); seg > 0 && size > 0 {
			r.left += (size + seg - 1) / seg
		} else {
			r.left++
		}
	}
	r.seg = r.segment(0)
	r.c.counts.read(r.left, bytes)
}

// segment returns the size of the datagrams that message i was joined of, or 0.
func (r *batchReader) segment(i int) int {
	if !r.joined {
		return 0
	}
	return r.blk.ctls[i].segment(int(r.blk.hdrs[i].hdr.Controllen))
}

func (r *batchReader) take() (p chanio.Packet, left int, cut bool) {
	b, h := r.blk, &r.blk.hdrs[r.i]
	start, end := r.off, int(h.n)
	if r.seg > 0 && end-start > r.seg {
		end = start + r.seg
	}
	mem := r.i * b.slot
	p.Data = b.arena.clone(b.mem[mem+start : mem+end])
	if p.Addr = r.c.peer; !p.Addr.IsValid() {
		p.Addr = b.names[r.i].get(&r.c.zones)
	}
	cut = h.hdr.Flags&syscall.MSG_TRUNC != 0
	r.left--
	if r.off = end; end == int(h.n) {
		r.advance()
	}
	return p, r.left, cut
}

// advance goes on to the next message, or gives the block back.
func (r *batchReader) advance() {
	r.i, r.off = r.i+1, 0
	if r.i < r.n {
		r.seg = r.segment(r.i)
	} else {
		r.giveBack()
	}
}

func (r *batchReader) giveBack() {
	r.pool.Put(r.blk)
	r.blk = nil
}

// kernelDrops returns how many datagrams the kernel has dropped because the socket's buffer was full, or -1.
func kernelDrops(c syscall.Conn) int64 {
	const (
		soMeminfo = 55 // SO_MEMINFO, since Linux 4.12
		drops     = 8  // SK_MEMINFO_DROPS
	)
	raw, err := c.SyscallConn()
	if err != nil {
		return -1
	}
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, soMeminfo,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil || errno != 0 || uintptr(size) < unsafe.Sizeof(info) {
		return -1
	}
	return int64(info[drops])
}

// isV4 reports whether uc is a socket of IPv4 alone.
func isV4(uc *net.UDPConn, local netip.AddrPort) (v4 bool) {
	const soDomain = 39 // SO_DOMAIN, since Linux 2.6.32
	v4 = local.Addr().Is4()
	if raw, err := uc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if domain, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, soDomain); err == nil {
				v4 = domain == syscall.AF_INET
			}
		})
	}
	return v4
}
