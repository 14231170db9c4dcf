package httpd

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// idling is the wait of a connection for its next request, which Config.IdleTimeout limits. Requests set no read deadline
// for it, which would take 0.7 µs of the 5 µs that the server itself spends on a short request.
type idling struct {
	since atomic.Int64 // when the wait started, in nanoseconds from epoch; or notWaiting, or hasExpired
	place atomic.Int32 // in idlers.all, counted from 1; 0 if it is not there; moved with the mutex held

	bounded atomic.Bool // a request has left a read deadline, which the wait takes back
}

const (
	notWaiting = math.MinInt64 + iota
	hasExpired // and the connection has not noticed
)

var epoch = time.Now()

// start starts a wait of c, and returns what end needs.
func (i *idling) start(c *conn) (since int64) {
	since = int64(time.Since(epoch))
	i.since.Store(since)
	if i.place.Load() == 0 {
		c.srv.idlers.add(c, since)
	}
	return since
}

// end ends the wait that started at since, and reports whether it was shorter than the limit.
func (i *idling) end(since int64) bool { return i.since.CompareAndSwap(since, notWaiting) }

// idlers are the connections of a Server that may be waiting for their next request. One timer serves them all; it looks at
// a connection once in an IdleTimeout, and not at each request.
type idlers struct {
	limit time.Duration

	mu    sync.Mutex
	timer *time.Timer // created by the first wait
	all   []idler     // a heap: the next to look at is the first
}

// idler is a connection, and when to look at it, in nanoseconds from epoch.
type idler struct {
	at   int64
	conn *conn
}

// add adds a connection whose wait started at since.
func (s *idlers) add(c *conn, since int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.idling.place.Load() == 0 {
		s.addLocked(c, since)
		s.setLocked()
	}
}

func (s *idlers) addLocked(c *conn, since int64) {
	s.all = append(s.all, idler{since + int64(s.limit), c})
	s.riseLocked(len(s.all) - 1)
}

// setLocked sets the timer.
func (s *idlers) setLocked() {
	switch {
	case len(s.all) == 0:
		s.timer.Stop()
	case s.timer == nil:
		s.timer = time.AfterFunc(s.leftLocked(), s.look)
	default:
		s.timer.Reset(s.leftLocked())
	}
}

// leftLocked returns how long it is until the first connection is to be looked at.
func (s *idlers) leftLocked() time.Duration { return time.Duration(s.all[0].at) - time.Since(epoch) }

// look is called by the timer.
func (s *idlers) look() {
	for _, c := range s.expired() {
		_ = c.setReadDeadline(time.Unix(1, 0))
	}
}

// expired returns the connections that have been waiting too long. Those that are serving a request add themselves again.
func (s *idlers) expired() (over []*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all) > 0 && s.leftLocked() <= 0 {
		c := s.all[0].conn
		s.removeLocked(0) // before it is asked: a wait that starts now adds it
		since := c.idling.since.Load()
		switch {
		case since <= hasExpired:
		case time.Since(epoch)-time.Duration(since) < s.limit:
			s.addLocked(c, since)
		case c.idling.since.CompareAndSwap(since, hasExpired):
			over = append(over, c)
		}
	}
	if len(s.all) > 0 {
		s.setLocked()
	}
	return over
}

// remove removes a connection that waits no more.
func (s *idlers) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := c.idling.place.Load(); at > 0 {
		s.removeLocked(int(at) - 1)
		if len(s.all) == 0 {
			s.setLocked()
		}
	}
}

func (s *idlers) removeLocked(i int) {
	last := len(s.all) - 1
	s.all[i].conn.idling.place.Store(0)
	moved := s.all[last]
	s.all[last] = idler{}
	s.all = s.all[:last]
	if i < last {
		s.putLocked(i, moved)
		s.sinkLocked(i)
		s.riseLocked(int(moved.conn.idling.place.Load()) - 1)
	}
}

func (s *idlers) putLocked(i int, x idler) {
	s.all[i] = x
	x.conn.idling.place.Store(int32(i + 1))
}

// riseLocked moves what is at i up to its place in the heap.
func (s *idlers) riseLocked(i int) {
	x := s.all[i]
	for i > 0 && x.at < s.all[(i-1)/2].at {
		s.putLocked(i, s.all[(i-1)/2])
		i = (i - 1) / 2
	}
	s.putLocked(i, x)
}

// sinkLocked moves what is at i down to its place in the heap.
func (s *idlers) sinkLocked(i int) {
	x := s.all[i]
	for {
		child := 2*i + 1
		if child+1 < len(s.all) && s.all[child+1].at < s.all[child].at {
			child++
		}
		if child >= len(s.all) || x.at <= s.all[child].at {
			break
		}
		s.putLocked(i, s.all[child])
		i = child
	}
	s.putLocked(i, x)
}
