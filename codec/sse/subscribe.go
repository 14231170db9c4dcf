package sse

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// subscriber is a place in the events of a topic. It has no queue: what it has not seen is in the ring.
type subscriber struct {
	t     *Topic
	at    uint64 // the number of the next event
	stale bool   // the subscriber must learn that it has missed events
	done  chan struct{}
}

// Subscribe returns the events after the one with the ID lastID, and then new ones; if lastID is "", only new ones. If
// events after lastID are no longer in the ring, or lastID is not an ID of this topic, the first event is
// TopicConfig.Stale, and those in the ring are skipped. The caller must close the Source.
func (t *Topic) Subscribe(lastID string) *chanio.Source[Event] {
	return subscribe(t, lastID, "sse.Topic", func(e entry) Event { return e.event })
}

// SubscribeBytes is [Topic.Subscribe] with encoded events, each encoded once for all subscribers. The slices must not
// be modified.
func (t *Topic) SubscribeBytes(lastID string) *chanio.Source[[]byte] {
	return subscribe(t, lastID, "sse.Topic", func(e entry) []byte { return e.bytes })
}

func subscribe[T any](t *Topic, lastID, kind string, form func(entry) T) *chanio.Source[T] {
	s := &subscriber{t: t, done: make(chan struct{})}
	t.mu.Lock()
	s.at, s.stale = t.placeLocked(lastID)
	t.subs[s] = struct{}{}
	t.mu.Unlock()
	value := func(e entry, err error) (T, error) {
		if err != nil {
			var none T
			return none, err
		}
		return form(e), nil
	}
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: func(ctx context.Context) (T, error) { return value(s.next(ctx)) },
		TryNext: func() (T, bool, error) {
			e, ok, _, err := s.try()
			if !ok || err != nil {
				var none T
				return none, false, err
			}
			v, err := value(e, nil)
			return v, true, err
		},
		Close:    s.close,
		Describe: func() chanio.Description { return chanio.Description{Kind: kind} },
	})
}

// placeLocked returns where a subscriber that has seen lastID continues.
func (t *Topic) placeLocked(lastID string) (at uint64, stale bool) {
	if lastID == "" {
		return t.last + 1, false
	}
	number, ok := strings.CutPrefix(lastID, t.cfg.Epoch+"-")
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || n > t.last || n+1 < t.firstLocked() {
		return t.last + 1, true
	}
	return n + 1, false
}

func (s *subscriber) next(ctx context.Context) (entry, error) {
	for {
		if ctx.Err() != nil {
			return entry{}, chanio.Cause(ctx)
		}
		e, ok, moved, err := s.try()
		if ok || err != nil {
			return e, err
		}
		select {
		case <-moved:
		case <-s.done:
			return entry{}, net.ErrClosed
		case <-ctx.Done():
			return entry{}, chanio.Cause(ctx)
		}
	}
}

// try returns the next event if there is one, otherwise what announces it.
func (s *subscriber) try() (e entry, ok bool, moved <-chan struct{}, err error) {
	t := s.t
	lost, e, ok, moved, err := s.take()
	switch {
	case lost == 0 && !e.unmade():
		return e, ok, moved, err
	case lost > 0:
		mark := t.cfg.Mark(lost)
		mark.ID = ""
		e, err = t.encoded(mark)
	default:
		stale := t.cfg.Stale()
		stale.ID = e.event.ID
		e, err = t.encoded(stale)
	}
	return e, err == nil, nil, err
}

// unmade reports whether the event is still to be made: only its ID is known.
func (e *entry) unmade() bool { return e.bytes == nil && e.event.ID != "" }

// take moves on in the ring. lost is how many events it has lost there. It calls no code of the user.
func (s *subscriber) take() (lost uint64, e entry, ok bool, moved <-chan struct{}, err error) {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.firstLocked()
	switch {
	case s.stale:
		s.stale = false
		return 0, entry{event: Event{ID: t.id(s.at - 1)}}, true, nil, nil
	case s.at < first && t.cfg.Slow == Disconnect:
		s.leaveLocked()
		return 0, e, false, nil, ErrSlow
	case s.at < first:
		lost, s.at = first-s.at, first
		return lost, e, true, nil, nil
	case s.at <= t.last:
		e = t.ring[s.at-first]
		s.at++
		t.passedLocked()
		return 0, e, true, nil, nil
	case t.closed:
		s.leaveLocked()
		return 0, e, false, nil, io.EOF
	}
	return 0, e, false, t.moved, nil
}

func (t *Topic) encoded(e Event) (entry, error) {
	p, err := codec.Marshal(t.codec, e)
	return entry{e, p}, err
}

func (s *subscriber) leaveLocked() {
	delete(s.t.subs, s)
	s.t.passedLocked()
}

// close is the hook of the Source.
func (s *subscriber) close() error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.leaveLocked()
	close(s.done)
	return nil
}
