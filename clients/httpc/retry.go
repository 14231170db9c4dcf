package httpc

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
)

// RetryPolicy selects which requests are repeated, and when. In every case the body must be repeatable, and the request
// must be idempotent, have an Idempotency-Key, or certainly not have been sent. The zero value means 3 attempts, for
// network errors and the statuses 429, 502, 503 and 504.
type RetryPolicy struct {
	// Tries limits the attempts of a request. 0 means 3.
	Tries int

	// First is the longest pause after the first attempt, Most the longest pause of all. The limit doubles from First
	// to Most, and the actual pause is random up to it. 0 means 100 ms and 10 s.
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

// attempts sends hr as often as the policy permits.
func (x *call) attempts(hr *http.Request, crossed bool) (*http.Response, error) {
	policy := x.r.Retry
	if policy == nil {
		policy = x.c.t.cfg.Retry
	}
	limit := cmp.Or(x.r.AttemptTimeout, x.c.t.cfg.AttemptTimeout)
	if policy == nil {
		return x.attempt(hr, crossed, limit)
	}
	for try := 1; ; try++ {
		x.unsent.Store(false)
		x.sent.Store(false)
		resp, err := x.attempt(hr, crossed, limit)
		if try >= cmp.Or(policy.Tries, 3) || !policy.wants(resp, err) || x.Err() != nil || !x.mayRepeat(hr) {
			return resp, err
		}
		pause, ok := policy.pause(try, resp)
		if !ok {
			return resp, err
		}
		next, ok := replay(hr)
		if !ok {
			return resp, err
		}
		if resp != nil {
			drain(resp.Body)
		}
		if err := sleep(x, pause); err != nil {
			closeBody(next)
			return nil, err
		}
		hr = next
	}
}

// attempt makes one attempt. limit bounds it until the end of the body.
func (x *call) attempt(hr *http.Request, crossed bool, limit time.Duration) (*http.Response, error) {
	if limit <= 0 {
		return x.once(hr, crossed)
	}
	ctx, cancel := bound(hr.Context(), limit, PhaseAttempt)
	resp, err := x.once(hr.WithContext(ctx), crossed)
	if err != nil {
		cancel()
		return nil, err
	}
	x.cancel = append(x.cancel, cancel)
	return resp, nil
}

// wants reports whether the policy permits another attempt.
func (p *RetryPolicy) wants(resp *http.Response, err error) bool {
	if p.If != nil {
		return p.If(resp, err)
	}
	if err != nil {
		var bad *invalidError
		return !errors.As(err, &bad) && !errors.Is(err, ErrClosed)
	}
	statuses := p.Statuses
	if statuses == nil {
		statuses = retryStatuses
	}
	return slices.Contains(statuses, resp.StatusCode)
}

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
	most := cmp.Or(p.Most, 10*time.Second)
	d := cmp.Or(p.First, 100*time.Millisecond)
	for range try - 1 {
		if d = min(2*d, most); d == most {
			break
		}
	}
	return rand.N(min(d, most) + 1), true
}

// retryAfter parses a Retry-After field, in seconds or as a date (RFC 9110 10.2.3).
func retryAfter(v string) (time.Duration, bool) {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
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
