package http2

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/memconn"
)

// slowEar is a net.Conn whose Reads wait until a Write has failed or, if it is deaf, until it is closed or its read
// deadline is set to a time that has passed.
type slowEar struct {
	net.Conn
	deaf bool
	ends error // of a Read at the end, instead of io.EOF
	once sync.Once
	open chan struct{} // closed when Reads may go on
}

func (e *slowEar) release() { e.once.Do(func() { close(e.open) }) }

func (e *slowEar) Read(p []byte) (int, error) {
	<-e.open
	n, err := e.Conn.Read(p)
	if err == io.EOF && e.ends != nil {
		err = e.ends
	}
	return n, err
}

func (e *slowEar) Write(p []byte) (int, error) {
	n, err := e.Conn.Write(p)
	if err != nil && !e.deaf {
		e.release()
	}
	return n, err
}

func (e *slowEar) SetReadDeadline(at time.Time) error {
	if !at.IsZero() && !at.After(time.Now()) {
		e.release() // a Read that waits is to return
	}
	return e.Conn.SetReadDeadline(at)
}

func (e *slowEar) Close() error {
	e.release()
	return e.Conn.Close()
}

// talk runs a client over a slowEar with a server.
func talk(t *testing.T, deaf bool, test func(c *Conn, r *raw, ran <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memconn.Pipe(1 << 16)
		here := chanio.NewConn(&slowEar{Conn: a, deaf: deaf, open: make(chan struct{})}, nil)
		c := NewClient(here, nil)
		ran := make(chan error, 1)
		go func() {
			err := c.Run(context.Background())
			_ = here.Close()
			ran <- err
		}()
		r := newRaw(t, b)
		_, err := io.ReadFull(b, make([]byte, len(frames.ClientPreface)))
		r.ok(err)
		go r.read()
		test(c, r, ran)
	})
}

// TestClientHearsTheLastWordsOfAServer has a client write to a server that has gone before the client reads what it said:
// a response, and a GOAWAY that names another request, which it did not act on.
func TestClientHearsTheLastWordsOfAServer(t *testing.T) {
	talk(t, false, func(c *Conn, r *raw, ran <-chan error) {
		first, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		second, err := c.Open(context.Background(), request("POST", "/"), false)
		r.ok(err)
		synctest.Wait()
		r.ok(r.fr.WriteSettings())
		r.ok(r.headers(1, false, []Field{{Name: ":status", Value: "200"}}))
		r.ok(r.fr.WriteData(1, true, []byte("hello")))
		r.ok(r.fr.WriteGoAway(1, frames.ErrCodeNo, nil))
		r.ok(r.nc.Close())

		err = second.Out.Send(context.Background(), make([]byte, 100))
		if err == nil { // it was queued
			synctest.Wait()
			_, err = second.Head(context.Background())
		}
		var reset *StreamError
		require.ErrorAs(t, err, &reset)
		require.True(t, reset.Unprocessed(), "%v", err)
		head, body := answer(t, first)
		require.Equal(t, 200, head.Status)
		require.Equal(t, "hello", body)
		_, err = c.Open(context.Background(), get("/"), true)
		require.Error(t, err)
		<-ran
	})
}

// TestClientDoesNotWaitForEverForLastWords has a connection on which writes fail and reads do not.
func TestClientDoesNotWaitForEverForLastWords(t *testing.T) {
	talk(t, true, func(c *Conn, r *raw, ran <-chan error) {
		s, err := c.Open(context.Background(), get("/"), true)
		r.ok(err)
		synctest.Wait()
		r.ok(r.nc.Close())
		for err == nil { // until the failure of an earlier write is seen
			_, err = c.Open(context.Background(), get("/"), true)
			synctest.Wait()
		}
		_, err = s.Head(context.Background())
		require.ErrorIs(t, err, syscall.EPIPE)
		require.ErrorIs(t, <-ran, syscall.EPIPE)
	})
}

// TestFailedConnectionSaysWhyTheServerLeft has a write, or a read, fail behind a GOAWAY with a reason.
func TestFailedConnectionSaysWhyTheServerLeft(t *testing.T) {
	for name, want := range map[string]error{"write": syscall.EPIPE, "read": syscall.ECONNRESET} {
		t.Run(name, func(t *testing.T) {
			talk(t, false, func(c *Conn, r *raw, ran <-chan error) {
				s, err := c.Open(context.Background(), request("POST", "/"), false)
				r.ok(err)
				synctest.Wait()
				r.ok(r.fr.WriteSettings())
				r.ok(r.fr.WriteGoAway(1, frames.ErrCodeEnhanceYourCalm, []byte("too many")))
				ear := c.nc.NetConn().(*slowEar)
				if name == "read" {
					ear.ends = want
					ear.release()
					synctest.Wait()
				}
				r.ok(r.nc.Close())
				if name == "write" {
					_ = s.Out.Send(context.Background(), make([]byte, 100))
				}
				_, err = s.Head(context.Background())
				if name == "read" || !errors.Is(err, io.ErrUnexpectedEOF) { // the end of the reads may come first
					require.ErrorIs(t, err, want)
				}
				require.ErrorContains(t, err, "too many")
				require.ErrorContains(t, <-ran, "too many")
			})
		})
	}
}
