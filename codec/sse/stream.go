package sse

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// State holds the reconnection state of a stream of events. Its methods are safe for concurrent use. The zero value has
// seen nothing.
type State struct {
	mu     sync.Mutex
	lastID string
	retry  time.Duration
}

// LastID returns the last ID that was set, with or without an event, to be sent as Last-Event-ID on reconnecting.
func (s *State) LastID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastID
}

// Retry returns how long the server asks clients to wait before they reconnect, or 0 if it does not. It returns 1 ns if
// the server asks for no wait.
func (s *State) Retry() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retry
}

// SetLastID sets the result of LastID until the stream sets another ID, for a client that resumes.
func (s *State) SetLastID(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID = id
}

// take notes what b says, and completes its event.
func (s *State) take(b *block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.hasID {
		s.lastID = b.ID
	}
	if b.hasRetry {
		s.retry = max(b.Retry, 1)
	}
	b.ID = s.lastID
}

func (s *State) setRetry(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retry = max(d, 1)
}

// StreamConfig configures [Decode]. A nil *StreamConfig and the zero value use the defaults.
type StreamConfig struct {
	// MaxEvent limits the size of an event in bytes. 0 means 1 MiB.
	MaxEvent int

	// State, if not nil, is updated by the stream and provides its initial state.
	State *State
}

// Decode returns the events of a text/event-stream. It becomes the only consumer of src. An event truncated by the end
// of src is dropped with its ID, as the standard requires, but not the Retry of a whole line, and the end is clean. cfg
// may be nil.
func Decode(src *chanio.Source[[]byte], cfg *StreamConfig) *chanio.Source[Event] {
	if cfg == nil {
		cfg = &StreamConfig{}
	}
	max, state := cfg.MaxEvent, cfg.State
	if max <= 0 {
		max = DefaultMaxEvent
	}
	if state == nil {
		state = new(State)
	}
	d := &decoder{up: codec.Decode(src, codec.Codec[block](blockCodec{max, state})).Claim("sse.Decode"), state: state}
	return chanio.NewSource(chanio.SourceHooks[Event]{
		Next: d.next, TryNext: d.tryNext, Close: d.up.Close,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "sse.Decode", Upstream: []chanio.Description{d.up.Describe()}}
		},
	})
}

type decoder struct {
	up    chanio.Upstream[block]
	state *State
}

func (d *decoder) next(ctx context.Context) (Event, error) {
	for {
		b, err := d.up.Next(ctx)
		if err != nil {
			return Event{}, atEnd(err)
		}
		if d.state.take(&b); b.hasData {
			return b.Event, nil
		}
	}
}

func (d *decoder) tryNext() (Event, bool, error) {
	for {
		b, ok, err := d.up.TryNext()
		if !ok || err != nil {
			return Event{}, false, atEnd(err)
		}
		if d.state.take(&b); b.hasData {
			return b.Event, true, nil
		}
	}
}

// atEnd makes the end of a stream within an event a clean one. What failed below is no such end.
func atEnd(err error) error {
	var cut *codec.Error
	if errors.As(err, &cut) && errors.Is(cut.Err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// blockCodec reads one block after the other.
type blockCodec struct {
	max   int
	state *State
}

func (c blockCodec) Append(dst []byte, b block) ([]byte, error) {
	return eventCodec{c.max}.Append(dst, b.Event)
}

func (c blockCodec) Decode(r *codec.Reader) (block, error) {
	b, err := readBlock(r, c.max)
	if err != nil && b.hasRetry { // it counts without the end of its block, unlike an ID
		c.state.setRetry(b.Retry)
	}
	return b, err
}

func (c blockCodec) Size() codec.Size { return codec.Size{Min: 1, Max: codec.Unbounded} }
