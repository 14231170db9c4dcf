//go:build unix

package load

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/child"
)

// stopped runs spec against a process that is stopped for a second, one second after the first reply.
func stopped(t *testing.T, spec Spec) Result {
	t.Helper()
	p, err := child.Start("echo", nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	require.NoError(t, p.Call(t.Context(), "url", nil, &spec.URL))
	seconds := 0
	r, err := Run(t.Context(), spec, func(Second) {
		if seconds++; seconds == 1 {
			require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGSTOP))
			time.AfterFunc(time.Second, func() { _ = syscall.Kill(p.Pid(), syscall.SIGCONT) })
		}
	})
	require.NoError(t, err)
	return r
}

// The generator does not wait for a stopped target: every request that was due meanwhile counts, from the time at which
// it was due.
func TestOpenLoopShowsThatTheTargetStoodStill(t *testing.T) {
	t.Parallel()
	r := stopped(t, Spec{
		Codec: "u32", Size: 64, Conns: 10, Window: 1, Rate: 1000, Time: 3 * time.Second, Late: 50 * time.Millisecond,
	})
	require.InDelta(t, 1000*r.Time.Seconds(), r.Replies, 500)
	require.GreaterOrEqual(t, r.Latency.P999, 900*time.Millisecond)
	require.GreaterOrEqual(t, r.Late, uint64(850))
	require.Less(t, r.Late, r.Replies)
	require.Less(t, r.Latency.P50, 500*time.Millisecond)
}

// A closed loop does wait, so its latencies mean little.
func TestClosedLoopHidesThatTheTargetStoodStill(t *testing.T) {
	t.Parallel()
	r := stopped(t, Spec{
		Codec: "u32", Size: 64, Conns: 1, Window: 1, Time: 3 * time.Second, Late: 500 * time.Millisecond,
	})
	require.Positive(t, r.Late)
	require.Less(t, r.Late, uint64(10)) // it would be 1 on an idle machine
	require.GreaterOrEqual(t, r.Latency.Max, 900*time.Millisecond)
	require.Less(t, r.Latency.P90, 900*time.Millisecond)
}

func TestOpenLoopKeepsItsRateOverConnections(t *testing.T) {
	for _, spec := range []Spec{
		{Codec: "raw", Size: 1, Conns: 1},
		{Codec: "lines", Size: 64, Conns: 3},
		{Codec: "u32", Size: 64 << 10, Conns: 2},
		{Codec: "u32", Size: 64, Conns: 5, Idle: 0.8},
	} {
		spec.URL, spec.Window, spec.Rate, spec.Time = echoServer(t, same), 1, 2000, time.Second
		spec.Warmup = 10 * time.Millisecond
		r, err := Run(t.Context(), spec, nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Replies, uint64(1500)) // a busy machine does not begin the last ones in time
		require.Equal(t, r.Replies, r.Latency.Count)
		require.Positive(t, r.Lag.Count)
	}
}

// A schedule does not depend on what happens.
func TestScheduleOfRequests(t *testing.T) {
	s := &schedule{interval: 1e6, first: 5}
	a, b := s.add(), s.add()
	require.Equal(t, int64(5), a.begins(0))
	require.Equal(t, int64(5+1e6), b.begins(0))
	require.Equal(t, int64(5+2e6), a.begins(1))
	s.give(3)
	s.give(3)
	require.Equal(t, int64(2), a.due.Load())
	require.Equal(t, int64(1), b.due.Load())
	require.Len(t, a.wake, 1)
}

func TestOpenLoopBlamesATargetThatKeepsSilent(t *testing.T) {
	spec := Spec{
		URL: silent(t), Codec: "u32", Size: 64, Conns: 1, Window: 1, Rate: 1000,
		Time: 20 * time.Millisecond, Timeout: 20 * time.Millisecond,
	}
	r, err := Run(t.Context(), spec, nil)
	require.ErrorIs(t, err, errUnanswered)
	require.Equal(t, err.Error(), r.Error)
	spec.Rate = 0
	_, err = Run(t.Context(), spec, nil)
	require.ErrorIs(t, err, errUnanswered)
}

// silent reads and never answers.
func silent(t *testing.T) string {
	return serveEach(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
}

func serveEach(t *testing.T, handle func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return "tcp://" + ln.Addr().String()
}

func TestOpenLoopNoticesWrongReplies(t *testing.T) {
	var n atomic.Int64
	spec := Spec{Codec: "u32", Size: 64, Conns: 1, Window: 1, Rate: 5000, Time: time.Hour}
	spec.URL = echoServer(t, func(p []byte) []byte {
		if n.Add(1) == 5 {
			p[len(p)-1]++
		}
		return p
	})
	_, err := Run(context.Background(), spec, nil)
	require.ErrorContains(t, err, "its bytes differ")
}
