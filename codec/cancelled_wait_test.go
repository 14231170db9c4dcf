package codec_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// lateConn is a net.Conn whose first Read returns data just after the ctx of the call has ended.
type lateConn struct {
	net.Conn
	cancel context.CancelFunc
	data   string
}

func (c *lateConn) Read(p []byte) (int, error) {
	if c.cancel == nil {
		return c.Conn.Read(p)
	}
	c.cancel()
	c.cancel = nil
	return copy(p, c.data), nil
}

// Bytes that arrive after the ctx of a receiver of frames has ended are not decoded. They may belong to something else,
// such as TLS after a line of STARTTLS.
func TestWhatArrivesAfterCtxHasEndedIsNotDecoded(t *testing.T) {
	type receive = func(context.Context) (string, error)
	for name, on := range map[string]func(in *chanio.Source[[]byte]) (late, again receive){
		"Recv": func(in *chanio.Source[[]byte]) (late, again receive) {
			f := func(ctx context.Context) (string, error) { return codec.Recv(ctx, in, codec.Lines) }
			return f, f
		},
		"Decode": func(in *chanio.Source[[]byte]) (late, again receive) {
			lines := codec.Decode(in, codec.Lines)
			return lines.Recv, lines.Recv
		},
		"a channel": func(in *chanio.Source[[]byte]) (late, again receive) {
			lines := codec.Decode(in, codec.Lines)
			return func(ctx context.Context) (string, error) { return <-lines.C(ctx), lines.Err() }, lines.Recv
		},
	} {
		for _, view := range []string{"the connection", "a view of its chunks"} {
			ctx, cancel := context.WithCancel(t.Context())
			a, b := net.Pipe()
			conn := chanio.NewConn(&lateConn{a, cancel, "\x16\x03\x01\nhello"}, nil)
			in := conn.In
			if view != "the connection" {
				in = chanio.NewSource(chanio.SourceHooks[[]byte]{Next: conn.In.Recv})
			}
			late, again := on(in)
			got, err := late(ctx)
			require.ErrorIs(t, err, context.Canceled, "%s, %s", name, view)
			require.Empty(t, got, "%s, %s", name, view)
			got, err = again(t.Context())
			require.NoError(t, err, "%s, %s", name, view)
			require.Equal(t, "\x16\x03\x01", got, "%s, %s", name, view)
			require.NoError(t, b.Close())
			conn.Abort(nil)
			<-conn.Done()
		}
	}
}
