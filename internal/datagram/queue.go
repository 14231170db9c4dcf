package datagram

import (
	"net/netip"

	"github.com/weir-go/weir/internal/pool"
)

// queue holds datagrams to send, with their payloads one after the other. A nil queue is empty.
type queue struct {
	buf     []byte
	msgs    []message
	first   int  // the first one that has not been sent
	off     int  // where in buf it begins
	retried bool // the first one has been tried before
}

// message is one datagram of a queue.
type message struct {
	addr netip.AddrPort // not valid: to the peer
	size int
}

const (
	queueSize = 64       // datagrams that are sent in one go
	queueKeep = 64 << 10 // the largest buffer that is kept for later
)

var queues = pool.Pool[queue]{New: func() *queue {
	return &queue{buf: make([]byte, 0, 8<<10), msgs: make([]message, 0, queueSize)}
}}

func (q *queue) add(addr netip.AddrPort, data []byte) {
	q.buf = append(q.buf, data...)
	q.msgs = append(q.msgs, message{addr, len(data)})
}

// left returns the number of unsent datagrams.
func (q *queue) left() int {
	if q == nil {
		return 0
	}
	return len(q.msgs) - q.first
}

// leftBytes returns the total size of the unsent payloads.
func (q *queue) leftBytes() int {
	if q == nil {
		return 0
	}
	return len(q.buf) - q.off
}

// skip drops the first n datagrams and returns the total size of their payloads.
func (q *queue) skip(n int) (bytes int) {
	for _, m := range q.msgs[q.first : q.first+n] {
		bytes += m.size
	}
	q.first += n
	q.off += bytes
	if n > 0 {
		q.retried = false
	}
	return bytes
}

// payload returns the payload of the i-th unsent datagram, which starts at off.
func (q *queue) payload(i, off int) []byte { return q.buf[off : off+q.msgs[q.first+i].size] }

// recycle makes q available for reuse.
func (q *queue) recycle() {
	if q != nil && cap(q.buf) <= queueKeep {
		clear(q.msgs)
		*q = queue{buf: q.buf[:0], msgs: q.msgs[:0]}
		queues.Put(q)
	}
}
