package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// fakeHost has addresses that answer, fail or stay silent after a time.
type fakeHost struct {
	answers map[string]fakeAnswer

	mu        sync.Mutex
	start     time.Time
	begun     []string // "10.0.0.1 0s"
	running   int
	discarded []string
}

type fakeAnswer struct {
	after time.Duration
	err   error // nil: a connection
	deaf  bool  // ignores its ctx
}

func (h *fakeHost) dial(ctx context.Context, addr netip.AddrPort) (string, error) {
	name := addr.Addr().String()
	h.mu.Lock()
	h.begun = append(h.begun, fmt.Sprint(name, " ", time.Since(h.start)))
	h.running++
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.running--
		h.mu.Unlock()
	}()
	a := h.answers[name]
	if a.deaf {
		time.Sleep(a.after)
		return name, a.err
	}
	select {
	case <-time.After(a.after):
		return name, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func ports(texts ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, text := range texts {
		out = append(out, netip.AddrPortFrom(netip.MustParseAddr(text), 80))
	}
	return out
}

// never is longer than any test waits.
const never = time.Hour

func TestEyeballsBeginTheNextAttemptAfterTheDelayOrAFailure(t *testing.T) {
	refused := fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	for name, c := range map[string]struct {
		delay   time.Duration
		answers map[string]fakeAnswer
		won     string
		took    time.Duration
		begun   []string
	}{
		"the first answers at once": {
			answers: map[string]fakeAnswer{"::1": {after: 249 * time.Millisecond}},
			won:     "::1", took: 249 * time.Millisecond, begun: []string{"::1 0s"},
		},
		"the first is silent": {
			answers: map[string]fakeAnswer{"::1": {after: never}, "10.0.0.1": {after: 10 * time.Millisecond}},
			won:     "10.0.0.1", took: 260 * time.Millisecond, begun: []string{"::1 0s", "10.0.0.1 250ms"},
		},
		"the first is slow and wins": {
			answers: map[string]fakeAnswer{"::1": {after: 400 * time.Millisecond}, "10.0.0.1": {after: never}},
			won:     "::1", took: 400 * time.Millisecond, begun: []string{"::1 0s", "10.0.0.1 250ms"},
		},
		"the first two fail": {
			answers: map[string]fakeAnswer{
				"::1": {after: 100 * time.Millisecond, err: refused}, "10.0.0.1": {err: refused}, "::2": {after: time.Second},
				"10.0.0.2": {after: never},
			},
			won: "::2", took: 1100 * time.Millisecond,
			begun: []string{"::1 0s", "10.0.0.1 100ms", "::2 100ms", "10.0.0.2 350ms"},
		},
		"one at a time": {
			delay:   -1,
			answers: map[string]fakeAnswer{"::1": {after: time.Minute, err: refused}, "10.0.0.1": {after: time.Second}},
			won:     "10.0.0.1", took: 61 * time.Second, begun: []string{"::1 0s", "10.0.0.1 1m0s"},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &fakeHost{answers: c.answers, start: time.Now()}
			e := eyeballs[string]{delay: cmp.Or(c.delay, attemptDelay), dial: h.dial, discard: func(string) {}}
			won, err := e.race(t.Context(), ports("::1", "10.0.0.1", "::2", "10.0.0.2"))
			require.NoError(t, err, name)
			require.Equal(t, c.won, won, name)
			require.Equal(t, c.took, time.Since(h.start), name)
			require.Equal(t, c.begun, h.begun, name)
			require.Zero(t, h.running, name)
		})
	}
}

// A silent address uses only its share of the time, at any position, with sequential attempts or a long delay.
func TestABlackHoleLeavesTimeForTheOtherAddresses(t *testing.T) {
	for _, delay := range []time.Duration{attemptDelay, -1, time.Hour} {
		for _, addrs := range [][]netip.AddrPort{ports("10.0.0.1", "10.0.0.2", "10.0.0.3"), ports("10.0.0.3", "10.0.0.1")} {
			synctest.Test(t, func(t *testing.T) {
				h := &fakeHost{start: time.Now(), answers: map[string]fakeAnswer{
					"10.0.0.1": {after: time.Hour}, "10.0.0.2": {after: time.Hour}, "10.0.0.3": {after: time.Second},
				}}
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
				defer cancel()
				won, err := eyeballs[string]{delay: delay, dial: h.dial, discard: func(string) {}}.race(ctx, addrs)
				require.NoError(t, err, "delay %v: %v", delay, h.begun)
				require.Equal(t, "10.0.0.3", won)
			})
		}
	}
}

func TestSharesAreSaidInTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{start: time.Now(), answers: map[string]fakeAnswer{
			"10.0.0.1": {after: time.Hour}, "10.0.0.2": {err: syscall.EHOSTUNREACH},
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, err := eyeballs[string]{delay: -1, dial: h.dial}.race(ctx, ports("10.0.0.1", "10.0.0.2"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "no connection within 4.5s")
		require.Equal(t, []string{"10.0.0.1 0s", "10.0.0.2 4.5s"}, h.begun)
	})
}

func TestEyeballsWaitForTheOthersAndDiscardWhatCameSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{start: time.Now(), answers: map[string]fakeAnswer{
			"::1": {after: 300 * time.Millisecond, deaf: true}, "10.0.0.1": {after: 10 * time.Millisecond},
		}}
		discard := func(s string) { h.discarded = append(h.discarded, s) }
		e := eyeballs[string]{delay: attemptDelay, dial: h.dial, discard: discard}
		won, err := e.race(t.Context(), ports("::1", "10.0.0.1"))
		require.NoError(t, err)
		require.Equal(t, "10.0.0.1", won)
		require.Equal(t, []string{"::1"}, h.discarded)
		require.Zero(t, h.running)
	})
}

func TestEyeballsTellTheMostTellingFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{answers: map[string]fakeAnswer{
			"::1": {err: syscall.ENETUNREACH}, "10.0.0.1": {err: syscall.ECONNREFUSED}, "10.0.0.2": {err: syscall.ETIMEDOUT},
		}}
		e := eyeballs[string]{delay: attemptDelay, dial: h.dial}
		_, err := e.race(t.Context(), ports("::1", "10.0.0.1", "10.0.0.2"))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.ErrorIs(t, err, syscall.ETIMEDOUT)
		require.EqualError(t, err, syscall.ECONNREFUSED.Error()+" (none of its 3 addresses answers)")
		_, err = e.race(t.Context(), ports("::1"))
		require.Equal(t, syscall.ENETUNREACH, err)
	})
}

func TestG2EyeballsEndWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHost{start: time.Now(), answers: map[string]fakeAnswer{"::1": {after: never}, "10.0.0.1": {after: never}}}
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		_, err := eyeballs[string]{delay: attemptDelay, dial: h.dial}.race(ctx, ports("::1", "10.0.0.1"))
		require.ErrorIs(t, err, why)
		require.Equal(t, time.Second, time.Since(h.start))
		require.Zero(t, h.running)
	})
}

func TestG16EyeballsTurnAPanicIntoAnError(t *testing.T) {
	for _, ends := range []func(){func() { panic("user code") }, runtime.Goexit} {
		e := eyeballs[string]{dial: func(context.Context, netip.AddrPort) (string, error) {
			ends()
			return "", nil
		}}
		_, err := e.race(t.Context(), ports("::1", "10.0.0.1"))
		var p *chanio.PanicError
		require.ErrorAs(t, err, &p)
	}
}

func TestFamiliesAlternate(t *testing.T) {
	var in, want []netip.Addr
	for _, text := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "::1", "::2"} {
		in = append(in, netip.MustParseAddr(text))
	}
	for _, text := range []string{"10.0.0.1", "::1", "10.0.0.2", "::2", "10.0.0.3"} {
		want = append(want, netip.MustParseAddr(text))
	}
	require.Equal(t, want, interleave(in))
	require.Empty(t, interleave(nil))
}
