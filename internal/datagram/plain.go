package datagram

import (
	"errors"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// plain reads and writes one datagram at a time through the net package, on systems without batches. It holds a buffer
// while it waits, and a write may wait for room in the socket's buffer, which drains by itself.
type plain struct {
	c       *Conn
	max     int
	keepCut bool
	bufs    *sync.Pool
	one     [1]chanio.Packet
	arena   arena
}

func plainTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) {
	size := cfg.MaxDatagram + 1 // one more tells that there was more
	t := &plain{c: c, max: cfg.MaxDatagram, keepCut: cfg.KeepTruncated, bufs: &sync.Pool{New: func() any {
		buf := make([]byte, size)
		return &buf
	}}}
	return t, t
}

// read implements reader. Without wait it waits as well, for as long as the deadline of the socket allows.
func (t *plain) read(bool) ([]chanio.Packet, error) {
	buf := t.bufs.Get().(*[]byte)
	defer t.bufs.Put(buf)
	n, addr, err := t.c.uc.ReadFromUDPAddrPort(*buf)
	cut := n > t.max || errors.Is(err, errTruncated)
	if err != nil && !cut {
		return nil, err
	}
	if cut {
		n = t.max
	}
	t.c.counts.read(1, n)
	if cut && !t.c.counts.cut(t.keepCut) {
		return nil, nil
	}
	t.one[0] = chanio.Packet{Addr: unmap(addr), Data: t.arena.clone((*buf)[:n])}
	return t.one[:], nil
}

func (t *plain) rest() []chanio.Packet { return nil }

func (t *plain) write(q *queue, _ bool) (n int, err error) {
	data := q.payload(0, q.off)
	if t.c.peer.IsValid() {
		_, err = t.c.uc.Write(data)
	} else {
		_, err = t.c.uc.WriteToUDPAddrPort(data, q.msgs[q.first].addr)
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}
