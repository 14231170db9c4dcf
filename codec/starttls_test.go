package codec_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/tlsconf"
	"github.com/weir-go/weir/pipeline"
)

// tlsConfigs returns the configurations of a server and of a client that trusts it.
func tlsConfigs(t testing.TB) (server, client *tls.Config) {
	cert, roots, err := tlsconf.SelfSigned("weir.test")
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{
		RootCAs: roots, ServerName: "weir.test", Time: func() time.Time { return cert.Leaf.NotBefore.Add(time.Hour) },
	}
}

// The client's hello arrives together with the line before it.
func TestTLSBeginsAboveLines(t *testing.T) {
	server, client := tlsConfigs(t)
	for name, receive := range map[string]func(ctx context.Context, c *chanio.Conn) (*chanio.Source[string], string, error){
		"Frame": func(ctx context.Context, c *chanio.Conn) (*chanio.Source[string], string, error) {
			lines := codec.Frame(c, codec.Lines)
			line, err := lines.In.Recv(ctx)
			return lines.In, line, err
		},
		"TryRecv": func(ctx context.Context, c *chanio.Conn) (*chanio.Source[string], string, error) {
			lines := codec.Decode(c.In, codec.Lines)
			first, err := lines.Recv(ctx)
			if err != nil || first != "EHLO" {
				return lines, first, err
			}
			line, _, err := lines.TryRecv()
			return lines, line, err
		},
		"Resync": func(ctx context.Context, c *chanio.Conn) (*chanio.Source[string], string, error) {
			lines := codec.Resync(c.In, "START", codec.Lines, nil)
			line, err := lines.Recv(ctx)
			return lines, line, err
		},
		"a range": func(ctx context.Context, c *chanio.Conn) (*chanio.Source[string], string, error) {
			lines := codec.Decode(c.In, codec.Lines)
			for line := range lines.All(ctx) {
				return lines, line, nil
			}
			return lines, "", lines.Err()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := chanio.Pipe()
			require.NoError(t, far.Out.Send(t.Context(), []byte("STARTTLS\r\n")))
			dialling := future.Go(t.Context(), func(ctx context.Context) (*chanio.Conn, error) {
				return chanio.TLSClient(ctx, far, client, nil)
			})
			synctest.Wait()
			lines, line, err := receive(t.Context(), near)
			require.NoError(t, err, name)
			require.Equal(t, "STARTTLS", line, name)
			secured, err := chanio.TLSServer(t.Context(), near, server, nil)
			require.NoError(t, err, name)

			const gone = "TLS has begun on the connection"
			_, ok, err := lines.TryRecv()
			require.False(t, ok)
			if name == "Resync" { // it never has anything at hand
				require.NoError(t, err)
				_, err = lines.Recv(t.Context())
			}
			require.ErrorContains(t, err, gone, name)
			_, err = lines.Recv(t.Context())
			require.ErrorContains(t, err, gone, name)
			require.NoError(t, lines.Close(), name)

			dialled, err := dialling.Await(t.Context())
			require.NoError(t, err, name)
			words := codec.Frame(secured, codec.Lines)
			require.NoError(t, codec.Send(t.Context(), dialled.Out, codec.Lines, "secret"))
			got, err := words.In.Recv(t.Context())
			require.NoError(t, err, name)
			require.Equal(t, "secret", got)
			require.NoError(t, dialled.Out.Close())
			_, err = words.In.Recv(t.Context())
			require.Equal(t, io.EOF, err)
			require.NoError(t, words.Close())
			require.NoError(t, dialled.Close())
		})
	}
}

// Bytes that were sent in the clear after the last line are never taken for bytes that arrived through TLS.
func TestTLSTakesNothingThatCameBefore(t *testing.T) {
	server, _ := tlsConfigs(t)
	large := codec.Prefixed(codec.Uint32, codec.Bytes)
	for name, c := range map[string]struct {
		sent    []byte
		receive func(ctx context.Context, c *chanio.Conn)
	}{
		"another line": {[]byte("STARTTLS\nRSET, injected\n"), func(ctx context.Context, c *chanio.Conn) {
			_, err := codec.Frame(c, codec.Lines).In.Recv(ctx)
			require.NoError(t, err)
		}},
		"half a line": {[]byte("RSET, injec"), func(ctx context.Context, c *chanio.Conn) {
			_, err := codec.Frame(c, codec.Lines).In.Recv(ctx)
			require.ErrorIs(t, err, context.Canceled)
		}},
		"half of a large frame": {append([]byte{0, 16, 0, 0}, bytes.Repeat([]byte("injected"), 40_000)...), func(ctx context.Context, c *chanio.Conn) {
			_, err := codec.Frame(c, large).In.Recv(ctx)
			require.ErrorIs(t, err, context.Canceled)
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := chanio.Pipe()
			sending := future.Go(t.Context(), func(ctx context.Context) (struct{}, error) {
				return struct{}{}, far.Out.Send(ctx, c.sent)
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				synctest.Wait()
				cancel()
			}()
			c.receive(ctx, near)
			_, err := chanio.TLSServer(t.Context(), near, server, nil)
			var garbage tls.RecordHeaderError
			require.ErrorAs(t, err, &garbage, name)
			far.Abort(nil)
			_, _ = sending.Await(t.Context())
			cancel()
		})
	}
}

func TestTLSDoesNotBeginWhileLinesAreReceived(t *testing.T) {
	server, _ := tlsConfigs(t)
	near, far := chanio.Pipe()
	defer far.Close()
	defer near.Abort(nil)
	lines := codec.Decode(near.In, codec.Lines)
	require.NoError(t, far.Out.Send(t.Context(), []byte("a\nb\n")))
	for range lines.All(t.Context()) {
		require.PanicsWithValue(t, "chanio: this Source is being received from by a range over All or Values, whose body (or another goroutine) "+
			"must not receive from it too; to give its values to several consumers, use pipeline.Tee",
			func() { _, _ = chanio.TLSServer(t.Context(), near, server, nil) })
		break
	}
	words := pipeline.Map(lines, func(s string) string { return s + "!" })
	require.PanicsWithValue(t, "chanio: this Source already has a consumer, pipeline.Map; to give its values to several consumers, use pipeline.Tee",
		func() { _, _ = chanio.TLSServer(t.Context(), near, server, nil) })
	word, err := words.Recv(t.Context())
	require.NoError(t, err, "nothing has changed")
	require.Equal(t, "b!", word)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrNoProgress)
	near2, far2 := chanio.Pipe()
	defer far2.Close()
	codec.Decode(near2.In, codec.Lines)
	_, err = chanio.TLSServer(ctx, near2, server, nil)
	require.ErrorIs(t, err, io.ErrNoProgress)
}
