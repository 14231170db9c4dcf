package datagram

import "sync"

// life is how far a socket has got. It is closed when both of its halves have ended.
type life struct {
	mu       sync.Mutex
	inOver   bool
	outOver  bool
	gone     bool          // nobody uses the socket any more
	over     bool          // and it is closed
	released chan struct{} // closed when it is; made on demand
}

// ended notes that halves have ended, and reports whether it is for the caller to close the socket, and release then.
// Before that nobody else knows, it calls last, which must not block.
func (l *life) ended(in, out bool, last func()) (due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inOver, l.outOver = l.inOver || in, l.outOver || out
	due = l.inOver && l.outOver && !l.gone
	if due {
		l.gone = true
		last()
	}
	return due
}

// release notes that the socket is closed.
func (l *life) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.released != nil {
		close(l.released)
	}
}

// Done is closed when both halves have ended and the socket is closed.
func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released == nil {
		l.released = make(chan struct{})
		if l.over {
			close(l.released)
		}
	}
	return l.released
}

// state says in a word how far the socket has got.
func (l *life) state() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.gone:
		return "closed"
	case l.outOver:
		return "receiving only"
	case l.inOver:
		return "sending only"
	}
	return "open"
}
