package websocket_test

import (
	"compress/flate"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// failsOnce is a Compressor that fails, or panics, when it has compressed its second message.
type failsOnce struct {
	*flate.Writer
	messages int
	panics   bool
}

func (f *failsOnce) Flush() error {
	err := f.Writer.Flush()
	if f.messages++; f.messages == 2 && f.panics {
		panic("broken")
	} else if f.messages == 2 {
		return errors.New("broken")
	}
	return err
}

// TestMessageThatWasNotCompressedIsNotReferredTo sends the message again, with context takeover.
func TestMessageThatWasNotCompressedIsNotReferredTo(t *testing.T) {
	for _, panics := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			deflate := &websocket.Deflate{Takeover: true, From: 1}
			deflate.NewWriter = func(dst io.Writer, level int) (websocket.Compressor, error) {
				w, err := flate.NewWriter(dst, level)
				return &failsOnce{Writer: w, panics: panics}, err
			}
			a, b := chanio.Pipe()
			server := websocket.NewConn(a, &websocket.Config{Deflate: deflate, Extension: &websocket.Extension{}})
			client := websocket.NewConn(b, &websocket.Config{Client: true, Deflate: &websocket.Deflate{}, Extension: &websocket.Extension{}})
			for n, text := range []string{"first", "second", "second"} {
				m := websocket.Text(strings.Repeat(text+" message ", 20))
				if n == 1 && panics {
					require.Panics(t, func() { _ = server.Out.Send(t.Context(), m) })
					continue
				}
				if err := server.Out.Send(t.Context(), m); n == 1 {
					require.Error(t, err)
					continue
				}
				got, err := client.In.Recv(t.Context())
				require.NoError(t, err)
				require.Equal(t, m.String(), got.String())
			}
			server.Abort(nil)
			client.Abort(nil)
		})
	}
}

// slowCompressor waits within a Flush.
type slowCompressor struct {
	*flate.Writer
	flushing, flush chan struct{}
}

func (s slowCompressor) Flush() error {
	close(s.flushing)
	<-s.flush
	return s.Writer.Flush()
}

// TestSlowCompressorDelaysItsOwnConnectionsOnly sends one prepared message to connections of two Deflates.
func TestSlowCompressorDelaysItsOwnConnectionsOnly(t *testing.T) {
	ctx := within(t)
	m, err := websocket.Prepare(websocket.Text(strings.Repeat("message ", 20)))
	require.NoError(t, err)
	slow := &websocket.Deflate{From: 1}
	flushing, flush := make(chan struct{}), make(chan struct{})
	slow.NewWriter = func(dst io.Writer, level int) (websocket.Compressor, error) {
		w, err := flate.NewWriter(dst, level)
		return slowCompressor{w, flushing, flush}, err
	}
	sent := make(chan error, 1)
	slowClient, slowServer := negotiated(t, &websocket.Deflate{}, slow, "")
	go func() { sent <- slowServer.Out.Send(ctx, m) }()
	<-flushing

	client, server := negotiated(t, &websocket.Deflate{}, &websocket.Deflate{From: 1}, "")
	require.NoError(t, server.Out.Send(ctx, m))
	close(flush)
	require.NoError(t, <-sent)
	for _, c := range []*websocket.Conn{client, slowClient} {
		got, err := c.In.Recv(ctx)
		require.NoError(t, err)
		require.Equal(t, m.String(), got.String())
	}
}
