package datagram

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// plain crosses one datagram at a time, through the net package alone, on systems that have no better way. It holds a
// buffer while it waits, and a write may wait for the socket's buffer, which drains by itself.
type plain struct {
	c     *Conn
	max   int
	bufs  *sync.Pool
	buf   *[]byte
	n     int
	addr  netip.AddrPort
	arena arena
}

func plainTransport(c *Conn, cfg Config) (reader, writer) {
	t := newPlain(c, cfg)
	return t, t
}

func newPlain(c *Conn, cfg Config) *plain {
	size := cfg.MaxDatagram + 1 // one more tells that there was more
	return &plain{c: c, max: cfg.MaxDatagram, bufs: &sync.Pool{New: func() any {
		buf := make([]byte, size)
		return &buf
	}}}
}

func (t *plain) read(wait bool) (n int, err error) {
	if !wait {
		if err := t.c.uc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return 0, err
		}
	}
	t.buf = t.bufs.Get().(*[]byte)
	t.n, t.addr, err = t.c.uc.ReadFromUDPAddrPort(*t.buf)
	if errors.Is(err, errTruncated) {
		t.n, err = t.max+1, nil
	}
	if err != nil {
		t.giveBack()
		return 0, err
	}
	t.c.counts.read(1, min(t.n, t.max))
	return 1, nil
}

func (t *plain) take() (p chanio.Packet, left int, cut bool) {
	p = chanio.Packet{Addr: unmap(t.addr), Data: t.arena.clone((*t.buf)[:min(t.n, t.max)])}
	t.giveBack()
	return p, 0, t.n > t.max
}

func (t *plain) giveBack() {
	t.bufs.Put(t.buf)
	t.buf = nil
}

func (t *plain) write(q *queue, _ bool) (n int, err error) {
	m, data := q.msgs[q.first], q.payload(0, q.off)
	if t.c.peer.IsValid() {
		_, err = t.c.uc.Write(data)
	} else {
		_, err = t.c.uc.WriteToUDPAddrPort(data, m.addr)
	}
	if err != nil {
		return 0, err
	}
	return 1, nil
}
