package codec_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// tlsPair returns both ends of a TLS connection in memory.
func tlsPair(t *testing.T) (a, b *chanio.Conn) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	client := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	server := &tls.Config{Certificates: certified.TLS.Certificates}
	a, b = chanio.Pipe()
	done := make(chan error, 1)
	go func() {
		var err error
		b, err = chanio.TLSServer(context.Background(), b, server, nil)
		done <- err
	}()
	a, err := chanio.TLSClient(t.Context(), a, client, nil)
	require.NoError(t, err)
	require.NoError(t, <-done)
	return a, b
}

func TestConnectionsRefuseOpenEndedCodecs(t *testing.T) {
	const why = "on a connection no value would be complete"
	pairs := map[string]func() (a, b *chanio.Conn){
		"pipe": chanio.Pipe,
		"tcp":  func() (a, b *chanio.Conn) { return tcpPair(t) },
		"tls":  func() (a, b *chanio.Conn) { return tlsPair(t) },
	}
	for name, connect := range pairs {
		t.Run(name, func(t *testing.T) {
			a, b := connect()
			defer a.Out.Abort(nil)
			defer b.Out.Abort(nil)
			panics(t, why, func() { codec.Frame(a, codec.JSON[int]()) })
			panics(t, why, func() { codec.FrameBoth(a, codec.Bytes, codec.Lines) })
			panics(t, why, func() { _, _ = codec.Recv(t.Context(), b.In, codec.ToEnd(codec.Uint8)) })
			require.NoError(t, a.Out.Send(t.Context(), []byte("one\ntwo\n")))
			require.NoError(t, a.Out.Close())
			line, err := codec.Recv(t.Context(), b.In, codec.Lines)
			require.NoError(t, err, "a refused Recv has given the Source back")
			require.Equal(t, "one", line)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = codec.Recv(ctx, b.In, codec.Codec[string](interrupted{cancel})) // puts back what it has received
			require.ErrorIs(t, err, context.Canceled)
			panics(t, why, func() { codec.Decode(b.In, codec.Bytes) })
			panics(t, why, func() { codec.Resync(a.In, "x", codec.String, nil) })
		})
	}
}

// interrupted is a codec of large bodies. Its ctx ends when a body has started to arrive.
type interrupted struct{ cancel context.CancelFunc }

func (c interrupted) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (c interrupted) Decode(r *codec.Reader) (string, error) {
	if err := r.Skip(2); err != nil {
		return "", err
	}
	if _, err := r.Peek(1); err != nil {
		return "", err
	}
	c.cancel()
	return r.Text(32 << 10)
}

func TestOpenEndedCodecsDecodeStreamsThatEnd(t *testing.T) {
	for name, src := range map[string]*chanio.Source[[]byte]{
		"reader": chanio.FromReader(bytes.NewReader([]byte("[1,2]"))),
		"slice":  chanio.FromSlice([][]byte{[]byte("[1"), []byte(",2]")}),
	} {
		values := codec.Decode(src, codec.JSON[[]int]())
		v, err := values.Recv(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, []int{1, 2}, v, name)
		_, err = values.Recv(t.Context())
		require.Equal(t, io.EOF, err, name)
	}
}
