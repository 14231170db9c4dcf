package httpd

import (
	"context"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// Live tracks streams that a server's own Shutdown does not see: WebSockets and event streams of net/http, which loses
// track of hijacked connections. The zero value is ready for use:
//
//	var live httpd.Live
//	srv.RegisterOnShutdown(func() { _ = live.Shutdown(context.Background()) })
//
// Its methods are safe for concurrent use.
type Live struct {
	mu     sync.Mutex
	all    map[liveStream]struct{}
	closed bool
}

// liveStream is a stream that can be asked to end.
type liveStream interface {
	goAway()               // asks the stream to end, and does not wait
	done() <-chan struct{} // closed when the stream has ended
	abort()
}

// Len returns the number of streams.
func (l *Live) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// Shutdown notifies every stream, including later ones, that the server is going away, and returns when all have ended.
// If ctx ends first, it aborts them and returns its Cause.
func (l *Live) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	all := make([]liveStream, 0, len(l.all))
	for s := range l.all {
		all = append(all, s)
	}
	l.mu.Unlock()
	for _, s := range all {
		s.goAway()
	}
	var err error
	for _, s := range all {
		select {
		case <-s.done():
		case <-ctx.Done():
			if deadline.Ended(s.done()) {
				continue
			}
			err = chanio.Cause(ctx)
			s.abort()
			<-s.done()
		}
	}
	return err
}

// enter adds a stream until leave is called. It reports whether Shutdown has been called before.
func (l *Live) enter(s liveStream) (leave func(), going bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[liveStream]struct{}{}
	}
	l.all[s] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, s)
	}, l.closed
}
