package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
)

// xor masks or unmasks p in place, eight bytes at a time. RFC 6455, 5.3.
func xor(p []byte, key uint32) {
	if key == 0 {
		return
	}
	k := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 {
		q := p[:32]
		binary.LittleEndian.PutUint64(q, binary.LittleEndian.Uint64(q)^k)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^k)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^k)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^k)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(k >> (8 * i))
	}
}

// keys are unused bytes of crypto/rand, read for many frames at once.
var keys = sync.Pool{New: func() any { return new(keyBytes) }}

type keyBytes struct {
	bytes [512]byte
	left  int
}

// newKey returns a masking key that cannot be predicted.
func newKey() uint32 {
	k := keys.Get().(*keyBytes)
	if k.left < 4 {
		_, _ = rand.Read(k.bytes[:]) // never fails
		k.left = len(k.bytes)
	}
	k.left -= 4
	key := binary.LittleEndian.Uint32(k.bytes[k.left:])
	keys.Put(k)
	return key
}
