package stream

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// pump is a [TryWriter] over a net.Conn whose Write blocks: a goroutine writes a copy of at most 16 KiB at a time. A
// Write is never interrupted, which a crypto/tls connection would not survive; only an abort, which ends everything, and
// the write timeout, which aborts, make one return early.
type pump struct {
	s       *Stream
	size    int // of a piece
	timeout time.Duration

	mu    sync.Mutex
	err   error         // of the first Write that failed
	moved chan struct{} // closed when a Write returns; nil while none is under way
}

// pieceSize is how much is written at once. It is one record of TLS.
const pieceSize = 16 << 10

// newPump returns the pump of a Stream. With a timeout a piece is no larger than what makes it just in time.
func newPump(s *Stream, timeout time.Duration) *pump {
	p := &pump{s: s, size: pieceSize, timeout: timeout}
	if timeout > 0 {
		p.size = min(pieceSize, max(int(timeout.Seconds()*minRate), 512))
	}
	return p
}

// TryWrite takes a piece, unless one is being written.
func (p *pump) TryWrite(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil || p.moved != nil || len(b) == 0 {
		return 0, p.err
	}
	a := scratches.Get().(*scratch)
	piece := append(a[:0], b[:min(len(b), p.size)]...)
	p.startLocked(func() error {
		defer scratches.Put(a)
		return p.write(piece)
	})
	return len(piece), nil
}

// startLocked calls f in a goroutine, and keeps its error.
func (p *pump) startLocked(f func() error) {
	moved := make(chan struct{})
	p.moved = moved
	go func() {
		var err error
		returned := false
		defer func() {
			if !returned { // but called Goexit, of which guard has told the Stream
				err = p.s.Out.failure()
			}
			p.mu.Lock()
			if p.err == nil {
				p.err = err
			}
			p.moved = nil
			close(moved)
			p.mu.Unlock()
			if err != nil {
				p.s.Out.lost(err)
			}
		}()
		err = p.s.guard(f)
		returned = true
	}()
}

// write writes all of piece.
func (p *pump) write(piece []byte) error {
	if p.timeout > 0 {
		defer p.watch()()
	}
	for empty := 0; len(piece) > 0; {
		n, err := p.s.nc.Write(piece)
		piece = piece[min(max(n, 0), len(piece)):]
		if err != nil {
			return err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == maxEmpty {
			return p.s.opError("write", io.ErrShortWrite)
		}
	}
	return nil
}

// watch aborts the Stream when the write timeout has passed without progress, until stop is called.
func (p *pump) watch() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer // nil after stop
	patient := patience{timeout: p.timeout}
	patient.begin(p.s)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(p.timeout, func() {
		mu.Lock()
		late := timer != nil
		if late && patient.renew(p.s) {
			timer.Reset(time.Until(patient.until))
			late = false
		}
		mu.Unlock()
		if late {
			p.s.Abort(p.s.opError("write", &deadline.Timeout{Text: "peer took nothing for " + p.timeout.String()}))
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		timer = nil
	}
}

// WaitWrite waits until no piece is being written.
func (p *pump) WaitWrite(ctx context.Context) error {
	p.mu.Lock()
	moved := p.moved
	p.mu.Unlock()
	if moved == nil {
		return nil
	}
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err() // nil for a deadline.Context that was moved meanwhile
	}
}

// Flush returns when everything has been written.
func (p *pump) Flush(ctx context.Context) error {
	for {
		p.mu.Lock()
		moved, err := p.moved, p.err
		p.mu.Unlock()
		if moved == nil || err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			if err := deadline.Cause(ctx); err != nil {
				return err
			}
		}
	}
}

// call calls f, which may block, when everything has been written.
func (p *pump) call(ctx context.Context, f func() error) error {
	if err := p.Flush(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := net.ErrClosed // after Goexit
		defer func() { done <- err }()
		err = p.s.guard(f)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return deadline.Cause(ctx)
	}
}
