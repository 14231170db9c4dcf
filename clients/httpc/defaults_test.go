package httpc

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/internal/http1"
)

// TestDefaultsAreTheDocumentedOnes checks the defaults given in the comments of Config.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	for _, cfg := range []*Config{nil, {}} {
		c := cfg.complete()
		require.Equal(t, []int{64, 1024, 1024}, []int{c.MaxPerHost, c.MaxConns, c.MaxWaiters})
		require.Equal(t, []int{256 << 10, 256, 32, 10}, []int{c.MaxHead, c.MaxFields, c.MaxInformational, c.MaxRedirects})
		require.Equal(t, []int64{256 << 10, 10 << 20}, []int64{c.MaxDrain, c.MaxBody})
		require.Equal(t, []time.Duration{time.Minute, 5 * time.Minute, time.Second},
			[]time.Duration{c.IdleTimeout, c.HeldTimeout, c.ExpectTimeout})
		for _, d := range []time.Duration{c.PoolTimeout, c.HeadTimeout, c.BodyTimeout, c.AttemptTimeout, c.Timeout, c.MaxLifetime} {
			require.Zero(t, d, "no limit")
		}
		require.Equal(t, "weir-httpc", c.UserAgent)
		require.Nil(t, c.Jar)
		require.Nil(t, c.Retry)
		require.False(t, c.CoalesceHosts || c.AllowDowngrade || c.KeepBodies)
	}
	l := http1.ClientLimits()
	require.Equal(t, []int{8 << 10, 256 << 10, 256 << 10, 256, 256, 16 << 10, 8 << 10, 32},
		[]int{l.StartLine, l.Head, l.Field, l.Fields, l.ChunkLine, l.ChunkExcess, l.Trailer, l.TrailerFields})
	require.Equal(t, 30*time.Second, new(WebSocketConfig).timeout())
}

// TestPausesOfARetryGrow samples pauses, which are random.
func TestPausesOfARetryGrow(t *testing.T) {
	var policy RetryPolicy
	for try, limit := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 8: 10 * time.Second, 1000: 10 * time.Second,
	} {
		var least, most time.Duration = time.Hour, 0
		for range 300 {
			d, ok := policy.pause(try, nil)
			require.True(t, ok)
			least, most = min(least, d), max(most, d)
		}
		require.LessOrEqual(t, most, limit)
		require.Greater(t, most, limit*3/4, "try %d", try)
		require.Less(t, least, limit/4, "the jitter is full")
	}
	for value, want := range map[string]time.Duration{"0": 0, "7": 7 * time.Second, "60": time.Minute, "61": -1, "99999999999999999999": -1} {
		d, ok := policy.pause(1, &http.Response{Header: http.Header{"Retry-After": {value}}})
		require.Equal(t, want >= 0, ok, "a longer one is left to the caller")
		if ok {
			require.Equal(t, want, d)
		}
	}
	for _, odd := range []RetryPolicy{{First: -1}, {First: -1, Most: -1}, {First: math.MaxInt64, Most: -1}} {
		d, _ := odd.pause(7, nil)
		require.Zero(t, d)
	}
	long, _ := (&RetryPolicy{First: math.MaxInt64 / 3, Most: math.MaxInt64 - 1}).pause(9, nil)
	require.Positive(t, long)
	never := RetryPolicy{MaxRetryAfter: -1}
	d, ok := never.pause(1, &http.Response{Header: http.Header{"Retry-After": {"7"}}})
	require.True(t, ok)
	require.LessOrEqual(t, d, 100*time.Millisecond)
}

// TestRequestsAreTriedThreeTimesWhereAskedTo counts the requests to a server that always answers 503.
func TestRequestsAreTriedThreeTimesWhereAskedTo(t *testing.T) {
	for status, want := range map[string]int64{"429": 3, "502": 3, "503": 3, "504": 3, "500": 1, "404": 1, "200": 1} {
		var asked atomic.Int64
		busy := func(nc net.Conn, in *bufio.Reader) {
			for readRequest(in) != nil {
				asked.Add(1)
				_, _ = nc.Write([]byte("HTTP/1.1 " + status + " X\r\nContent-Length: 0\r\n\r\n"))
			}
		}
		inBubble(t, Config{}, busy, func(t *testing.T, c *Client, _ *atomic.Int64) {
			for policy, want := range map[*RetryPolicy]int64{nil: 1, {}: want} {
				asked.Store(0)
				resp, err := c.Do(t.Context(), &Request{URL: "http://a", Retry: policy})
				require.NoError(t, err)
				require.Equal(t, status, strconv.Itoa(resp.Status))
				require.NoError(t, resp.Close())
				require.Equal(t, want, asked.Load(), "status %s", status)
			}
		})
	}
}

// TestPausesOfEventsGrow samples pauses for different reconnection times sent by the server.
func TestPausesOfEventsGrow(t *testing.T) {
	for said, k := range map[string]struct{ first, most time.Duration }{
		"":         {3 * time.Second, 30 * time.Second},
		"1":        {100 * time.Millisecond, 30 * time.Second}, // milliseconds
		"500":      {500 * time.Millisecond, 30 * time.Second},
		"40000":    {40 * time.Second, 40 * time.Second},
		"86400000": {5 * time.Minute, 5 * time.Minute},
	} {
		e := &eventSource{}
		if said != "" {
			body := chanio.FromSlice([][]byte{[]byte("retry: " + said + "\n\n")})
			_, err := sse.Decode(body, &sse.StreamConfig{State: &e.state}).Recv(t.Context())
			require.ErrorIs(t, err, io.EOF)
		}
		for failures, limit := range map[int]time.Duration{1: k.first, 2: min(2*k.first, k.most), 100: k.most} {
			e.failures = failures
			for range 50 {
				d := e.pause()
				require.LessOrEqual(t, d, limit)
				require.GreaterOrEqual(t, d, limit/2)
			}
		}
	}
}

// TestOriginsDiffer compares the origins of URLs.
func TestOriginsDiffer(t *testing.T) {
	for _, k := range []struct {
		a, b string
		want bool
	}{
		{"http://a/x", "http://a/y?z#f", false},
		{"http://a", "http://A:80/", false},
		{"https://a:443", "https://a", false},
		{"http://a", "https://a", true},
		{"https://a", "http://a", true},
		{"http://a:443", "https://a", true},
		{"http://a", "http://a:81", true},
		{"http://a", "http://b", true},
		{"http://a", "http://x.a", true},
		{"http://x.a", "http://a", true},
		{"http://[::1]", "http://[::1]:80", false},
	} {
		a, err := url.Parse(k.a)
		require.NoError(t, err)
		b, err := url.Parse(k.b)
		require.NoError(t, err)
		require.Equal(t, k.want, crosses(a, b), "%s %s", k.a, k.b)
	}
}

func TestRetryPolicyIsWhatTheConfigSays(t *testing.T) {
	policy := RetryPolicy{First: time.Second, Most: 3 * time.Second, Statuses: []int{500}}
	for try, limit := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
		var longest time.Duration
		for range 1000 {
			d, ok := policy.pause(try+1, nil)
			require.True(t, ok)
			longest = max(longest, d)
		}
		require.LessOrEqual(t, longest, limit)
		require.Greater(t, longest, limit*3/4)
	}
	var asked atomic.Int64
	failing := func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			status := map[bool]string{true: "500", false: "503"}[asked.Add(1) == 1]
			_, _ = nc.Write([]byte("HTTP/1.1 " + status + " X\r\nContent-Length: 0\r\n\r\n"))
		}
	}
	inBubble(t, Config{Retry: &policy}, failing, func(t *testing.T, c *Client, _ *atomic.Int64) {
		status, _ := text(t, c, "http://a")
		require.Equal(t, 503, status, "500 is tried again, 503 is not")
		require.EqualValues(t, 2, asked.Load())
	})
}

func TestMaxEventIsWhatTheConfigSays(t *testing.T) {
	event := "data: " + strings.Repeat("x", 100) + "\n\n"
	answer := func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%s", len(event), event)
		}
	}
	for most, ok := range map[int]bool{0: true, 50: false, 1000: true} {
		inBubble(t, Config{}, answer, func(t *testing.T, c *Client, _ *atomic.Int64) {
			events, err := c.Events(t.Context(), "http://a", &EventsConfig{MaxEvent: most, MaxAttempts: 1})
			require.NoError(t, err)
			defer func() { _ = events.Close() }()
			e, err := events.Recv(t.Context())
			if ok {
				require.NoError(t, err)
				require.Len(t, e.Data, 100)
				return
			}
			require.ErrorIs(t, err, codec.ErrTooLarge)
		})
	}
}
