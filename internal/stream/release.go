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
	if drained && w.s.fd != nil { // nothing waits
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

// shutNow ends the stream of a descriptor to the peer. If nothing else is left to do, it leaves that to the close that
// follows, which has the same effect.
func (w *wire) shutNow() error {
	s := w.s
	s.mu.Lock()
	answered := s.inOver && s.peerOver && s.cause == nil && s.state == live
	s.mu.Unlock()
	if answered {
		return nil
	}
	return s.notShut(s.nc.(closeWriter).CloseWrite())
}

// closeWrite ends the stream to the peer. ctx bounds it, because the net.Conn may have to write.
func (w *wire) closeWrite(ctx context.Context) error {
	nc, ok := w.s.nc.(closeWriter)
	if !ok {
		return w.s.opError("close write", errors.ErrUnsupported)
	}
	done := make(chan error, 1)
	go func() {
		err := net.ErrClosed // after Goexit
		defer func() { done <- err }()
		err = w.s.guard(func() error { return w.s.notShut(nc.CloseWrite()) })
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

// guard calls f, a method of the net.Conn. A panic aborts the stream and is returned as an error.
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

// connectGrace is how much later a TCP connection that has carried nothing is reset. A reset that arrives before the
// peer's connect call has returned would make that fail, as if nobody listened.
const connectGrace = 5 * time.Millisecond

// isFresh reports whether s is a TCP connection over which nothing was received or accepted.
func isFresh(s *Stream) bool {
	if _, ok := s.nc.(*net.TCPConn); !ok || s.BytesIn() > 0 || s.BytesOut() > 0 {
		return false
	}
	s.Out.mu.Lock()
	defer s.Out.mu.Unlock()
	return s.Out.queue.accepted == 0
}

// Reset makes the close of nc a reset, if the transport has one.
func Reset(nc net.Conn) {
	switch nc := nc.(type) {
	case interface{ Abort() }:
		nc.Abort()
	case interface{ SetLinger(sec int) error }:
		_ = nc.SetLinger(0)
	case interface{ NetConn() net.Conn }: // crypto/tls: its Close would write first
		if below := nc.NetConn(); below != nil {
			Reset(below)
			_ = below.Close()
		}
	}
}

// release closes the net.Conn. A Close that may wait runs in a new goroutine, unless this goroutine may wait.
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

// dropMax limits the input dropped before a net.Conn without half-close is closed.
const dropMax = 1 << 20

// lingerOn waits for the peer and then releases the net.Conn. It runs in its own goroutine.
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
			m, err := dropOnce(&s.In, time.Now().Add(dropWait), true)
			if n += m; err != nil {
				break
			}
		}
		return nil
	})
}

// dropWait is how long to wait for a net.Conn to return input that has arrived.
const dropWait = 5 * time.Millisecond

// lingerer waits for the peer's end of the stream and drops its input. First it waits while the peer takes what is in
// transit, up to the linger bound without progress. Then it waits while there is input, up to the linger bound in all.
//
// If only the goodbye was in transit from the start, the time of the second wait starts at once: the peer's kernel may
// take 40 ms to acknowledge. A peer so distant that this is not enough has a little more time.
type lingerer struct {
	s       *Stream
	began   time.Time     // time of the last progress, later the time when the peer had everything
	queue   int           // bytes in transit to the peer
	goodbye bool          // only a goodbye was in transit at the start
	more    time.Duration // for a distant peer
	heard   bool          // the peer has sent something
	taken   bool          // the peer has everything
}

// goodbyeMax is the largest amount in transit after an idle stream has ended: the end itself, which TCP counts, and
// TLS's close_notify.
const goodbyeMax = 64

// step reports whether to continue.
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
	n, err := dropOnce(&l.s.In, until, l.heard)
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

// queueTick is how often the kernel is asked how much is in transit.
const queueTick = 10 * time.Millisecond

// progress returns a number that grows while the peer takes what is sent, as far as that is known. If it is not, accepted
// says whether what the net.Conn has accepted counts. A kernel accepts more data in larger and rarer steps.
func (s *Stream) progress(accepted bool) (n int64) {
	if queue, ok := outQueue(s.socket()); ok {
		return s.BytesOut() - int64(queue)
	}
	if nc, ok := s.nc.(interface{ Progress() int64 }); ok {
		n = nc.Progress()
	}
	if accepted {
		n += s.BytesOut()
	}
	return n
}

// OutQueue returns how many bytes are in transit to the peer, if that is known.
func (s *Stream) OutQueue() (n int, ok bool) {
	if nc, ok := s.nc.(interface{ OutQueue() (n int, ok bool) }); ok {
		return nc.OutQueue()
	}
	return outQueue(s.socket())
}

// dropOnce reads once from r and drops the result. deadline.Late means that nothing came before until. It never holds the
// deadline at the same time as a call of the consumer, and uses none of the consumer's state outside it. If much is
// false, it waits without a buffer.
func dropOnce(r *Reader, until time.Time, much bool) (n int, err error) {
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
		a := scratches.Get()
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
