// Package stream is the engine of a connection: a net.Conn as a [Reader] and a [Writer], which hold no buffer and no
// goroutine while there is nothing to do, and a state that says how both end and when the net.Conn is closed.
//
// # States
//
// The receiving half (Reader):
//
//	open -> ended    by the peer's end (io.EOF), an error, an idle timeout: the goroutine that reads
//	open -> ending   by EndIn: what had arrived may still be read, without waiting; then ended with its cause
//	open -> ended    by Close (net.ErrClosed) or an abort
//
// The sending half (Writer), whose state is that of its End:
//
//	open -> closing  by Close, or a Sink above that will call it: what was accepted is being written, within the linger
//	                 bound; from Close on nothing more is accepted
//	closing -> ended by Close, when all has been written and the half-close sent
//	any -> ended     by a write that failed, or an abort, unless it had ended
//
// While it is open or closing it may have an owner (busy): a sender that writes for all, a sender that writes a body in
// place, a raw write, or the goroutine that writes the rest that the net.Conn did not take. Only the owner uses its
// wire.
//
// The stream:
//
//	live -> lingers        both halves have ended, and the peer may still be sending or not have read everything: a
//	                       goroutine reads and drops, see linger
//	live -> releasing      both halves have ended and there is nothing to wait for, or an abort
//	lingers -> releasing   the goroutine is done, or was cut short by an abort
//	releasing -> released  the net.Conn is closed
//
// The state of the stream and who owns the Writer are moved under the mutex of each, and that of a Reader by its goroutine
// or its Deadline. An End may be set by anybody at any time, with no lock: what it cuts off finds that by itself, and is
// woken behind it. With its mutex held a Writer may ask its Deadline and its End; no other lock is taken with one held, and
// no lock is held while the net.Conn, or anything else outside this package, is called.
package stream

import (
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// DefaultCloseWait is how long a release waits, without input, for a peer that has received everything and does not
// close.
const DefaultCloseWait = 250 * time.Millisecond

// Config configures a [Stream]. The zero value means the defaults.
type Config struct {
	Linger       time.Duration // how long a close waits without progress; 0 means DefaultLinger
	CloseWait    time.Duration // see DefaultCloseWait, which 0 means; negative: do not wait
	Coalesce     time.Duration // the longest time that output is held back; see package coalesce
	IdleTimeout  time.Duration // ends the receiving half when a call has waited this long for a byte; 0 means never
	WriteTimeout time.Duration // aborts when the peer takes less than 240 B/s for this long; 0 means never
	SendBuffer   int           // bytes accepted and not yet written beyond which senders wait; 0 means DefaultSendBuffer
	Prefix       []byte        // bytes already read from the net.Conn

	OnRelease func()            // called once after the net.Conn has been closed, in the goroutine that closed it
	Logger    *slog.Logger      // for panics in functions given to OnDone
	Panic     func(v any) error // returns the error of a panic; v is nil for runtime.Goexit; required
}

// Stream is a net.Conn as two halves.
type Stream struct {
	In  Reader
	Out Writer

	nc        net.Conn
	fd        syscall.RawConn // of nc, if it is a socket of the standard library
	closeWait time.Duration
	onRelease func()
	panicErr  func(v any) error
	released  chan struct{}

	mu       sync.Mutex
	state    state
	inOver   bool
	outOver  bool
	outClean bool // everything was written
	saidEnd  bool // the peer has received the end of Out
	peerOver bool // the peer has ended its side, or is gone
	cause    error
}

type state uint8

const (
	live state = iota
	lingers
	releasing
	released
)

// New returns a Stream over nc, which it owns from then on. *net.TCPConn and *net.UnixConn themselves, and types with
// the optional interfaces [TryWriter] and [TryReader], have full speed and hold buffers only while in use. Any other
// net.Conn is written by a goroutine while there is something to write. nc needs working read deadlines: they are how a
// ctx interrupts a read.
func New(nc net.Conn, cfg Config) *Stream {
	s := &Stream{
		nc: nc, fd: descriptorOf(nc), closeWait: cfg.CloseWait,
		onRelease: cfg.OnRelease, panicErr: cfg.Panic, released: make(chan struct{}),
	}
	if cfg.Linger <= 0 {
		cfg.Linger = DefaultLinger
	}
	if s.closeWait == 0 {
		s.closeWait = DefaultCloseWait
	}
	for _, end := range []*End{&s.In.end, &s.Out.end} {
		end.Linger, end.Released, end.Logger = cfg.Linger, s.released, cfg.Logger
	}
	s.Out.end.Progress = func() int64 { return s.progress(true) }
	if s.Out.room = int64(cfg.SendBuffer); s.Out.room <= 0 {
		s.Out.room = DefaultSendBuffer
	}
	s.Out.queue.rule.Init(cfg.Coalesce)
	s.Out.wire.init(s, cfg.WriteTimeout)
	s.In.init(s, &cfg)
	return s
}

// maxLayers limits the depth of the search for a socket.
const maxLayers = 8

// socket returns the descriptor, or that of the connection below a net.Conn that reveals what it wraps, such as a
// *tls.Conn, if there is one. It is used to ask how much is in transit.
func (s *Stream) socket() syscall.RawConn {
	if s.fd != nil {
		return s.fd
	}
	nc := s.nc
	for range maxLayers {
		wrapper, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		if nc = wrapper.NetConn(); nc == nil {
			break
		}
		if fd := descriptorOf(nc); fd != nil {
			return fd
		}
	}
	return nil
}

// NetConn returns the net.Conn below.
func (s *Stream) NetConn() net.Conn { return s.nc }

// Released is closed when the net.Conn has been closed.
func (s *Stream) Released() <-chan struct{} { return s.released }

// BytesIn returns how many bytes have been read from the net.Conn.
func (s *Stream) BytesIn() int64 { return s.In.total.Load() }

// BytesOut returns how many bytes the net.Conn has accepted.
func (s *Stream) BytesOut() int64 { return s.Out.wire.written.Load() + s.Out.wire.rawBytes.Load() }

// Cause returns why the stream failed: the first error of reading or writing that did not concern only one call, or the
// cause of an abort. It is nil before that, and after a clean end.
func (s *Stream) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// EndIn makes In end with cause after everything that has arrived is received. A blocked call returns now.
func (s *Stream) EndIn(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	s.In.d.Close(&ended{cause})
}

// Close closes Out, which drains it, then In, and waits until the net.Conn has been closed. A missing half-close of the
// net.Conn is not an error.
func (s *Stream) Close() error {
	err := s.Out.Close()
	_ = s.In.Close()
	<-s.released
	return supported(err)
}

// CloseWaited is Close for a caller that knows that the peer has ended its side, or has finished waiting for that. It
// does not wait for the peer again.
func (s *Stream) CloseWaited() error {
	s.mu.Lock()
	s.peerOver = true
	s.mu.Unlock()
	return s.Close()
}

// Abort discards what has not been written, ends both halves with cause (net.ErrClosed if that is nil), and closes the
// net.Conn, with a reset if possible; see connectGrace. It does not wait. After a clean Close of Out it does not reset, but
// shortens the linger.
func (s *Stream) Abort(cause error) {
	if cause == nil {
		cause = net.ErrClosed
	}
	cause = failed(cause)
	s.mu.Lock()
	was, clean := s.state, s.outClean
	if was < lingers {
		s.state = releasing
	}
	if s.cause == nil && was < releasing {
		s.cause = cause
	}
	s.mu.Unlock()
	s.Out.end.Set(cause) // before anything else learns of the end
	s.In.end.Set(cause)
	s.Out.lose(cause)
	s.In.d.Close(cause)
	s.In.d.Cut()
	if was != live {
		return
	}
	cut := func() {
		if !clean {
			_ = s.guard(func() error { Reset(s.nc); return nil })
		}
		s.release(false)
	}
	if !clean && isFresh(s) {
		time.AfterFunc(connectGrace, cut)
	} else {
		cut()
	}
}

// inEnded records that In has ended. peerOver means that the peer sends no more.
func (s *Stream) inEnded(peerOver bool) {
	s.mu.Lock()
	s.inOver, s.peerOver = true, s.peerOver || peerOver
	s.endAndUnlock()
}

// outEnded records that Out has ended: failed or cleanly. saidEnd reports a half-close.
func (s *Stream) outEnded(failed, saidEnd bool) {
	s.mu.Lock()
	if !s.outOver {
		s.outOver, s.outClean, s.saidEnd = true, !failed, saidEnd
	}
	s.peerOver = s.peerOver || failed
	s.endAndUnlock()
}

// endAndUnlock releases the net.Conn if both halves have ended. If the peer has not ended its side, it waits first:
// closing with unread input would reset the connection, and the peer would lose what it has not read.
func (s *Stream) endAndUnlock() {
	due := s.inOver && s.outOver && s.state == live
	wait := !s.peerOver
	switch {
	case due && wait:
		s.state = lingers
	case due:
		s.state = releasing
	}
	s.mu.Unlock()
	switch {
	case due && wait:
		go lingerOn(s)
	case due:
		s.release(false)
	}
}

// failed records why the stream failed. The first reason stays.
func (s *Stream) failed(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil && s.state < releasing {
		s.cause = why
	}
}

// panicked aborts the stream because of a panic in a method of the net.Conn or a RawFunc, and returns its error.
func (s *Stream) panicked(v any) error {
	err := s.panicErr(v)
	s.Abort(err)
	return err
}

// opError returns the error of an operation on the net.Conn.
func (s *Stream) opError(op string, err error) error {
	here := s.nc.LocalAddr()
	network := ""
	if here != nil {
		network = here.Network()
	}
	return &net.OpError{Op: op, Net: network, Source: here, Addr: s.nc.RemoteAddr(), Err: err}
}
