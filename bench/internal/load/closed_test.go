package load

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echoServer answers each connection with the result of reply for the bytes that it read, then half-closes.
func echoServer(t *testing.T, reply func(p []byte) []byte) string {
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
			answer(conn, reply)
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, ln.Close())
		<-ended
	})
	return "tcp://" + ln.Addr().String()
}

func answer(conn net.Conn, reply func([]byte) []byte) {
	defer conn.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(reply(buf[:n])); err != nil {
			return
		}
	}
}

func same(p []byte) []byte { return p }

func TestClosedLoopCountsRepliesOfAnEcho(t *testing.T) {
	for _, spec := range []Spec{
		{Codec: "raw", Size: 1, Window: 1},
		{Codec: "lines", Size: 3, Window: 1},
		{Codec: "lines", Size: 64, Window: 64},
		{Codec: "u32", Size: 64, Window: 2, Reuse: 5},
		{Codec: "raw", Size: 64, Window: 1},
		{Codec: "u32", Size: 5, Window: 3},
		{Codec: "u32", Size: 64, Window: 64},
		{Codec: "u32", Size: 64 << 10, Window: 8},
	} {
		spec.URL, spec.Conns, spec.Warmup, spec.Time = echoServer(t, same), 1, time.Millisecond, 20*time.Millisecond
		r, err := Run(context.Background(), spec, nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, r.Total, uint64(spec.Window))
		require.GreaterOrEqual(t, r.Total, r.Replies)
		require.LessOrEqual(t, r.Latency.Count, r.Total)
		require.Zero(t, r.Lag.Count)
	}
}

func TestWrongRepliesAreNoticed(t *testing.T) {
	spec := Spec{Codec: "u32", Size: 64, Conns: 1, Window: 2, Time: 10 * time.Second}
	for name, c := range map[string]struct {
		reply func([]byte) []byte
		says  string
	}{
		"last byte": {func(p []byte) []byte { p[67]++; return p }, "its bytes differ"},
		"length":    {func(p []byte) []byte { p[3]--; return p }, "length 63 instead of 64"},
		"out of turn": {func(p []byte) []byte {
			swapped := append(append([]byte{}, p[68:136]...), p[:68]...)
			return append(swapped, p[136:]...)
		}, "it is numbered 1"},
		"one too many": {func(p []byte) []byte { return append(append([]byte{}, p...), p[:68]...) }, "it is numbered 0"},
		"cut short":    {nil, "the stream ended with 2 requests not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := spec
			spec.URL = echoServer(t, c.reply)
			if c.reply == nil {
				spec.URL = halfReply(t)
			}
			_, err := Run(context.Background(), spec, nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// halfReply ends each connection in the middle of the first reply.
func halfReply(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 136)
		if _, err := io.ReadFull(conn, buf); err == nil {
			_, _ = conn.Write(buf[:30])
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return "tcp://" + ln.Addr().String()
}

func TestCancelEndsARun(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	spec := Spec{URL: echoServer(t, same), Codec: "raw", Size: 64, Conns: 1, Window: 1, Time: time.Hour}
	time.AfterFunc(10*time.Millisecond, func() { cancel(io.ErrClosedPipe) })
	_, err := Run(ctx, spec, nil)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestGeneratorAllocatesNothingForAMessage(t *testing.T) {
	m := newMessages(Spec{Codec: "u32", Size: 64, Window: 64}, 3)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, n := m.next(64)
		if got, err := m.check(p); got != n || err != nil {
			t.Fatal(got, err)
		}
	}))
}

func TestMessagesOfOneConnectionAreNotThoseOfAnother(t *testing.T) {
	spec := Spec{Codec: "u32", Size: 64, Window: 1}
	p, _ := newMessages(spec, 0).next(1)
	_, err := newMessages(spec, 1).check(p)
	require.Error(t, err)
}
