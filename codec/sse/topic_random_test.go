package sse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/sse"
)

// follower is a subscriber, and what it has to receive.
type follower struct {
	src   *chanio.Source[sse.Event]
	last  string // the ID that it saw last
	next  int    // the number of its next event
	stale bool
}

// TestTopicsDoWhatAModelSays publishes, receives, leaves and resumes in random order, and compares every event with a
// model of the ring.
func TestTopicsDoWhatAModelSays(t *testing.T) {
	for range 200 {
		seed := rand.Uint64()
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { randomTopic(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func randomTopic(t *testing.T, r *rand.Rand) {
	ring, ringBytes := 1+r.IntN(6), 40+r.IntN(200)
	slow := []sse.Slow{sse.DropOldest, sse.Disconnect}[r.IntN(2)]
	topic := sse.NewTopic(&sse.TopicConfig{Ring: ring, RingBytes: ringBytes, Slow: slow, Epoch: "e"})
	var events []sse.Event // the one with number n is at n-1
	first := 1             // of the ring
	var followers []*follower
	subscribe := func(lastID string) {
		f := &follower{src: topic.Subscribe(lastID), last: lastID, next: len(events) + 1}
		if lastID != "" {
			n, err := strconv.Atoi(strings.TrimPrefix(lastID, "e-"))
			if f.stale = err != nil || n > len(events) || n+1 < first; !f.stale {
				f.next = n + 1
			}
		}
		followers = append(followers, f)
	}
	publish := func() {
		e, err := topic.Publish(t.Context(), sse.Event{Data: strings.Repeat("x", r.IntN(60))})
		require.NoError(t, err)
		events = append(events, e)
		require.Equal(t, fmt.Sprintf("e-%d", len(events)), e.ID)
		for size := 0; ; first, size = first+1, 0 {
			for _, e := range events[first-1:] {
				size += len("id: \ndata: \n\n") + len(e.ID) + len(e.Data)
				if e.Data == "" {
					size--
				}
			}
			if n := len(events) - first + 1; n <= ring && (n == 1 || size <= ringBytes) {
				return
			}
		}
	}
	for range 300 {
		if len(followers) == 0 || r.IntN(8) == 0 {
			subscribe([]string{"", "e-0", fmt.Sprintf("e-%d", r.IntN(len(events)+2)), "f-1", "e-x"}[r.IntN(5)])
		}
		i := r.IntN(len(followers))
		f := followers[i]
		drop := false
		switch r.IntN(3) {
		case 0:
			publish()
		case 1:
			if drop = !f.receive(t, slow, first, events); drop {
				require.Equal(t, len(followers)-1, topic.Subscribers(), "before its Source is closed")
			}
		default:
			if drop = r.IntN(6) == 0; drop && f.last != "" {
				subscribe(f.last) // resumes
			}
		}
		if drop {
			require.NoError(t, f.src.Close())
			followers = append(followers[:i], followers[i+1:]...)
		}
		require.Equal(t, len(followers), topic.Subscribers())
	}
	require.NoError(t, topic.Close())
	for _, f := range followers {
		for f.receive(t, slow, first, events) {
			if f.next > len(events) && !f.stale {
				_, err := f.src.Recv(t.Context())
				require.ErrorIs(t, err, io.EOF)
				break
			}
		}
		require.NoError(t, f.src.Close())
	}
	require.Zero(t, topic.Subscribers())
}

// receive receives an event if one is due. It returns false after the end.
func (f *follower) receive(t *testing.T, slow sse.Slow, first int, events []sse.Event) bool {
	due := f.stale || f.next <= len(events)
	e, ok, err := f.src.TryRecv()
	if !due && errors.Is(err, io.EOF) {
		return true // the caller looks
	}
	if !f.stale && f.next < first && slow == sse.Disconnect {
		require.ErrorIs(t, err, sse.ErrSlow)
		return false
	}
	require.NoError(t, err)
	require.Equal(t, due, ok)
	switch {
	case !due:
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.src.Recv(ended)
		require.ErrorIs(t, err, context.Canceled)
	case f.stale:
		require.Equal(t, "stale", e.Type)
		require.Equal(t, fmt.Sprintf("e-%d", f.next-1), e.ID)
		f.stale, f.last = false, e.ID
	case f.next < first:
		require.Equal(t, sse.Event{Type: "lost", Data: strconv.Itoa(first - f.next)}, e)
		f.next = first
	default:
		require.Equal(t, events[f.next-1], e)
		f.last = e.ID
		f.next++
	}
	return true
}
