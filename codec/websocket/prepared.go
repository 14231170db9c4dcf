package websocket

import (
	"sync"
)

// prepared caches the compressed forms of a message that is sent to many.
type prepared struct {
	mu       sync.Mutex
	variants map[variant][]byte // compressed, from an empty window
}

type variant struct {
	d    *Deflate
	bits int
}

// Prepare returns m optimized for sending to many connections: it is checked once, and compressed once for each [Deflate]
// and window size in use, when the first connection needs that. m.Data must not be modified any more. Only servers
// benefit, because a client masks each frame separately. After sending a prepared message, a connection with context
// takeover starts with an empty window.
func Prepare(m Message) (Message, error) {
	m.extra = nil
	if err := checkMessage(&m); err != nil {
		return Message{}, err
	}
	m.extra = &extra{prepared: new(prepared)}
	return m, nil
}

func (m *Message) isPrepared() bool { return m.extra != nil && m.extra.prepared != nil }

// deflated returns the message compressed from an empty window. Concurrent callers wait for the first.
func (p *prepared) deflated(d *Deflate, bits int, data []byte) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := variant{d, bits}
	if out, ok := p.variants[key]; ok {
		return out, nil
	}
	z, err := d.newDeflater(bits)
	if err != nil {
		return nil, err
	}
	defer z.free()
	out, err := z.compress(data)
	if err != nil {
		return nil, err
	}
	if p.variants == nil {
		p.variants = map[variant][]byte{}
	}
	out = append([]byte(nil), out...)
	p.variants[key] = out
	return out, nil
}
