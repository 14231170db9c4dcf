package httpd

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// idling is the wait of a connection for its next request, which Config.IdleTimeout limits. A read deadline for each
// wait would take 0.7 µs of the 5 µs that the server spends on a short request.
type idling struct {
	since atomic.Int64 // when the wait started, in nanoseconds from epoch; or notWaiting, or hasExpired
	place atomic.Int32 // in idlers.all, counted from 1; 0 if it is not there; moved with the mutex held

	bounded atomic.Bool // the request has left a read deadline, which the wait clears
}

const (
	notWaiting = math.MinInt64 + iota
	hasExpired // and the connection has not noticed yet
)

var epoch = time.Now()

// start starts a wait of c, and returns the argument for end.
func (i *idling) start(c *conn) (since int64) {
	since = int64(time.Since(epoch))
	i.since.Store(since)
	if i.place.Load() == 0 {
		c.srv.idlers.add(c, since)
	}
	return since
}

// end ends the wait that started at since, and reports whether it ended within the limit.
func (i *idling) end(since int64) bool { return i.since.CompareAndSwap(since, notWaiting) }

// idlers are the connections of a Server that may be idle. One timer serves them all. It checks a connection once per
// IdleTimeout, not once per request.
type idlers struct {
	limit time.Duration

	mu    sync.Mutex
	timer *time.Timer // created by the first wait
	all   idleHeap    // the first is the next to check
}

// idler is a connection and the time of its next check, in nanoseconds from epoch.
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
	heap.Push(&s.all, idler{since + int64(s.limit), c})
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

// leftLocked returns the time until the first connection must be checked.
func (s *idlers) leftLocked() time.Duration { return time.Duration(s.all[0].at) - time.Since(epoch) }

// look is called by the timer.
func (s *idlers) look() {
	for _, c := range s.expired() {
		_ = c.setReadDeadline(past)
	}
}

// expired returns the connections that have exceeded the limit. Connections that are serving a request are removed and
// add themselves again.
func (s *idlers) expired() (over []*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all) > 0 && s.leftLocked() <= 0 {
		c := s.all[0].conn
		heap.Remove(&s.all, 0) // before the check, so that a wait that starts now adds it again
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

// remove removes a connection whose last wait has ended.
func (s *idlers) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := c.idling.place.Load(); at > 0 {
		heap.Remove(&s.all, int(at)-1)
		if len(s.all) == 0 {
			s.setLocked()
		}
	}
}

// idleHeap implements heap.Interface. It stores in each connection its index.
type idleHeap []idler

func (h idleHeap) Len() int           { return len(h) }
func (h idleHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h idleHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h.place(i)
	h.place(j)
}

func (h idleHeap) place(i int) { h[i].conn.idling.place.Store(int32(i + 1)) }

// Push implements heap.Interface.
func (h *idleHeap) Push(x any) {
	*h = append(*h, x.(idler))
	h.place(len(*h) - 1)
}

// Pop implements heap.Interface.
func (h *idleHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = idler{}
	*h = (*h)[:last]
	x.conn.idling.place.Store(0)
	return x
}
