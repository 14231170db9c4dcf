// Package bulk generates many bytes for tests and checks that they arrive.
package bulk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// blockSize is the size of the random block that a Stream repeats, each time with a number in front.
const blockSize = 1 << 20

// Stream is a fixed sequence of bytes to read, or to compare with what is written to it. No two parts are equal, so
// lost, repeated and moved bytes are detected. Reading and writing continue at the same position. It is for one
// goroutine at a time.
type Stream struct {
	block []byte
	at    int64
	size  int64
}

// New returns a Stream of size bytes. Different seeds give different streams.
func New(seed byte, size int64) *Stream {
	s := &Stream{block: make([]byte, blockSize), size: size}
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(s.block)
	return s
}

// Left returns how many bytes have been neither read nor written.
func (s *Stream) Left() int64 { return s.size - s.at }

// Next returns the next bytes, at most n, or none at the end. They are valid until the next call.
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
