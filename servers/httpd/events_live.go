package httpd

import "net/http"

// drains is a ResponseWriter that reports a Shutdown of its server.
type drains interface {
	onDrain(f func(error)) (stop func() bool)
}

// onDrain registers f to be called when the server shuts down.
func (w *response) onDrain(f func(error)) (stop func() bool) { return w.conn.nc.OnDrain(f) }

func (w *streamResponse) onDrain(f func(error)) (stop func() bool) { return w.conn.nc.OnDrain(f) }

// register ends the stream on a Shutdown of this package's server or of a Live, until leave is called.
func (s *eventWriter) register(w http.ResponseWriter) (leave func()) {
	stop, leaveLive := func() bool { return true }, func() {}
	if d := drainsOf(w); d != nil {
		stop = d.onDrain(func(error) { s.goAway() })
	}
	ended := make(chan struct{})
	if s.cfg.Live != nil {
		l := &liveEvents{s, ended}
		var going bool
		if leaveLive, going = s.cfg.Live.enter(l); going {
			s.goAway()
		}
	}
	return func() {
		stop()
		s.deadline.leaveLive()
		leaveLive()
		close(ended)
	}
}

// drainsOf returns the ResponseWriter below w that reports a Shutdown, or nil.
func drainsOf(w http.ResponseWriter) drains {
	for {
		switch below := w.(type) {
		case drains:
			return below
		case interface{ Unwrap() http.ResponseWriter }:
			w = below.Unwrap()
		default:
			return nil
		}
	}
}

// goAway asks the stream to end. It does not wait.
func (s *eventWriter) goAway() {
	s.mu.Lock()
	first, f := !s.told, s.onLeave
	s.told = true
	if first {
		close(s.leaves)
	}
	s.mu.Unlock()
	if first && f != nil {
		f()
	}
}

// leaveWith registers f to be called by goAway, and reports whether goAway was called before.
func (s *eventWriter) leaveWith(f func()) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onLeave = f
	return s.told
}

// liveEvents is a stream of events that belongs to a [Live].
type liveEvents struct {
	*eventWriter
	ended chan struct{}
}

func (l *liveEvents) done() <-chan struct{} { return l.ended }

// abort interrupts a write in progress. The handler then returns.
func (l *liveEvents) abort() {
	l.goAway()
	l.deadline.cutByLive()
}
