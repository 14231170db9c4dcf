package websocket

import (
	"bytes"
	"sync"
)

// prepared caches the compressed forms of a message that is sent to many.
type prepared struct {
	mu       sync.Mutex
	variants map[variant]func() ([]byte, error) // each compresses once, from an empty window
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
	m.extra = &extra{prepared: &prepared{variants: map[variant]func() ([]byte, error){}}}
	return m, nil
}

func (m *Message) isPrepared() bool { return m.extra != nil && m.extra.prepared != nil }

// deflated returns the message compressed from an empty window. Concurrent callers with the same window wait for the
// first. After a failure, the next caller tries again.
func (p *prepared) deflated(d *Deflate, bits int, data []byte) (out []byte, err error) {
	key := variant{d, bits}
	p.mu.Lock()
	deflate, ok := p.variants[key]
	if !ok {
		deflate = sync.OnceValues(func() ([]byte, error) { return d.deflated(bits, data) })
		p.variants[key] = deflate
	}
	p.mu.Unlock()
	defer func() {
		if out == nil { // the Compressor has failed or panicked
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.variants, key)
		}
	}()
	return deflate()
}

// deflated returns data compressed from an empty window.
func (d *Deflate) deflated(bits int, data []byte) ([]byte, error) {
	z, err := d.newDeflater(bits)
	if err != nil {
		return nil, err
	}
	defer z.free()
	out, err := z.compress(data)
	return bytes.Clone(out), err
}
