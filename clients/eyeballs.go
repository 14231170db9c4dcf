package clients

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// attemptDelay is how long an attempt to connect goes on alone (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// eyeballs connects to the first of several addresses that answers, as RFC 8305 has it: one attempt after the other is
// begun, the next when the last has failed or after delay, and they go on side by side until one succeeds. What it
// leaves out is asking for the addresses meanwhile: they are all known here.
//
// No address takes the time of the others: if ctx has a deadline, the next attempt begins early enough for all of them to
// have a share of what is left, and one at a time each is given up after its share.
type eyeballs[T any] struct {
	delay   time.Duration // negative: one attempt at a time
	dial    func(ctx context.Context, addr netip.AddrPort) (T, error)
	discard func(T) // closes what came second
}

type attempt[T any] struct {
	conn T
	err  error
}

// race dials addrs, of which there is at least one, and returns the winner. When it returns, all attempts have ended.
// The error is the cause of ctx, or that of the most telling attempt.
func (e eyeballs[T]) race(ctx context.Context, addrs []netip.AddrPort) (won T, err error) {
	if len(addrs) == 1 {
		return e.dial(ctx, addrs[0])
	}
	dialling, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	results := make(chan attempt[T], len(addrs)) // nobody waits to be heard
	a := e.first(ctx, addrs, results, func(addr netip.AddrPort, left int) {
		all.Go(func() { results <- e.tryInTime(dialling, addr, left) })
	})
	cancel()
	all.Wait()
	close(results)
	for late := range results {
		if late.err == nil {
			e.discard(late.conn)
		}
	}
	return a.conn, a.err
}

// first begins attempts until one has succeeded or all have failed.
func (e eyeballs[T]) first(
	ctx context.Context, addrs []netip.AddrPort, results <-chan attempt[T], begin func(addr netip.AddrPort, left int),
) attempt[T] {
	var failed failures
	for running := 0; ; {
		if len(addrs) > 0 {
			begin(addrs[0], len(addrs))
			addrs = addrs[1:]
			running++
		}
		var next <-chan time.Time
		if len(addrs) > 0 && e.delay >= 0 {
			next = time.After(min(e.delay, share(ctx, len(addrs)+1)))
		}
		select {
		case a := <-results:
			if a.err == nil {
				return a
			}
			failed = append(failed, a.err)
			if running--; running == 0 && len(addrs) == 0 {
				return attempt[T]{err: failed.err()}
			}
		case <-next:
		case <-ctx.Done():
			return attempt[T]{err: chanio.Cause(ctx)}
		}
	}
}

// tryInTime dials one address of several that are left. One at a time it has its share of the time.
func (e eyeballs[T]) tryInTime(ctx context.Context, addr netip.AddrPort, left int) attempt[T] {
	if _, bounded := ctx.Deadline(); bounded && e.delay < 0 && left > 1 {
		d := share(ctx, left)
		late := fmt.Errorf("no connection within %v: %w", d.Round(time.Millisecond), os.ErrDeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, late)
		defer cancel()
	}
	return e.try(ctx, addr)
}

// share is the part of the time until ctx's deadline that each of n has.
func share(ctx context.Context, n int) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return math.MaxInt64
	}
	return max(time.Until(end)/time.Duration(n), 0)
}

// try dials one address. A panic in a user's function is not to take the process along.
func (e eyeballs[T]) try(ctx context.Context, addr netip.AddrPort) (a attempt[T]) {
	defer func() {
		if v := recover(); v != nil {
			a.err = chanio.Recovered(v)
		}
	}()
	a.conn, a.err = e.dial(ctx, addr)
	return a
}

// failures are those of all the addresses of a host.
type failures []error

// err is the first failure that tells about the peer, not about a family of addresses that this machine has no route
// for.
func (f failures) err() error {
	telling := f[0]
	for _, err := range f {
		if !isNoRoute(err) {
			telling = err
			break
		}
	}
	if len(f) == 1 {
		return telling
	}
	return fmt.Errorf("%w (none of its %d addresses answers)", telling, len(f))
}

func isNoRoute(err error) bool {
	for _, code := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// interleave orders addrs so that families alternate as long as there are both, beginning with that of the first, and
// each family keeps its order (RFC 8305, section 4).
func interleave(addrs []netip.Addr) []netip.Addr {
	if len(addrs) == 0 {
		return nil
	}
	var lead, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			lead = append(lead, a)
		} else {
			other = append(other, a)
		}
	}
	out := make([]netip.Addr, 0, len(addrs))
	for len(lead) > 0 || len(other) > 0 {
		if len(lead) > 0 {
			out, lead = append(out, lead[0]), lead[1:]
		}
		if len(other) > 0 {
			out, other = append(out, other[0]), other[1:]
		}
	}
	return out
}
