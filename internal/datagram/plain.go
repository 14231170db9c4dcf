package datagram

import (
	"errors"

	"github.com/weir-go/weir/chanio"
)

// plain reads and writes one datagram at a time through the net package, on systems without batches. It holds a buffer
// while it waits. A write may wait for room in the socket's buffer, which drains by itself.
type plain struct {
	c *Conn
	single[chanio.Packet]
}

func plainTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) {
	t := &plain{c: c}
	t.counts, t.max, t.keepCut, t.bufs = &c.counts, cfg.MaxDatagram, cfg.KeepTruncated, bufsFor(cfg.MaxDatagram)
	return t, t
}

// read implements reader. It waits until the deadline of the socket even if wait is false.
func (t *plain) read(bool) ([]chanio.Packet, error) {
	buf := t.bufs.Get()
	defer t.bufs.Put(buf)
	n, addr, err := t.c.uc.ReadFromUDPAddrPort(*buf)
	if errors.Is(err, errTruncated) {
		n, err = len(*buf), nil
	}
	if err != nil {
		return nil, err
	}
	data, ok := t.take((*buf)[:n])
	if !ok {
		return nil, nil
	}
	return t.deliver(chanio.Packet{Addr: unmap(addr), Data: data}), nil
}

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
