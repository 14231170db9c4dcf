package http2

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCancelledSendIsSentWholeOrNotAtAll has the window of the stream end within a value, or before it.
func TestCancelledSendIsSentWholeOrNotAtAll(t *testing.T) {
	for before, sent := range map[int]bool{0: true, 999: true, 1000: false} {
		synctest.Test(t, func(t *testing.T) {
			got, goOn := make(chan string, 1), make(chan struct{})
			c, _ := connect(t, &Config{Window: 1000}, nil, func(x *exchange) {
				<-goOn
				all, _ := x.readAll()
				got <- all
			})
			require.NoError(t, c.AwaitSettings(t.Context()))
			s, err := c.Open(t.Context(), request("POST", "/"), false)
			require.NoError(t, err)
			want := bytes.Repeat([]byte("a"), before)
			require.NoError(t, s.Out.Send(t.Context(), want))
			value := bytes.Repeat([]byte("b"), 1500)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = s.Out.Send(ctx, value)
			require.Equal(t, sent, err == nil, "%v", err)
			if sent {
				want = append(want, value...)
			}
			close(goOn)
			require.NoError(t, s.Out.Finish(t.Context(), []byte("c"), nil))
			require.Equal(t, string(append(want, 'c')), <-got)
		})
	}
}

// TestLeavingClientEndsWithItsOwnLastByte ends the last stream with the end of a request, in a write that blocks or
// does not.
func TestLeavingClientEndsWithItsOwnLastByte(t *testing.T) {
	for _, size := range []int{1, 100 << 10} {
		synctest.Test(t, func(t *testing.T) {
			there, _ := startServer(t, nil, func(x *exchange) {
				_ = x.Out.Respond(context.Background(), []Field{{Name: ":status", Value: "200"}}, nil, true, nil)
				_, _ = x.readAll()
			})
			c, begun := NewClient(there, nil), time.Now()
			over := make(chan error, 1)
			go func() { over <- c.Run(context.Background()) }()
			s, err := c.Open(t.Context(), request("POST", "/"), false)
			require.NoError(t, err)
			h, _ := answer(t, s)
			require.Equal(t, 200, h.Status)
			c.Shutdown()
			require.NoError(t, s.Out.Finish(t.Context(), make([]byte, size), nil))
			require.NoError(t, <-over)
			require.Less(t, time.Since(begun), time.Second, "it waits for nothing else")
		})
	}
}

// TestRestOfABodyIsNotAllOfIt reads a part first, whose credit was returned.
func TestRestOfABodyIsNotAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		c, _ := connect(t, nil, nil, func(x *exchange) {
			_ = x.Out.Respond(context.Background(), []Field{{Name: ":status", Value: "200"}}, []byte("hello"), false, nil)
			<-goOn
			_ = x.Out.Finish(context.Background(), []byte("world"), nil)
		})
		s, err := c.Open(t.Context(), get("/"), true)
		require.NoError(t, err)
		_, err = s.In.Read(t.Context(), make([]byte, 5))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.In.Fill(ctx, 1), context.DeadlineExceeded)
		close(goOn)
		<-s.Done()
		_, ok := s.In.Whole(100)
		require.False(t, ok)
		rest, err := io.ReadAll(reader{&s.In})
		require.NoError(t, err)
		require.Equal(t, "world", string(rest))
	})
}
