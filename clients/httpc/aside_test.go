package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// halves answers with a gzip body that stops halfway until go on is closed.
func halves(goOn <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		packed := gzipped("hello\nworld\n")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed[:12])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-goOn:
			_, _ = w.Write(packed[12:])
		case <-r.Context().Done():
		}
	}
}

// TestCancelledRecvOfADecodedBodyTookNothing is TestCancelledRecvOfABodyTookNothing for bodies that are decoded or
// wrapped by middleware, whose Read takes no ctx.
func TestCancelledRecvOfADecodedBodyTookNothing(t *testing.T) {
	for name, change := range map[string]func(*Client){
		"decoded": func(*Client) {},
		"wrapped": func(c *Client) { c.Dump(io.Discard, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan struct{}, 3)
			overBoth(t, halves(goOn), func(t *testing.T, c *Client, base string) {
				change(c)
				resp, err := c.Get(t.Context(), base)
				require.NoError(t, err)
				require.Equal(t, []string{"gzip"}, resp.ContentEncoding)
				lines := resp.Lines()
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					_, err = lines.Recv(ctx)
					cancel()
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				goOn <- struct{}{}
				for _, want := range []string{"hello", "world"} {
					line, err := lines.Recv(t.Context())
					require.NoError(t, err)
					require.Equal(t, want, line)
				}
				_, err = lines.Recv(t.Context())
				require.Equal(t, io.EOF, err)
			})
		})
	}
}

// TestDecodedBodyThatWasLeftCanBeClosed closes a body, or ends its request, while a Read is in progress that its
// receiver has left.
func TestDecodedBodyThatWasLeftCanBeClosed(t *testing.T) {
	mine := errors.New("mine")
	for name, k := range map[string]struct {
		end  func(resp *Response, cancel context.CancelCauseFunc)
		want error
	}{
		"closed":    {func(resp *Response, _ context.CancelCauseFunc) { _ = resp.Close() }, net.ErrClosed},
		"cancelled": {func(_ *Response, cancel context.CancelCauseFunc) { cancel(mine) }, mine},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, halves(nil), func(t *testing.T, c *Client, base string) {
				whole, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				resp, err := c.Get(whole, base)
				require.NoError(t, err)
				ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
				defer stop()
				_, err = resp.Body.Recv(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				k.end(resp, cancel)
				_, err = resp.Bytes(t.Context()) // some may have been decoded
				require.ErrorIs(t, err, k.want)
				require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6)
			})
		})
	}
}

// TestDecodedBodyThatWasLeftHoldsNoConnectionForEver is TestUnreadBodyHoldsNoConnectionForEver for a Read in progress
// that its receiver has left.
func TestDecodedBodyThatWasLeftHoldsNoConnectionForEver(t *testing.T) {
	packed := gzipped("hello")
	half := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n"+string(packed[:12]))
			silent(nc, in)
		}
	}
	inBubble(t, Config{}, half, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		for range 2 { // each one waits anew
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			_, err = resp.Body.Recv(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, c.Stats()[0].Open)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Open)
		_, err = resp.Bytes(t.Context()) // some has been decoded
		require.ErrorIs(t, err, ErrHeld)
	})
}

// TestPanicOfADecoderIsTheErrorOfTheBody uses a Coding whose Read panics in a goroutine of the library.
func TestPanicOfADecoderIsTheErrorOfTheBody(t *testing.T) {
	base := serve(t, flippedAnswers)
	c := newClient(t, &Config{Codings: []Coding{panicking{}}})
	resp, err := c.Get(t.Context(), base)
	require.NoError(t, err)
	_, err = resp.Bytes(t.Context())
	var panicked *chanio.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "mine", panicked.Value)
	require.Equal(t, c.Stats()[0].Open, c.Stats()[0].Idle, "the connection is free again")
}

// panicking is a Coding whose reader panics.
type panicking struct{}

func (panicking) Name() string { return "flip" }

func (panicking) NewReader(io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(readerFunc(func([]byte) (int, error) { panic("mine") })), nil
}
