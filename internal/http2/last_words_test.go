package http2

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/memconn"
)

// slowEar is a net.Conn whose Reads wait until a Write has failed.
type slowEar struct {
	net.Conn
	once   sync.Once
	failed chan struct{}
}

func (d *slowEar) Read(p []byte) (int, error) {
	<-d.failed
	return d.Conn.Read(p)
}

func (d *slowEar) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	if err != nil {
		d.once.Do(func() { close(d.failed) })
	}
	return n, err
}

// TestClientHearsTheLastWordsOfAServer has a client write to a server that has gone before the client reads what it said:
// a response, and a GOAWAY that names another request, which it did not act on.
func TestClientHearsTheLastWordsOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memconn.Pipe(1 << 16)
		d := &slowEar{Conn: a, failed: make(chan struct{})}
		here := chanio.NewConn(d, nil)
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
		first, err := c.Open(t.Context(), get("/"), true)
		r.ok(err)
		second, err := c.Open(t.Context(), request("POST", "/"), false)
		r.ok(err)
		synctest.Wait()
		r.ok(r.fr.WriteSettings())
		r.ok(r.headers(1, false, []Field{{Name: ":status", Value: "200"}}))
		r.ok(r.fr.WriteData(1, true, []byte("hello")))
		r.ok(r.fr.WriteGoAway(1, frames.ErrCodeNo, nil))
		r.ok(b.Close())

		err = second.Out.Send(t.Context(), make([]byte, 100))
		if err == nil { // it was queued
			synctest.Wait()
			_, err = second.Head(t.Context())
		}
		var reset *StreamError
		require.ErrorAs(t, err, &reset)
		require.True(t, reset.Unprocessed(), "%v", err)
		head, body := answer(t, first)
		require.Equal(t, 200, head.Status)
		require.Equal(t, "hello", body)
		_, err = c.Open(t.Context(), get("/"), true)
		require.Error(t, err)
		<-ran
	})
}
