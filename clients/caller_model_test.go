package clients_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// slowServer answers the requests of a Caller, in order or not, late or never.
type slowServer struct {
	*rand.Rand
	drops int // one in so many is not answered; 0: none

	mu      sync.Mutex
	asked   map[string]bool
	dropped int
	trouble []string
}

func (s *slowServer) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.IntN(n)
}

// serve answers with the number and the text of the request. If the replies have numbers, they come in any order, and
// otherwise none comes after one that is missing.
func (s *slowServer) serve(ctx context.Context, d *chanio.Duplex[message, message], numbered bool) {
	var replies sync.WaitGroup
	defer replies.Wait()
	answer := func(req message) {
		time.Sleep(time.Duration(s.roll(4000)) * time.Millisecond)
		_ = d.Out.Send(ctx, message{req.id, "to " + req.text}) // fails after the end of the Caller
	}
	queue := make(chan message, 1000)
	defer close(queue)
	replies.Go(func() {
		for req := range queue {
			answer(req)
		}
	})
	for req := range d.In.All(ctx) {
		s.mu.Lock()
		if s.asked[req.text] {
			s.trouble = append(s.trouble, req.text+" was sent twice")
		}
		s.asked[req.text] = true
		drop := s.drops > 0 && s.IntN(s.drops) == 0 || !numbered && s.dropped > 0
		if drop {
			s.dropped++
		}
		s.mu.Unlock()
		switch {
		case drop:
		case numbered:
			replies.Go(func() { answer(req) })
		default:
			queue <- req
		}
	}
}

func TestCallerGivesEachCallItsOwnReplyWhateverIsCancelled(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { runCaller(t, r) })
	})
}

func runCaller(t *testing.T, r *rand.Rand) {
	numbered := oneIn(r, 2)
	s := &slowServer{Rand: r, asked: map[string]bool{}}
	if oneIn(r, 2) {
		s.drops = 2 + r.IntN(20)
	}
	cfg := clients.CallerConfig[message]{
		MaxOutstanding: 1 + r.IntN(5), Lost: []time.Duration{0, -1, time.Second, 10 * time.Second}[r.IntN(4)],
	}
	hasty := cfg.Lost > 0 // a reply that comes may be too late
	numbers := tags
	numbers.Max = uint64(cfg.MaxOutstanding + r.IntN(8))
	near, far := typedPipe[message, message](r.IntN(3))
	ctx, stop := context.WithCancel(t.Context())
	callers, calls := 1+r.IntN(8), 1+r.IntN(12) // from here on r is shared
	var server sync.WaitGroup
	server.Go(func() { s.serve(ctx, far, numbered) })
	newCaller := func() *clients.Caller[message, message] {
		if numbered {
			return clients.NewTaggedCaller(t.Context(), near, numbers, &cfg)
		}
		return clients.NewCaller(t.Context(), near, &cfg)
	}
	cl := newCaller()
	patience := errors.New("no more patience")
	var users sync.WaitGroup
	for i := range callers {
		users.Go(func() {
			for j := range calls {
				text := fmt.Sprint(i, "-", j)
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(1+s.roll(60))*time.Second/4, patience)
				reply, err := cl.Call(ctx, message{text: text})
				late := ctx.Err() != nil
				cancel()
				time.Sleep(time.Nanosecond) // a request that was sent has arrived
				s.mu.Lock()
				switch {
				case err == nil && reply.text != "to "+text:
					s.trouble = append(s.trouble, text+" got the reply "+reply.text)
				case errors.Is(err, clients.ErrNotSent) && s.asked[text]:
					s.trouble = append(s.trouble, text+" was sent, in spite of "+err.Error())
				case err != nil && !errors.Is(err, clients.ErrNotSent) && !s.asked[text]:
					s.trouble = append(s.trouble, text+" was not sent, in spite of "+err.Error())
				case err != nil && !(late && errors.Is(err, patience)) && !((s.dropped > 0 || hasty) && errors.Is(err, clients.ErrLostReply)):
					s.trouble = append(s.trouble, text+" failed with "+err.Error())
				}
				s.mu.Unlock()
				if out := cl.Outstanding(); out > cfg.MaxOutstanding {
					t.Errorf("%d requests are outstanding", out)
				}
			}
		})
	}
	users.Wait()
	if s.dropped == 0 && !hasty {
		require.NoError(t, cl.Err())
		require.NoError(t, cl.Shutdown(t.Context()), "all replies come")
		require.Zero(t, cl.Outstanding())
	} else {
		time.Sleep(2 * time.Minute)
		if cfg.Lost >= 0 {
			require.Zero(t, cl.Outstanding(), "what has no reply is forgotten")
		}
		require.NoError(t, cl.Close())
	}
	if s.dropped == 0 && !hasty {
		require.EqualValues(t, len(s.asked), cl.Replies())
	}
	stop()
	server.Wait()
	require.Empty(t, s.trouble)
}
