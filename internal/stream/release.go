package stream

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

type closeWriter interface{ CloseWrite() error }

// shut drains the Writer and ends the stream to the peer.
func (w *wire) shut(drained bool) error {
	if drained && w.s.fd != nil { // nothing will wait
		return w.shutNow()
	}
	ctx, stop := w.s.Out.end.Lingering()
	defer stop()
	err := w.s.Out.Flush(ctx)
	if err == nil {
		err = w.closeWrite(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = deadline.Cause(ctx)
		w.s.Abort(err)
	}
	return err
}

// shutNow ends the stream of a descriptor to the peer. If that is all that is left to do it is left to the closing, which
// follows and says the same.
func (w *wire) shutNow() error {
	s := w.s
	s.mu.Lock()
	answered := s.inOver && s.peerOver && s.cause == nil && s.state == live
	s.mu.Unlock()
	if answered {
		return nil
	}
	return s.nc.(closeWriter).CloseWrite()
}

// closeWrite ends the stream to the peer, within ctx: the net.Conn may have to write for that.
func (w *wire) closeWrite(ctx context.Context) error {
	nc, ok := w.s.nc.(closeWriter)
	if !ok {
		return w.s.opError("close write", errors.ErrUnsupported)
	}
	done := make(chan error, 1)
	go func() {
		err := net.ErrClosed // after Goexit
		defer func() { done <- err }()
		err = w.s.guard(nc.CloseWrite)
	}()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
		return w.flush(ctx)
	case <-ctx.Done():
		return deadline.Cause(ctx)
	}
}

// guard calls f, a method of the net.Conn. A panic aborts the stream and becomes the error.
func (s *Stream) guard(f func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = s.panicked(recover())
		}
	}()
	err = f()
	returned = true
	return err
}

// reset has the closing of nc be a reset, where there is such a thing.
func (s *Stream) reset(nc net.Conn) {
	_ = s.guard(func() error {
		switch nc := nc.(type) {
		case interface{ Abort() }:
			nc.Abort()
		case interface{ SetLinger(sec int) error }:
			_ = nc.SetLinger(0)
		case interface{ NetConn() net.Conn }: // crypto/tls: its own Close would write first
			if below := nc.NetConn(); below != nil {
				s.reset(below)
				_ = below.Close()
			}
		}
		return nil
	})
}

// release closes the net.Conn. A Close that may wait gets a goroutine, unless this is one.
func (s *Stream) release(mayWait bool) {
	_, quick := s.nc.(TryWriter)
	if s.fd != nil || quick && !isTLS(s.nc) || mayWait {
		s.closeConn()
	} else {
		go s.closeConn()
	}
}

func (s *Stream) closeConn() {
	defer func() { // also after Goexit
		s.In.d.Close(net.ErrClosed)
		s.In.d.Cut()
		s.mu.Lock()
		s.state = released
		s.mu.Unlock()
		close(s.released)
		if s.onRelease != nil {
			LogPanic(s.In.end.Logger, "OnRelease", s.onRelease)
		}
	}()
	_ = s.guard(s.nc.Close)
}

// dropMax is how much input is dropped before the close of a net.Conn without half-close.
const dropMax = 1 << 20

// lingerOn waits for the peer and then releases the net.Conn. It runs in a goroutine of its own.
func lingerOn(s *Stream) {
	defer s.release(true)
	s.mu.Lock()
	saidEnd := s.saidEnd
	s.mu.Unlock()
	s.In.d.Close(net.ErrClosed)
	_ = s.guard(func() error {
		if saidEnd {
			l := lingerer{s: s, began: time.Now()}
			for l.step() {
			}
			return nil
		}
		for n := 0; n < dropMax; {
			m, err := s.In.dropOnce(time.Now().Add(dropWait), true)
			if n += m; err != nil {
				break
			}
		}
		return nil
	})
}

// dropWait is how long a net.Conn is given to return input that has arrived.
const dropWait = 5 * time.Millisecond

// lingerer waits for the peer's end of the stream, and drops what it sends. First, while the peer takes what is on its
// way to it, without progress for no longer than the linger bound. Then, as long as there is input, but for no longer than
// the linger bound in all.
//
// If nothing but the goodbye is on its way, the peer has the time of the second wait from then on: its kernel may take
// 40 ms to acknowledge that. One that is so far away that this is not enough has a little more.
type lingerer struct {
	s       *Stream
	began   time.Time     // when there was progress last; later when the peer had everything
	queue   int           // bytes on their way to the peer
	goodbye bool          // no more than a goodbye was on its way at the beginning
	more    time.Duration // for a peer that is far away
	heard   bool          // the peer has sent something
	taken   bool          // the peer has everything
}

// goodbyeMax is how much may be on its way when a stream has ended that was idle: the end itself, which TCP counts, and
// what TLS says before.
const goodbyeMax = 64

// step reports whether to go on.
func (l *lingerer) step() bool {
	now := time.Now()
	wait := l.wait(now)
	end := l.began.Add(l.s.In.end.Linger)
	if wait <= 0 || !now.Before(end) {
		return false
	}
	until := now.Add(wait)
	if until.After(end) {
		until = end
	}
	n, err := l.s.In.dropOnce(until, l.heard)
	if n > 0 {
		l.heard, l.goodbye = true, false
	}
	return err == nil || n > 0 || err == deadline.Late && !l.taken
}

// wait returns how long to wait for input or for the peer to take something.
func (l *lingerer) wait(now time.Time) time.Duration {
	wait := min(l.s.closeWait, l.s.In.end.Linger)
	if l.taken {
		return wait
	}
	queue, ok := l.s.OutQueue()
	switch {
	case !ok || queue == 0:
		if l.goodbye {
			wait = max(wait-now.Sub(l.began), l.more)
		}
		l.taken, l.began = true, now
		return wait
	case l.queue == 0 && queue <= goodbyeMax && wait > 0:
		l.queue, l.goodbye = queue, true
		return wait
	case queue < l.queue || l.queue == 0:
		l.queue, l.began = queue, now
	}
	l.more = wait / 5
	return queueTick
}

// queueTick is how often the kernel is asked how much is on its way.
const queueTick = 10 * time.Millisecond

// progress returns a number that grows while the peer takes what is sent: what it has acknowledged, where that is known.
// The kernel takes more from here in larger and rarer steps.
func (s *Stream) progress() int64 {
	n := s.BytesOut()
	if queue, ok := outQueue(s.socket()); ok {
		return n - int64(queue)
	}
	if nc, ok := s.nc.(interface{ Progress() int64 }); ok {
		n += nc.Progress()
	}
	return n
}

// peerTook returns a number that grows while the peer takes what the net.Conn has taken already, if that is known.
func (s *Stream) peerTook() int64 {
	if queue, ok := outQueue(s.socket()); ok {
		return s.BytesOut() - int64(queue)
	}
	if nc, ok := s.nc.(interface{ Progress() int64 }); ok {
		return nc.Progress()
	}
	return 0
}

// OutQueue returns how many bytes are on their way to the peer, if that is known.
func (s *Stream) OutQueue() (n int, ok bool) {
	if nc, ok := s.nc.(interface{ OutQueue() (n int, ok bool) }); ok {
		return nc.OutQueue()
	}
	return outQueue(s.socket())
}

// dropOnce reads once and drops what it brought. deadline.Late says that nothing came until then. It is never inside the
// deadline together with a call of the consumer, and uses none of what the consumer uses outside it. If much is false it
// waits without a buffer.
func (r *Reader) dropOnce(until time.Time, much bool) (n int, err error) {
	if err := r.d.Linger(until); err != nil {
		return 0, err
	}
	defer r.d.Leave()
	r.drop = true
	defer func() { r.drop = false }()
	if err := r.d.Arm(); err != nil {
		return 0, err
	}
	p := r.one[:]
	if much {
		a := scratches.Get().(*scratch)
		defer scratches.Put(a)
		p = a[:]
	}
	for range MaxEmpty {
		n, err = r.once(p, 0)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			err = r.d.Judge(deadline.NoContext, err)
		}
		if err != nil {
			break
		}
	}
	return 0, err
}
