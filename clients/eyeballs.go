package clients

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// attemptDelay is how long one attempt to connect runs before the next one starts (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// eyeballs connects to the first of several addresses that answers (RFC 8305). It starts an attempt when the last one
// has failed or after delay, and attempts run concurrently until one succeeds. All addresses are known in advance, so
// it does not resolve names.
//
// If ctx has a deadline, attempts start early enough for each to have a share of the remaining time, and sequential
// attempts are limited to their share. So no address uses up the time of the others.
type eyeballs[T any] struct {
	delay   time.Duration // negative: one attempt at a time
	dial    func(ctx context.Context, addr netip.AddrPort) (T, error)
	discard func(T) // closes surplus connections
}

type attempt[T any] struct {
	conn T
	err  error
}

// race dials addrs, at least one, and returns the first connection. When it returns, all attempts have ended. The error
// is the cause of ctx, or the most informative error of an attempt.
func (e eyeballs[T]) race(ctx context.Context, addrs []netip.AddrPort) (won T, err error) {
	if len(addrs) == 1 {
		return e.dial(ctx, addrs[0])
	}
	dialling, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	results := make(chan attempt[T], len(addrs)) // buffered, so that no attempt blocks
	a := e.first(ctx, addrs, results, func(addr netip.AddrPort, left int) {
		all.Go(func() { e.attempt(dialling, addr, left, results) })
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

// first starts attempts until one has succeeded or all have failed.
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

// attempt dials one address and sends the result, also if user code in dial panics or calls runtime.Goexit.
func (e eyeballs[T]) attempt(ctx context.Context, addr netip.AddrPort, left int, results chan<- attempt[T]) {
	var a attempt[T]
	returned := false
	defer func() {
		if !returned {
			a.err = chanio.Recovered(recover())
		}
		results <- a
	}()
	a.conn, a.err = e.dialInTime(ctx, addr, left)
	returned = true
}

// dialInTime dials one of the remaining addresses. A sequential attempt is limited to its share of the time.
func (e eyeballs[T]) dialInTime(ctx context.Context, addr netip.AddrPort, left int) (T, error) {
	if _, bounded := ctx.Deadline(); bounded && e.delay < 0 && left > 1 {
		d := share(ctx, left)
		late := fmt.Errorf("no connection within %v: %w", d.Round(time.Millisecond), os.ErrDeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, late)
		defer cancel()
	}
	return e.dial(ctx, addr)
}

// share returns the part of the time until ctx's deadline for each of n attempts.
func share(ctx context.Context, n int) time.Duration {
	end, bounded := ctx.Deadline()
	if !bounded {
		return math.MaxInt64
	}
	return max(time.Until(end)/time.Duration(n), 0)
}

// failures holds the errors of all addresses of a host.
type failures []error

// err returns all failures as one error, with the text of the first that concerns the peer rather than an address family
// without a route.
func (f failures) err() error {
	if len(f) == 1 {
		return f[0]
	}
	telling := max(slices.IndexFunc(f, func(err error) bool { return !isNoRoute(err) }), 0)
	f[0], f[telling] = f[telling], f[0]
	return &unreachable{f}
}

// unreachable is the error of a host with several addresses.
type unreachable struct{ failures }

func (e *unreachable) Unwrap() []error { return e.failures }

func (e *unreachable) Error() string {
	return fmt.Sprintf("%v (none of its %d addresses answers)", e.failures[0], len(e.failures))
}

func isNoRoute(err error) bool {
	for _, code := range []error{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// interleave orders addrs so that families alternate while there are both, starting with the family of the first. Each
// family keeps its order (RFC 8305, section 4).
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
