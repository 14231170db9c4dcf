package datagram

import "github.com/weir-go/weir/internal/pool"

// single is the common part of readers that receive one datagram at a time.
type single[P any] struct {
	counts  *counts
	max     int  // the largest payload that is received whole
	keepCut bool // deliver the start of larger ones
	bufs    *pool.Pool[[]byte]
	arena   arena
	one     [1]P
}

// bufsFor returns a pool of buffers for payloads of that size. They have one byte more, to detect larger ones.
func bufsFor(size int) *pool.Pool[[]byte] {
	return &pool.Pool[[]byte]{New: func() *[]byte {
		buf := make([]byte, size+1)
		return &buf
	}}
}

// take counts a datagram that was read into a buffer, and returns a copy of it unless it is dropped.
func (s *single[P]) take(p []byte) (data []byte, ok bool) {
	cut := len(p) > s.max
	p = p[:min(len(p), s.max)]
	s.counts.read(1, len(p))
	if cut && !s.counts.cut(s.keepCut) {
		return nil, false
	}
	return s.arena.clone(p), true
}

// deliver returns one packet.
func (s *single[P]) deliver(p P) []P {
	s.one[0] = p
	return s.one[:]
}
