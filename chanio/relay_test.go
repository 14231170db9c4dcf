package chanio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// relayed returns the two ends of a conversation that goes through a Relay, and the channel of Relay's result.
func relayed(t *testing.T, ctx context.Context) (client, server *chanio.Conn, result <-chan error) {
	client, a := tcpConnPair(t, nil)
	b, server := tcpConnPair(t, nil)
	done := make(chan error, 1)
	go func() { done <- chanio.Relay(ctx, a, b) }()
	return client, server, done
}

func TestRelayHalfClosesWhatEnds(t *testing.T) {
	client, server, result := relayed(t, t.Context())
	question, answer := bytes.Repeat([]byte("q"), 1<<20), bytes.Repeat([]byte("a"), 1<<20)
	sent := make(chan error, 1)
	go func() { sent <- errors.Join(client.Out.Send(t.Context(), question), client.Out.Close()) }()
	got, err := chanio.ReadAll(t.Context(), server.In, 2<<20)
	require.NoError(t, err)
	require.Len(t, got, len(question))
	require.NoError(t, <-sent)
	go func() { sent <- errors.Join(server.Out.Send(t.Context(), answer), server.Out.Close()) }()
	got, err = chanio.ReadAll(t.Context(), client.In, 2<<20)
	require.NoError(t, err)
	require.Len(t, got, len(answer))
	require.NoError(t, <-sent)
	require.NoError(t, <-result)
}

func TestG6RelayWithoutHalfCloseStillPassesTheReply(t *testing.T) {
	client, a := tcpConnPair(t, nil)
	dialled, accepted := socketPair(t, "tcp", "127.0.0.1:0")
	b, server := chanio.NewConn(struct{ net.Conn }{dialled}, nil), chanio.NewConn(accepted, nil)
	t.Cleanup(func() {
		b.Abort(nil)
		server.Abort(nil)
	})
	result := make(chan error, 1)
	go func() { result <- chanio.Relay(t.Context(), a, b) }()
	require.NoError(t, client.Out.Send(t.Context(), []byte("question")))
	require.NoError(t, client.Out.Close())
	got := make([]byte, len("question"))
	_, err := io.ReadFull(chanio.NewReader(t.Context(), server.In), got)
	require.NoError(t, err)
	require.Equal(t, "question", string(got))
	require.NoError(t, server.Out.Send(t.Context(), []byte("reply")))
	require.NoError(t, server.Out.Close())
	reply, err := chanio.ReadAll(t.Context(), client.In, 100)
	require.NoError(t, err)
	require.Equal(t, "reply", string(reply))
	require.NoError(t, <-result)
}

func TestRelayAbortsBothWhenOneFails(t *testing.T) {
	client, server, result := relayed(t, t.Context())
	require.NoError(t, client.Out.Send(t.Context(), []byte("x")))
	_, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	client.Abort(nil) // a reset
	require.Error(t, <-result)
	_, err = server.In.Recv(t.Context())
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err, "a reset is no clean end")
}

func TestRelayLosesNothingWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	client, a := tcpConnPair(t, nil)
	b, server := tcpConnPair(t, nil)
	result := make(chan error, 1)
	go func() { result <- chanio.Relay(ctx, a, b) }()
	require.NoError(t, client.Out.Send(t.Context(), []byte("one")))
	p, err := server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "one", string(p))
	why := errors.New("why")
	cancel(why)
	require.Equal(t, why, <-result)
	require.NoError(t, client.Out.Send(t.Context(), []byte("two")))
	go func() { result <- chanio.Relay(t.Context(), a, b) }()
	p, err = server.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "two", string(p))
	require.NoError(t, client.Close())
	require.NoError(t, server.Close())
	require.NoError(t, <-result)
}

func TestDrainIsHeededByTheProtocolOrEndsIn(t *testing.T) {
	why := errors.New("why")
	a, b := chanio.Pipe()
	defer a.Abort(nil)
	defer b.Abort(nil)
	told := make(chan error, 2)
	stop := a.OnDrain(func(cause error) { told <- cause })
	a.Drain(why)
	a.Drain(errors.New("again"))
	require.Equal(t, why, <-told)
	require.False(t, stop(), "it has been called")
	a.OnDrain(func(cause error) { told <- cause })
	require.Equal(t, why, <-told, "also late")
	require.NoError(t, b.Out.Send(t.Context(), []byte("x")))
	_, err := a.In.Recv(t.Context())
	require.NoError(t, err, "In goes on")

	require.True(t, b.OnDrain(func(error) { t.Error("taken back") })())
	require.NoError(t, a.Out.Send(t.Context(), []byte("y")))
	b.Drain(why)
	p, err := b.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "y", string(p))
	_, err = b.In.Recv(t.Context())
	require.Equal(t, why, err)
	require.NoError(t, b.Out.Send(t.Context(), []byte("z")), "Out lives")
}

func TestConnOfIsAConn(t *testing.T) {
	in, far := chanio.PipeOf[[]byte](1)
	back, out := chanio.PipeOf[[]byte](1)
	addr := &net.UnixAddr{Name: "x", Net: "unix"}
	c := chanio.ConnOf(in, out, &chanio.ConnInfo{LocalAddr: addr})
	require.Equal(t, addr, c.LocalAddr())
	require.Equal(t, "stream", c.RemoteAddr().String())
	require.Nil(t, c.TLS())
	require.Nil(t, c.NetConn())
	require.ErrorIs(t, c.SetReadDeadline(time.Now()), errors.ErrUnsupported)
	require.NoError(t, far.Send(t.Context(), []byte("x")))
	p, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "x", string(p))
	require.NoError(t, c.Out.Send(t.Context(), []byte("y")))
	require.NoError(t, c.Close())
	<-c.Done()
	p, err = back.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "y", string(p))
	require.PanicsWithValue(t, "chanio: ConnOf: a half is nil", func() { chanio.ConnOf(nil, out, nil) })
}
