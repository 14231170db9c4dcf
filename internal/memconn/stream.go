package memconn

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream is one direction of a pair: one Conn writes to it and the other reads from it. The mutex is held to copy bytes
// and to check state, never while waiting.
type stream struct {
	mu   sync.Mutex
	ring ring

	eof          bool // the writer has ended the stream, by CloseWrite or Close
	reset        bool // either end has aborted
	readerClosed bool
	writerClosed bool

	readDeadline  deadline
	writeDeadline deadline

	writing bool // a Write has its turn and may wait for room
	readers gate // Reads that wait for bytes
	turn    gate // Writes that wait for another Write to end
	room    gate // the one Write that waits for room, and waitWrites
}

// read waits until there is a byte or an end. An empty p waits for nothing.
func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 && !s.readable() {
		s.readers.wait(&s.mu)
	}
	s.readers.wake()
	if err := s.readFault(); err != nil {
		return 0, err
	}
	if len(p) > 0 && s.ring.size == 0 {
		return 0, io.EOF
	}
	n := s.ring.read(p)
	s.room.wake()
	return n, nil
}

func (s *stream) readable() bool {
	return s.ring.size > 0 || s.eof || s.readFault() != nil
}

// readFault is the error of a Read, whatever is buffered.
func (s *stream) readFault() error {
	switch {
	case s.readerClosed:
		return net.ErrClosed
	case s.readDeadline.passed:
		return os.ErrDeadlineExceeded
	case s.reset:
		return syscall.ECONNRESET
	}
	return nil
}

// write waits for its turn, then for the reader to make room, until all of p is
// buffered or the stream fails.
func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turn.wake()
	for s.writing {
		if err := s.writeFault(); err != nil {
			return 0, err
		}
		s.turn.wait(&s.mu)
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.room.wake()
	}()
	for {
		if err := s.writeFault(); err != nil {
			return n, err
		}
		if n += s.put(p[n:]); n == len(p) {
			return n, nil
		}
		s.room.wait(&s.mu)
	}
}

// tryWrite buffers what there is room for, which is nothing while a Write has its turn.
func (s *stream) tryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writeFault(); err != nil || s.writing {
		return 0, err
	}
	return s.put(p), nil
}

// waitWrite waits until tryWrite may buffer something or fails, or ctx ends.
func (s *stream) waitWrite(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.room.wake()
	for s.writeFault() == nil && (s.writing || s.ring.size >= s.ring.limit) {
		if !s.room.waitFor(&s.mu, ctx.Done()) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// tryRead reads what is buffered.
func (s *stream) tryRead(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readerClosed || s.reset {
		return 0
	}
	n := s.ring.read(p)
	s.room.wake()
	return n
}

func (s *stream) put(p []byte) int {
	n := s.ring.write(p)
	if n > 0 {
		s.readers.wake()
	}
	return n
}

// writeFault is the error of a Write, whatever the room.
func (s *stream) writeFault() error {
	switch {
	case s.writerClosed:
		return net.ErrClosed
	case s.writeDeadline.passed:
		return os.ErrDeadlineExceeded
	case s.reset:
		return syscall.ECONNRESET
	case s.eof, s.readerClosed:
		return syscall.EPIPE
	}
	return nil
}

// setReadDeadline bounds the reads of the stream, and setWriteDeadline its writes.
func (s *stream) setReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readerClosed {
		return net.ErrClosed
	}
	if s.readDeadline.set(t, s); s.readDeadline.passed {
		s.readers.wake()
	}
	return nil
}

func (s *stream) setWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writerClosed {
		return net.ErrClosed
	}
	if s.writeDeadline.set(t, s); s.writeDeadline.passed {
		s.turn.wake()
		s.room.wake()
	}
	return nil
}

// expire is the callback of a deadline's timer.
func (s *stream) expire(d *deadline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.due() {
		s.wakeAll()
	}
}

// endWrites ends the stream: the reader reads what is buffered, then io.EOF.
func (s *stream) endWrites() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writerClosed {
		return net.ErrClosed
	}
	s.eof = true
	s.wakeAll()
	return nil
}

// closeWriter is the end of the writing Conn, with a reset or with io.EOF.
func (s *stream) closeWriter(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writerClosed = true
	s.writeDeadline.stop()
	if reset {
		s.reset = true
		s.ring.discard()
	} else {
		s.eof = true
	}
	s.wakeAll()
}

// closeReader is the end of the reading Conn. What is buffered will not be read.
func (s *stream) closeReader(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readerClosed = true
	s.readDeadline.stop()
	s.reset = s.reset || reset
	s.ring.discard()
	s.wakeAll()
}

// wakeAll wakes all waiters, for events that happen once. Each checks whether it is concerned.
func (s *stream) wakeAll() {
	s.readers.wake()
	s.turn.wake()
	s.room.wake()
}
