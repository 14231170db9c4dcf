package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// messages makes the requests of one connection and checks the replies. Each is
//
//	┌────────────────┬─────────────┬──────────────────────────┐
//	│ length (u32)   │ number (u64)│ filler, of the connection │
//	│ codec u32 only │ if it fits  │                           │
//	└────────────────┴─────────────┴──────────────────────────┘
//
// so a reply that is late, early, doubled or another connection's is noticed.
type messages struct {
	size   int    // of one, with its length
	head   int    // in front of the filler
	framed bool   // there is a length
	number bool   // there is a number
	slots  []byte // a few requests, complete but for their numbers
	want   []byte // the filler

	sent, seen uint64
}

// slotBytes is about how much is sent with one call.
const slotBytes = 64 << 10

func newMessages(spec Spec, id int) *messages {
	m := &messages{size: spec.Size, framed: spec.Codec == "u32", number: spec.Size >= 8}
	if m.framed {
		m.size += 4
		m.head = 4
	}
	if m.number {
		m.head += 8
	}
	one := make([]byte, m.size)
	if m.framed {
		binary.BigEndian.PutUint32(one, uint32(spec.Size))
	}
	for i := m.head; i < m.size && !spec.Zeros; i++ {
		one[i] = byte(i*7 + id*31)
	}
	m.want = one[m.head:]
	m.slots = bytes.Repeat(one, max(1, min(spec.Window, slotBytes/m.size)))
	return m
}

// next returns the bytes of the next n requests, or of fewer, and how many those are. They are valid until it is called
// again.
func (m *messages) next(n int) ([]byte, int) {
	n = min(n, len(m.slots)/m.size)
	p := m.slots[:n*m.size]
	if m.number {
		for i := m.head - 8; i < len(p); i += m.size {
			binary.BigEndian.PutUint64(p[i:], m.sent)
			m.sent++
		}
	}
	return p, n
}

// check takes the whole replies at the start of p and returns how many there are.
func (m *messages) check(p []byte) (n int, err error) {
	for ; len(p) >= m.size; p = p[m.size:] {
		if err := m.checkOne(p[:m.size]); err != nil {
			return n, fmt.Errorf("load: reply %d: %w", m.seen, err)
		}
		m.seen++
		n++
	}
	return n, nil
}

func (m *messages) checkOne(p []byte) error {
	if m.framed {
		if n := binary.BigEndian.Uint32(p); n != uint32(m.size-4) {
			return fmt.Errorf("length %d instead of %d", n, m.size-4)
		}
	}
	if m.number {
		if n := binary.BigEndian.Uint64(p[m.head-8:]); n != m.seen {
			return fmt.Errorf("it is numbered %d", n)
		}
	}
	if !bytes.Equal(p[m.head:], m.want) {
		return errors.New("its bytes differ from the request's")
	}
	return nil
}
