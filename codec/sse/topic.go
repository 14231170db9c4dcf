package sse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/line"
)

// Slow decides what happens to a subscriber that is further behind than the ring of its [Topic] reaches.
type Slow int

const (
	// DropOldest skips the events that are no longer in the ring, and delivers an event made by TopicConfig.Mark in
	// their place.
	DropOldest Slow = iota

	// Disconnect ends the subscriber's stream with [ErrSlow].
	Disconnect

	// Block makes Publish wait for the subscriber: nothing is lost, and one subscriber can block all others.
	Block
)

// ErrSlow ends the stream of a subscriber that was too far behind.
var ErrSlow = errors.New("sse: the subscriber is too far behind")

// TopicConfig configures a [Topic]. A nil *TopicConfig and the zero value use the defaults.
type TopicConfig struct {
	// Ring limits the number of events kept for subscribers that resume or are behind, and RingBytes their encoded
	// size; at least one event is kept. 0 means 256 and 1 MiB.
	Ring, RingBytes int

	// MaxEvent limits the encoded size of an event in bytes. 0 means 1 MiB.
	MaxEvent int

	// Slow decides what happens to subscribers that are too far behind.
	Slow Slow

	// Mark returns the event that reports to a DropOldest subscriber how many events it has lost. nil means an event of
	// type "lost" whose data is that number. Its ID is not sent.
	Mark func(lost uint64) Event

	// Stale returns the event that tells a resuming subscriber that it has missed events, because its last event is no
	// longer in the ring or is of another epoch. nil means an event of type "stale" without data. Its ID is set.
	Stale func() Event

	// Epoch is the prefix of the IDs and should differ between starts of a server. "" means a random one. It must not
	// contain "-", CR, LF or NUL.
	Epoch string
}

// Topic distributes events to many subscribers. Resuming subscribers receive the events they have missed, as far as the
// ring reaches. Its methods are safe for concurrent use.
type Topic struct {
	cfg   TopicConfig
	codec codec.Codec[Event]

	mu     sync.Mutex
	ring   []entry // in order; the last has the sequence number last
	bytes  int
	last   uint64
	moved  chan struct{} // closed when there is another event, or the end
	line   line.Line     // of calls of Publish, with Block: a large event is not overtaken for ever
	passed chan struct{} // closed when a subscriber has moved on, if somebody waits for that
	subs   map[*subscriber]struct{}
	closed bool
}

type entry struct {
	event Event
	bytes []byte
}

// NewTopic returns a Topic. cfg may be nil.
func NewTopic(cfg *TopicConfig) *Topic {
	t := &Topic{moved: make(chan struct{}), subs: map[*subscriber]struct{}{}}
	if cfg != nil {
		t.cfg = *cfg
	}
	if t.cfg.Ring <= 0 {
		t.cfg.Ring = 256
	}
	if t.cfg.RingBytes <= 0 {
		t.cfg.RingBytes = 1 << 20
	}
	if t.cfg.Mark == nil {
		t.cfg.Mark = func(lost uint64) Event { return Event{Type: "lost", Data: strconv.FormatUint(lost, 10)} }
	}
	if t.cfg.Stale == nil {
		t.cfg.Stale = func() Event { return Event{Type: "stale"} }
	}
	if t.cfg.Epoch == "" {
		var p [6]byte
		_, _ = rand.Read(p[:]) // never fails
		t.cfg.Epoch = hex.EncodeToString(p[:])
	}
	if strings.ContainsAny(t.cfg.Epoch, "-\r\n\x00") {
		panic(fmt.Sprintf("sse: NewTopic: invalid Epoch %q", t.cfg.Epoch))
	}
	t.codec = Events(t.cfg.MaxEvent)
	return t
}

// id returns the id of the event with a sequence number.
func (t *Topic) id(n uint64) string { return t.cfg.Epoch + "-" + strconv.FormatUint(n, 10) }

// Publish sends an event to all subscribers and returns it with its ID, which Publish sets to epoch-number. It waits
// only with [Block], for subscribers that are too far behind, within ctx. An event that cannot be encoded is rejected.
// After Close it returns net.ErrClosed.
func (t *Topic) Publish(ctx context.Context, e Event) (Event, error) {
	e.ID = t.cfg.Epoch
	p, err := codec.Marshal(t.codec, e)
	if err != nil {
		return Event{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cfg.Slow == Block {
		if err := t.line.Enter(ctx, &t.mu, chanio.Cause); err != nil {
			return Event{}, err
		}
		defer t.line.Leave()
	}
	if err := t.awaitRoomLocked(ctx, len(p)+maxNumber); err != nil {
		return Event{}, err
	}
	e.ID = t.id(t.last + 1)
	p, err = codec.Marshal(t.codec, e)
	if err != nil {
		return Event{}, err
	}
	t.last++
	t.ring = append(t.ring, entry{e, p})
	t.bytes += len(p)
	for len(t.ring) > t.cfg.Ring || len(t.ring) > 1 && t.bytes > t.cfg.RingBytes {
		t.bytes -= len(t.ring[0].bytes)
		t.ring[0] = entry{}
		t.ring = t.ring[1:]
	}
	close(t.moved)
	t.moved = make(chan struct{})
	return e, nil
}

// firstLocked returns the sequence number of the first event in the ring.
func (t *Topic) firstLocked() uint64 { return t.last + 1 - uint64(len(t.ring)) }

// maxNumber is how long the number in an id is at most, with the hyphen before it.
const maxNumber = len("-18446744073709551615")

// awaitRoomLocked waits, unlocked, until no subscriber needs the events that one of size bytes takes the place of, if the
// policy is Block.
func (t *Topic) awaitRoomLocked(ctx context.Context, size int) error {
	for {
		if t.closed {
			return net.ErrClosed
		}
		if t.cfg.Slow != Block {
			return nil
		}
		drops := t.dropsLocked(size)
		if drops == 0 || !t.neededLocked(t.firstLocked()+drops-1) {
			return nil
		}
		if err := t.waitLocked(ctx); err != nil {
			return err
		}
	}
}

// waitLocked waits, unlocked, until a subscriber has moved on, the topic has changed, or ctx ends.
func (t *Topic) waitLocked(ctx context.Context) error {
	if t.passed == nil {
		t.passed = make(chan struct{})
	}
	passed, moved := t.passed, t.moved
	t.mu.Unlock()
	defer t.mu.Lock() // also if ctx panics
	select {
	case <-passed:
		return nil
	case <-moved:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// dropsLocked returns how many events leave the ring for one of size bytes.
func (t *Topic) dropsLocked(size int) (n uint64) {
	bytes := t.bytes + size
	for i := range t.ring {
		if len(t.ring)+1-i <= t.cfg.Ring && bytes <= t.cfg.RingBytes {
			break
		}
		bytes -= len(t.ring[i].bytes)
		n++
	}
	return n
}

// neededLocked reports whether a subscriber has not passed the event with that number.
func (t *Topic) neededLocked(n uint64) bool {
	for s := range t.subs {
		if s.at <= n {
			return true
		}
	}
	return false
}

// passedLocked signals publishers that a subscriber has moved on.
func (t *Topic) passedLocked() {
	if t.passed != nil {
		close(t.passed)
		t.passed = nil
	}
}

// Close ends the topic: subscribers receive the remaining events of the ring and then a clean end. It is idempotent and
// does not wait.
func (t *Topic) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.moved)
		t.passedLocked()
	}
	return nil
}

// Subscribers returns the number of subscribers.
func (t *Topic) Subscribers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.subs)
}
