package stream

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// pump is a [TryWriter] over a net.Conn whose Write blocks: a goroutine writes a copy of at most 16 KiB at a time. A
// Write is never interrupted, because a crypto/tls connection would not survive that. Only an abort, which ends
// everything, and the write timeout, which aborts, make one return early.
//
// TryWrite returns what has been written, so that the Writer waits for the write in progress. The next call starts with
// that.
type pump struct {
	s    *Stream
	size int // largest size of a piece

	mu    sync.Mutex
	wrote int           // bytes of the next TryWrite that have been written already
	err   error         // of the first failed Write
	done  chan struct{} // closed when the Write in progress returns; nil if there is none
}

// pieceSize is how much is written at once, one TLS record.
const pieceSize = 16 << 10

// newPump returns the pump of a Stream. With a timeout, a piece is no larger than the slowest permitted peer takes in
// that time.
func newPump(s *Stream, timeout time.Duration) *pump {
	p := &pump{s: s, size: pieceSize}
	if timeout > 0 {
		p.size = min(pieceSize, max(int(timeout.Seconds()*minRate), 512))
	}
	return p
}

// TryWrite starts to write a piece, unless one is being written.
func (p *pump) TryWrite(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return 0, nil
	}
	n, p.wrote = min(p.wrote, len(b)), max(p.wrote-len(b), 0)
	if p.err == nil && n < len(b) {
		p.done = make(chan struct{})
		a := scratches.Get()
		go p.write(a, append(a[:0], b[n:min(len(b), n+p.size)]...), p.done)
	}
	return n, p.err
}

// write writes all of piece, which is a part of a, and closes done.
func (p *pump) write(a *scratch, piece []byte, done chan struct{}) {
	n, err := 0, error(net.ErrClosed) // after Goexit, which guard reports to the Stream
	defer func() {
		scratches.Put(a)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wrote, p.err, p.done = n, err, nil
		close(done)
	}()
	err = p.s.guard(func() error {
		for empty := 0; n < len(piece); {
			m, err := p.s.nc.Write(piece[n:])
			n += min(max(m, 0), len(piece)-n)
			if err != nil {
				return err
			}
			if m > 0 {
				empty = 0
			} else if empty++; empty == MaxEmpty {
				return p.s.opError("write", io.ErrShortWrite)
			}
		}
		return nil
	})
}

// WaitWrite waits until no piece is being written.
func (p *pump) WaitWrite(ctx context.Context) error {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
