package load

import (
	"context"
	"time"

	"golang.org/x/net/ipv4"
)

// Flooded is the result of Flood.
type Flooded struct {
	Sent uint64        `json:"sent"`
	Time time.Duration `json:"time"`
}

// Flood sends datagrams to a target that does not answer, as many as possible within spec.Time.
func Flood(ctx context.Context, spec Spec) (f Flooded, err error) {
	if err := spec.Check(); err != nil {
		return f, err
	}
	ep, err := parseEndpoint(spec)
	if err != nil {
		return f, err
	}
	r := &run{spec: spec, endpoint: ep}
	r.spec.Window = datagramBatch
	defer r.close()
	if err := r.openSockets(ctx); err != nil {
		return f, err
	}
	began := time.Now()
	for f.Time < spec.Time && ctx.Err() == nil {
		for i := range r.sockets {
			n, err := r.sockets[i].flood()
			if err != nil {
				return f, err
			}
			f.Sent += uint64(n)
		}
		f.Time = time.Since(began)
	}
	return f, context.Cause(ctx)
}

// flood sends one batch.
func (s *socket) flood() (int, error) {
	for i := range s.out {
		s.msgs.put(s.out[i].Buffers[0], s.msgs.sent)
		s.msgs.sent++
	}
	return len(s.out), writeAll(s.many, s.out)
}

func writeAll(conn *ipv4.PacketConn, batch []ipv4.Message) error {
	for len(batch) > 0 {
		n, err := conn.WriteBatch(batch, 0)
		if err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}
