package chanio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestAnAbortedConnOfEndsBothHalvesWithTheCause(t *testing.T) {
	for name, recv := range map[string]func(*chanio.Conn) error{
		"a blocked Recv": func(c *chanio.Conn) error {
			res := make(chan error, 1)
			go func() {
				_, err := c.In.Recv(context.Background())
				res <- err
			}()
			synctest.Wait()
			c.Abort(errBroken)
			return <-res
		},
		"a later Recv": func(c *chanio.Conn) error {
			c.Abort(errBroken)
			_, err := c.In.Recv(context.Background())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, _ := chanio.PipeOf[[]byte](1)
				_, out := chanio.PipeOf[[]byte](1)
				c := chanio.ConnOf(in, out, nil)
				require.Equal(t, errBroken, recv(c))
				require.Equal(t, errBroken, c.In.Err())
				require.Equal(t, errBroken, c.Out.Err())
				require.Equal(t, errBroken, c.Cause())
				<-c.Done()
			})
		})
	}
}

func TestAConnOfIsNotDoneWhileOutDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, _ := chanio.PipeOf[[]byte](1)
		drained := make(chan struct{})
		out := chanio.NewSink(chanio.SinkHooks[[]byte]{
			Send:  func(context.Context, []byte) error { return nil },
			Close: func() error { <-drained; return nil },
		})
		c := chanio.ConnOf(in, out, nil)
		closed := make(chan error, 1)
		require.NoError(t, c.In.Close())
		go func() { closed <- c.Out.Close() }()
		synctest.Wait()
		select {
		case <-c.Done():
			t.Error("done although Out has not been drained")
		default:
		}
		close(drained)
		require.NoError(t, <-closed)
		<-c.Done()
	})
}

// Releasing a Source twice does not take it from its next consumer.
func TestReleasingTwiceTakesTheSourceFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		nc := chanio.AsNetConn(near)
		require.Same(t, near, chanio.NewConn(nc, nil))
		res := make(chan string, 1)
		go func() {
			p, _ := near.In.Recv(t.Context())
			res <- string(p)
		}()
		synctest.Wait()
		require.Same(t, near, chanio.NewConn(nc, nil))
		require.Panics(t, func() { _, _ = near.In.Recv(t.Context()) }, "the first one is still receiving")
		require.NoError(t, far.Out.Send(t.Context(), []byte("x")))
		require.Equal(t, "x", <-res)
		far.Abort(nil)
		near.Abort(nil)
	})
}

// The deadlines of the plain connection do not apply after STARTTLS, even if the start of the handshake arrived early
// and was put back.
func TestSTARTTLSForgetsWhatBoundedTheLowerConnection(t *testing.T) {
	x, y := socketPair(t, "tcp", "127.0.0.1:0")
	near, far := chanio.NewConn(x, &chanio.ConnConfig{IdleTimeout: 2 * time.Second}), chanio.NewConn(y, nil)
	server, client := selfSigned()
	require.NoError(t, far.Out.Send(t.Context(), []byte("STARTTLS\n")))
	secured := make(chan *chanio.Conn, 1)
	go func() {
		c, err := chanio.TLSClient(t.Context(), far, client, nil)
		if err != nil {
			t.Error(err)
		}
		secured <- c
	}()
	up, err := near.In.Acquire(t.Context(), "test")
	require.NoError(t, err)
	var early []byte
	for len(early) <= len("STARTTLS\n") {
		p, err := up.Next(t.Context())
		require.NoError(t, err)
		early = append(early, p...)
	}
	up.Unread(early[len("STARTTLS\n"):])
	up.Release()
	require.NoError(t, near.SetReadDeadline(time.Now().Add(2*time.Second)))
	s, err := chanio.TLSServer(t.Context(), near, server, nil)
	require.NoError(t, err)
	c := <-secured
	time.AfterFunc(2500*time.Millisecond, func() { _ = c.Out.Send(context.Background(), []byte("late")) })
	p, err := s.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "late", string(p))
	c.Abort(nil)
	s.Abort(nil)
	<-c.Done()
	<-s.Done()
}

// A panic in a Source ends both sides, in either direction.
func TestG16APanicInARelayEndsBothSides(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			broken := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) ([]byte, error) { panic("broken") }})
			_, sink := chanio.PipeOf[[]byte](1)
			quiet, _ := chanio.PipeOf[[]byte](1)
			_, other := chanio.PipeOf[[]byte](1)
			a, b := chanio.ConnOf(quiet, sink, nil), chanio.ConnOf(broken, other, nil)
			if swapped {
				a, b = b, a
			}
			err := chanio.Relay(t.Context(), a, b)
			var panicked *chanio.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, "broken", panicked.Value)
			for _, end := range []error{a.Out.Err(), b.Out.Err(), quiet.Err()} {
				require.ErrorIs(t, end, err)
			}
			<-a.Done()
			<-b.Done()
		})
	}
}

func TestAPrefixComesFirstAlsoAfterEndInAndUnderTLS(t *testing.T) {
	x, y := socketPair(t, "tcp", "127.0.0.1:0")
	c := chanio.NewConn(x, &chanio.ConnConfig{Prefix: []byte("before")})
	c.EndIn(errBroken)
	p, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "before", string(p))
	_, err = c.In.Recv(t.Context())
	require.Equal(t, errBroken, err)
	c.Abort(nil)
	require.NoError(t, y.Close())

	x, y = socketPair(t, "tcp", "127.0.0.1:0")
	server, client := selfSigned()
	said := make(chan error, 1)
	go func() {
		nc := tls.Client(x, client)
		_, err := nc.Write([]byte("hello"))
		said <- errors.Join(err, nc.CloseWrite())
	}()
	hello := make([]byte, 20) // of the ClientHello
	_, err = io.ReadFull(y, hello)
	require.NoError(t, err)
	s, err := chanio.TLSServer(t.Context(), chanio.NewConn(y, &chanio.ConnConfig{Prefix: hello}), server, nil)
	require.NoError(t, err)
	all, err := chanio.ReadAll(t.Context(), s.In, 100)
	require.NoError(t, err)
	require.Equal(t, "hello", string(all))
	require.NoError(t, <-said)
	s.Abort(nil)
	<-s.Done()
	require.NoError(t, x.Close())
}

func TestAConnOfIsReleasedThoughItsSinkPanicsInClose(t *testing.T) {
	in, _ := chanio.PipeOf[[]byte](0)
	end := &chanio.End{Logger: slog.New(slog.DiscardHandler)}
	out := chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: func(context.Context, []byte) error { return nil }, Close: func() error { panic("of the user") }, End: end,
	})
	c := chanio.ConnOf(in, out, nil)
	end.BeginClose(nil) // the Conn closes out itself
	require.NoError(t, c.In.Close())
	<-c.Done()
}
