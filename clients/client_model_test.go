package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// wildServer answers lines such as "7:text", where 7 is the number of the request. Its fields say how it misbehaves.
type wildServer struct {
	tagged                           bool
	slow                             time.Duration // upper bound of the delay of a reply
	loses, repeats, strays, vanishes int           // one in so many requests; 0: never; in order, it only vanishes
	refuses                          int           // one in so many dials

	mu      sync.Mutex
	r       *rand.Rand
	seen    map[string]int // how often each text was received
	serving sync.WaitGroup
}

func (s *wildServer) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

func (s *wildServer) does(one int) bool { return one > 0 && s.roll(one) == 0 }

func (s *wildServer) dial(ctx context.Context) (*chanio.Conn, error) {
	select {
	case <-time.After(time.Duration(s.roll(3)) * time.Second / 2):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.does(s.refuses) {
		return nil, errDown
	}
	near, far := chaniotest.Pipe([]int{0, 16}[s.roll(2)])
	s.serving.Go(func() { s.serve(far) })
	return chanio.NewConn(near, nil), nil
}

func (s *wildServer) serve(nc net.Conn) {
	var replies sync.WaitGroup
	var mu sync.Mutex
	gone := make(chan struct{})
	defer replies.Wait()
	defer nc.Close()
	defer close(gone)
	reply := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(nc, line+"\n")
	}
	lines := codec.NewDecoder(nc, codec.Lines)
	for {
		line, err := lines.Decode()
		if err != nil {
			return
		}
		number, text, ok := strings.Cut(line, ":")
		if !ok {
			number, text = "", line
		}
		s.mu.Lock()
		s.seen[text]++
		s.mu.Unlock()
		switch {
		case s.does(s.vanishes):
			if s.does(2) {
				nc.(interface{ Abort() }).Abort()
			}
			return
		case s.does(s.strays):
			reply("4000000000:stray")
		case s.does(s.loses):
			continue
		}
		answer, times := "re "+text, 1
		if s.tagged {
			answer = number + ":" + answer
		}
		if s.does(s.repeats) {
			times = 2
		}
		pause := time.Duration(s.roll(int(s.slow)))
		if !s.tagged {
			time.Sleep(pause)
			reply(answer)
			continue
		}
		for range times {
			replies.Go(func() {
				select {
				case <-time.After(pause):
					reply(answer)
				case <-gone:
				}
			})
		}
	}
}

var numbered = clients.CallerTags[string, string]{
	Tag: func(w string, id uint64) string { return fmt.Sprintf("%d:%s", id, w) },
	ID: func(r string) uint64 {
		number, _, _ := strings.Cut(r, ":")
		id, _ := strconv.ParseUint(number, 10, 64)
		return id
	},
}

// Each call ends in time, with its own reply or an error with the reason. A request reported as not sent was never
// received, and no request is received twice.
func TestClientCallsEndWithTheirReplyOrWhyNotWhateverThePeerDoes(t *testing.T) {
	modelled(t, func(t *testing.T, r *rand.Rand) {
		synctest.Test(t, func(t *testing.T) { runClient(t, r) })
	})
}

func runClient(t *testing.T, r *rand.Rand) {
	some := func() int { return r.IntN(3) * (2 + r.IntN(20)) }
	server := &wildServer{
		tagged: oneIn(r, 2), slow: time.Second + upTo(r, 5*time.Second), r: rand.New(rand.NewPCG(r.Uint64(), 0)), seen: map[string]int{},
		vanishes: some(), refuses: r.IntN(4),
	}
	if server.refuses == 1 {
		server.refuses = 2
	}
	cfg := clients.ClientConfig[string, string]{
		Timeout:   4*time.Second + upTo(r, 10*time.Second),
		Caller:    clients.CallerConfig[string]{MaxOutstanding: 1 + r.IntN(6), Lost: time.Second + upTo(r, 5*time.Second)},
		Reconnect: clients.ReconnectConfig{Backoff: clients.ExponentialBackoff(time.Second, 5*time.Second, 0.5)},
	}
	if server.tagged {
		server.loses, server.repeats, server.strays = some(), some(), some()
		tags := numbered
		if server.repeats == 0 { // a second reply must not match a number in use again
			tags.Max = uint64(cfg.Caller.MaxOutstanding + r.IntN(20))
		}
		cfg.Tags = &tags
	}
	if oneIn(r, 2) {
		cfg.Hello = func(context.Context, *chanio.Duplex[string, string]) error {
			if server.does(4) {
				return errDown
			}
			return nil
		}
	}
	cl := clients.NewClient(server.dial, codec.Lines, codec.Lines, &cfg)
	impatient := errors.New("the caller has lost its patience")
	known := []error{
		clients.ErrLostReply, clients.ErrStrayReply, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed, impatient,
		os.ErrDeadlineExceeded, errDown,
	}
	var callers sync.WaitGroup
	var mu sync.Mutex
	results := map[string]error{}
	for i := range 1 + r.IntN(8) {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		callers.Go(func() {
			for j := range 10 {
				time.Sleep(upTo(own, 3*time.Second))
				text := fmt.Sprintf("%d/%d", i, j)
				ctx, cancel := context.WithCancelCause(t.Context())
				if oneIn(own, 4) {
					time.AfterFunc(upTo(own, 4*time.Second), func() { cancel(impatient) })
				}
				start := time.Now()
				got, err := cl.Call(ctx, text)
				cancel(nil)
				mu.Lock()
				results[text] = err
				mu.Unlock()
				if took := time.Since(start); took > cfg.Timeout {
					t.Errorf("%s took %v", text, took)
				}
				_, reply, _ := strings.Cut(":"+got, ":")
				if server.tagged {
					_, reply, _ = strings.Cut(got, ":")
				}
				if err == nil && reply != "re "+text {
					t.Errorf("%s has the reply %q", text, got)
				}
			}
		})
	}
	closing := func() error { return cl.Close() }
	switch r.IntN(3) {
	case 0:
		callers.Wait()
	case 1:
		time.Sleep(upTo(r, 40*time.Second))
	case 2:
		time.Sleep(upTo(r, 40*time.Second))
		closing = func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return cl.Shutdown(ctx)
		}
	}
	require.NoError(t, closing())
	require.NoError(t, cl.Close())
	require.Equal(t, clients.Ended, cl.State().Phase)
	callers.Wait()
	server.serving.Wait()
	for text, err := range results {
		n := server.seen[text]
		switch {
		case err == nil:
			require.Equal(t, 1, n, text)
		case errors.Is(err, clients.ErrNotSent):
			require.Zero(t, n, "%s: %v", text, err)
		default:
			require.LessOrEqual(t, n, 1, "%s: %v", text, err)
		}
		matches := err == nil
		for _, one := range known {
			matches = matches || errors.Is(err, one)
		}
		require.True(t, matches, "%s: %v", text, err)
	}
}
