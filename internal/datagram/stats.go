package datagram

import (
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// counts holds the counts that Stats returns.
type counts struct {
	received, receivedBytes, reads, truncated atomic.Uint64
	sent, sentBytes, writes, failed           atomic.Uint64
}

// wrote counts one call that sent n datagrams, or tried to.
func (s *counts) wrote(n, bytes int) {
	s.writes.Add(1)
	if n > 0 {
		s.sent.Add(uint64(n))
		s.sentBytes.Add(uint64(bytes))
	}
}

// read counts one call that received n datagrams.
func (s *counts) read(n, bytes int) {
	s.reads.Add(1)
	s.received.Add(uint64(n))
	s.receivedBytes.Add(uint64(bytes))
}

// cut counts a datagram that was too large to be received whole, and returns keep.
func (s *counts) cut(keep bool) bool {
	s.truncated.Add(1)
	return keep
}

func (s *counts) stats(dropped int64) chanio.PacketStats {
	return chanio.PacketStats{
		Received: s.received.Load(), ReceivedBytes: s.receivedBytes.Load(), Reads: s.reads.Load(),
		Truncated: s.truncated.Load(), Dropped: dropped,
		Sent: s.sent.Load(), SentBytes: s.sentBytes.Load(), Writes: s.writes.Load(), Lost: s.failed.Load(),
	}
}
