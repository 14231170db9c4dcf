// Package bulk makes many bytes for tests, and sees that they arrive.
package bulk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// blockSize is that of the random bytes that a Stream repeats, each time with a number in front.
const blockSize = 1 << 20

// Stream is a fixed sequence of bytes that can be read, or that what is written can be held against: no part of it is
// like another, so nothing can be lost, repeated or moved unseen. Reading and writing go on from the same place. One
// goroutine at a time uses it.
type Stream struct {
	block []byte
	at    int64
	size  int64
}

// New returns a Stream of size bytes. Those of different seeds are different.
func New(seed byte, size int64) *Stream {
	s := &Stream{block: make([]byte, blockSize), size: size}
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(s.block)
	return s
}

// Left returns how many bytes are neither read nor written yet.
func (s *Stream) Left() int64 { return s.size - s.at }

// Next returns the next bytes, n at most; they are valid until the next call. There are none at the end.
func (s *Stream) Next(n int) []byte {
	off := int(s.at % blockSize)
	if off == 0 {
		binary.BigEndian.PutUint64(s.block, uint64(s.at))
	}
	p := s.block[off:min(int64(off)+int64(n), blockSize, int64(off)+s.Left())]
	s.at += int64(len(p))
	return p
}

// Write returns an error that names the first byte of p that is not the next of s.
func (s *Stream) Write(p []byte) (n int, err error) {
	for n < len(p) {
		start := s.at
		want := s.Next(len(p) - n)
		if len(want) == 0 {
			return n, fmt.Errorf("bulk: %d bytes more than %d", len(p)-n, s.size)
		}
		if got := p[n : n+len(want)]; !bytes.Equal(got, want) {
			for i := range want {
				if got[i] != want[i] {
					return n + i, fmt.Errorf("bulk: byte %d is %02x, not %02x", start+int64(i), got[i], want[i])
				}
			}
		}
		n += len(want)
	}
	return n, nil
}
