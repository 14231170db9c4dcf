package httpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// RetryPolicy selects which requests are repeated, and when. In every case the body must be repeatable, and the request
// must be idempotent, have an Idempotency-Key, or certainly not have been sent. The zero value means 3 attempts, for
// network errors and the statuses 429, 502, 503 and 504. A certificate that is not valid, a refusal by an HTTP proxy
// (4xx), and a request body that fails, are not network errors; nor is an error of middleware, OnResponse or an Auth,
// unless it wraps a *net.OpError or os.ErrDeadlineExceeded. If ctx or a timeout would end before the next attempt, the
// last response or error is returned at once. The error of a request that was repeated has the number of attempts in
// its text.
type RetryPolicy struct {
	// Tries limits the attempts of a request. 0 means 3.
	Tries int

	// First is the longest pause after the first attempt, Most the longest pause of all. The limit doubles from First
	// to Most, and the actual pause is random up to it. 0 means 100 ms and 10 s; negative means no pause. They also
	// apply, with or without a policy, to a request that an HTTP/2 server refuses without acting on it, from the second
	// refusal on.
	First, Most time.Duration

	// MaxRetryAfter limits the pause that a server requests with Retry-After. If it requests more, its response is
	// returned. 0 means 60 s; negative ignores the field.
	MaxRetryAfter time.Duration

	// Statuses lists the statuses to retry. nil means 429, 502, 503 and 504.
	Statuses []int

	// If, if not nil, decides instead of Statuses. One of resp and err is nil. It must not read the body.
	If func(resp *http.Response, err error) bool
}

var retryStatuses = []int{429, 502, 503, 504}

// policy returns the policy of the request, or that of the Client, or nil.
func (x *call) policy() *RetryPolicy { return cmp.Or(x.r.Retry, x.c.t.cfg.Retry) }

// attempts sends hr as often as the policy permits.
func (x *call) attempts(hr *http.Request, crossed bool) (*http.Response, error) {
	policy := x.policy()
	limit := cmp.Or(x.r.AttemptTimeout, x.c.t.cfg.AttemptTimeout)
	if policy == nil {
		return x.attempt(hr, crossed, limit)
	}
	for try, sent := 1, 0; ; try++ {
		x.unsent.Store(false)
		x.sent.Store(false)
		x.failed.Store(false)
		resp, err := x.attempt(hr, crossed, limit)
		sent += attemptsIn(err)
		if try >= cmp.Or(policy.Tries, 3) || !x.wants(policy, resp, err) || x.Err() != nil || !x.mayRepeat(hr) {
			return resp, after(sent, err)
		}
		pause, ok := policy.pause(try, resp)
		if end, bounded := x.Deadline(); !ok || bounded && time.Until(end) <= pause {
			return resp, after(sent, err)
		}
		next, ok := replay(hr)
		if !ok {
			return resp, after(sent, err)
		}
		if resp != nil {
			drain(resp.Body)
		}
		if err := sleep(x, pause); err != nil {
			closeBody(next)
			return nil, after(sent, err)
		}
		hr = next
	}
}

// attempt makes one attempt. limit bounds it until the end of the body.
func (x *call) attempt(hr *http.Request, crossed bool, limit time.Duration) (*http.Response, error) {
	if limit <= 0 {
		return x.once(hr, crossed)
	}
	ctx, cancel := x.bound(hr.Context(), limit, PhaseAttempt)
	resp, err := x.once(hr.WithContext(ctx), crossed)
	if err != nil {
		cancel()
		return nil, err
	}
	x.cancel = append(x.cancel, cancel)
	return resp, nil
}

// wants reports whether the policy permits another attempt.
func (x *call) wants(p *RetryPolicy, resp *http.Response, err error) bool {
	if p.If != nil {
		return p.If(resp, err)
	}
	if err != nil {
		return (x.failed.Load() || isNetwork(err)) && !failsAgain(err)
	}
	statuses := p.Statuses
	if statuses == nil {
		statuses = retryStatuses
	}
	return slices.Contains(statuses, resp.StatusCode)
}

// isNetwork reports whether an error that is not the transport's, such as one of middleware, is a network error.
func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, os.ErrDeadlineExceeded)
}

// failsAgain reports whether another attempt would fail in the same way.
func failsAgain(err error) bool {
	var certificate *tls.CertificateVerificationError
	var proxy *clients.ProxyError
	return isHopeless(err) || errors.As(err, &certificate) || errors.As(err, &proxy) && proxy.Code/100 == 4
}

// attemptsError is an error after several attempts. It is a net.Error, like those of timeouts.
type attemptsError struct {
	error
	attempts int
}

// attemptsIn returns how often the transport sent a request that ended with err.
func attemptsIn(err error) int {
	if several, ok := err.(*attemptsError); ok {
		return several.attempts
	}
	return 1
}

// after returns err with the number of attempts, if there was more than one.
func after(attempts int, err error) error {
	if err == nil || attempts < 2 {
		return err
	}
	if several, ok := err.(*attemptsError); ok {
		err = several.error
	}
	return &attemptsError{err, attempts}
}

func (e *attemptsError) Error() string {
	return fmt.Sprintf("%v (after %d attempts)", e.error, e.attempts)
}

func (e *attemptsError) Unwrap() error { return e.error }

// Timeout reports whether the error is a timeout.
func (e *attemptsError) Timeout() bool {
	var ne net.Error
	return errors.As(e.error, &ne) && ne.Timeout()
}

// Temporary is the same, for net.Error.
func (e *attemptsError) Temporary() bool { return e.Timeout() }

// mayRepeat reports whether r may be executed twice, or was certainly not sent.
func (x *call) mayRepeat(r *http.Request) bool {
	e := exchange{method: r.Method, header: r.Header}
	return e.isIdempotent() || x.unsent.Load() && !x.sent.Load()
}

// pause returns the pause after the given attempt.
func (p *RetryPolicy) pause(try int, resp *http.Response) (time.Duration, bool) {
	if resp != nil && p.MaxRetryAfter >= 0 {
		if d, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			return d, d <= cmp.Or(p.MaxRetryAfter, time.Minute)
		}
	}
	return p.backoff(try), true
}

// backoff returns the pause after the given attempt, unless the server asks for another one.
func (p *RetryPolicy) backoff(try int) time.Duration {
	most := cmp.Or(p.Most, 10*time.Second)
	d := cmp.Or(p.First, 100*time.Millisecond)
	for ; try > 1 && d < most; try-- {
		d += min(d, most-d)
	}
	return rand.N(max(min(d, most), 0) + 1)
}

// retryAfter parses a Retry-After field, in seconds or as a date (RFC 9110 10.2.3).
func retryAfter(v string) (time.Duration, bool) {
	n, err := strconv.ParseUint(v, 10, 31)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then n is the largest
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}
