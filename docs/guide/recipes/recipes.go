// Package recipes holds the code that docs/recipes.md quotes. A test runs each function.
package recipes

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers"
)

type Question struct{ Text string }

type Answer struct{ Text string }

// Calls.

var (
	questions = codec.Prefixed(codec.Uint32, codec.JSON[Question]())
	answers   = codec.Prefixed(codec.Uint32, codec.JSON[Answer]())
)

func answerAll(ctx context.Context, c *chanio.Conn) error {
	d := codec.FrameBoth(c, questions, answers)
	replies := pipeline.MapConcurrent(ctx, d.In, 8, answer) // 8 at once, in order
	return pipeline.Connect(ctx, replies, d.Out)
}

func newCaller(addr string) *clients.Client[Answer, Question] {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	return clients.NewClient(dial, answers, questions, &clients.ClientConfig[Answer, Question]{
		Timeout: 2 * time.Second, // for each call, connecting included
	})
}

func ask(ctx context.Context, caller *clients.Client[Answer, Question], text string) (string, error) {
	reply, err := caller.Call(ctx, Question{text}) // for any goroutine
	return reply.Text, err
}

func answer(_ context.Context, q Question) (Answer, error) {
	return Answer{strings.ToUpper(q.Text)}, nil
}

// A pool of connections.

func newPool(addr string) *clients.Pool[*chanio.Conn] {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	return clients.NewConnPool(dial, &clients.PoolConfig[*chanio.Conn]{MaxOpen: 4}) // further callers wait
}

func askPooled(ctx context.Context, pool *clients.Pool[*chanio.Conn], text string) (a Answer, err error) {
	err = pool.Do(ctx, func(ctx context.Context, c *chanio.Conn) error { // after an error c is closed
		if err := codec.Send(ctx, c.Out, questions, Question{text}); err != nil {
			return err
		}
		a, err = codec.Recv(ctx, c.In, answers)
		return err
	})
	return a, err
}

// A proxy.

func proxy(ctx context.Context, client *chanio.Conn, backend string) error {
	server, err := clients.DialTCP(ctx, backend, nil)
	if err != nil {
		client.Abort(err) // a reset: the client must not take this for an empty reply
		return err
	}
	defer server.Close()
	return chanio.Relay(ctx, client, server) // each side is half-closed when the other ends
}

func relayWhileActive(ctx context.Context, a, b *chanio.Conn, limit time.Duration) error {
	watch := func(ctx context.Context) error {
		tick := time.NewTicker(limit)
		defer tick.Stop()
		for last, now := (chanio.ConnStats{BytesIn: -1}), a.Stats(); now != last; last, now = now, a.Stats() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		a.Abort(os.ErrDeadlineExceeded)
		b.Abort(os.ErrDeadlineExceeded)
		return os.ErrDeadlineExceeded
	}
	return chanio.Race(ctx, watch, func(ctx context.Context) error { return chanio.Relay(ctx, a, b) })
}

// A client that reconnects.

func follow(ctx context.Context, addr string, show func(line string)) error {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	feed := clients.Reconnect(dial, &clients.ReconnectConfig{MaxAttempts: 10})
	defer feed.Close()
	for conn := range feed.Conns.All(ctx) { // the next one when this one has ended
		for line := range codec.Decode(conn.In, codec.Lines).All(ctx) {
			show(line)
		}
		_ = conn.Close()
	}
	return feed.Conns.Err()
}

// Timeouts.

func timeouts() (*servers.Listener, error) {
	return servers.ListenTCP("localhost:0", &servers.Config{
		Conn: chanio.ConnConfig{
			IdleTimeout:  time.Minute,      // a Recv that waits longer for a byte fails
			WriteTimeout: 30 * time.Second, // a peer that reads nothing for so long is aborted
			Linger:       5 * time.Second,  // how long Close waits for a peer that reads nothing
		},
	})
}

func recvWithin(in *chanio.Source[string], limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return in.Recv(ctx) // a call that timed out has taken nothing
}

// STARTTLS.

func secureServer(ctx context.Context, c *chanio.Conn, cert tls.Certificate) (*chanio.Conn, error) {
	line, err := codec.Recv(ctx, c.In, codec.Lines)
	if err != nil || line != "STARTTLS" {
		return nil, cmp.Or(err, errors.New("expected STARTTLS"))
	}
	if err := codec.Send(ctx, c.Out, codec.Lines, "go ahead"); err != nil {
		return nil, err
	}
	return chanio.TLSServer(ctx, c, &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
}

func secureClient(ctx context.Context, c *chanio.Conn, host string, cfg *clients.TLSConfig) (*chanio.Conn, error) {
	if err := codec.Send(ctx, c.Out, codec.Lines, "STARTTLS"); err != nil {
		return nil, err
	}
	if _, err := codec.Recv(ctx, c.In, codec.Lines); err != nil {
		return nil, err
	}
	return clients.UpgradeTLS(ctx, c, host, cfg, nil)
}

// A pipeline over a file.

func longest(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	lines := codec.Decode(chanio.FromReader(f, f.Close), codec.Lines)
	words := pipeline.FlatMap(lines, strings.Fields)
	return pipeline.Reduce(ctx, words, "", func(best, word string) string {
		if len(word) > len(best) {
			return word
		}
		return best
	})
}

// One value to many.

func room(ctx context.Context, c *chanio.Conn, messages *bus.Bus[string, string]) error {
	lines := codec.Frame(c, codec.Lines)
	heard, err := messages.Subscribe(ctx, "lobby", &pipeline.Queue[string]{
		Size: 100, Policy: pipeline.DropOldest, // a slow member loses messages and does not delay others
	})
	if err != nil {
		return err
	}
	defer heard.Close()
	return chanio.Race(ctx,
		func(ctx context.Context) error { return pipeline.Connect(ctx, heard, lines.Out) },
		func(ctx context.Context) error {
			return pipeline.ForEach(ctx, lines.In, func(line string) error {
				_, err := messages.Publish(ctx, "lobby", line)
				return err
			})
		})
}

// Batches by size and time.

func store(ctx context.Context, rows *chanio.Source[string], write func([]string) error) error {
	batches := pipeline.Batch(rows, 100, time.Second) // at most 100 rows, or one second
	return pipeline.ForEach(ctx, batches, write)
}

// Calls that are repeated.

func newPatientCaller(dial func(ctx context.Context) (*chanio.Conn, error)) *clients.Client[Answer, Question] {
	return clients.NewClient(dial, answers, questions, &clients.ClientConfig[Answer, Question]{
		Timeout:   2 * time.Second, // of each call; after as long again without the reply, the connection is replaced
		Reconnect: clients.ReconnectConfig{Backoff: clients.ExponentialBackoff(100*time.Millisecond, 5*time.Second, 0.5)},
	})
}

func askAgain(ctx context.Context, caller *clients.Client[Answer, Question], text string) (string, error) {
	pause := clients.ExponentialBackoff(100*time.Millisecond, 5*time.Second, 0.5)
	for failures := 1; ; failures++ {
		reply, err := ask(ctx, caller, text)
		if err == nil || failures == 5 {
			return reply, err
		}
		select {
		case <-time.After(pause(failures)):
		case <-ctx.Done():
			return "", errors.Join(context.Cause(ctx), err)
		}
	}
}

// The standard library over a connection.

func dump(ctx context.Context, c *chanio.Conn, src io.Reader) error {
	w := chanio.NewWriter(ctx, c.Out)
	if _, err := io.Copy(w, src); err != nil {
		return err
	}
	return w.Close() // a half-close: the peer reads to the end
}
