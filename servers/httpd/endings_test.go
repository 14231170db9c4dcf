package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http2"
	"github.com/weir-go/weir/servers"
)

// TestGoAwayOfAClientIsTheCauseOfItsRequests has a client send GOAWAY with an error before it disconnects.
func TestGoAwayOfAClientIsTheCauseOfItsRequests(t *testing.T) {
	entered, why := make(chan struct{}), make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		why <- context.Cause(r.Context())
	}), nil)
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, preface)
	require.NoError(t, err)
	f := frames.NewFramer(nc, nil)
	require.NoError(t, f.WriteSettings())
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, field := range ask2("GET") {
		require.NoError(t, enc.WriteField(hpack.HeaderField{Name: field.Name, Value: field.Value}))
	}
	require.NoError(t, f.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	<-entered
	require.NoError(t, f.WriteGoAway(0, frames.ErrCodeEnhanceYourCalm, []byte("enough")))
	require.NoError(t, nc.Close())
	var ended *StreamError
	require.ErrorAs(t, <-why, &ended)
	require.True(t, ended.Remote)
	require.Equal(t, CodeEnhanceYourCalm, ended.Code)
	require.ErrorContains(t, ended, "enough")
}

func TestReplyThatFailsBehindItsHeadIsResetWithInternalError(t *testing.T) {
	addr := start(t, Reply(func(context.Context, *http.Request) (Response, error) {
		return TextStream(failingSource("begun", errBoom)), nil
	}), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	hears(t, s)
	var reset *StreamError
	require.ErrorAs(t, s.Err(), &reset)
	require.Equal(t, http2.InternalError, reset.Code)
}

// TestTLSListenerWithoutProtocolsOffersThoseThatAreSpoken serves a Listener that was made without ALPN.
func TestTLSListenerWithoutProtocolsOffersThoseThatAreSpoken(t *testing.T) {
	cert, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}}, nil)
	require.NoError(t, err)
	srv := New(say("x"), nil)
	served := make(chan error, 1)
	go func() { served <- srv.ServeListener(context.Background(), ln) }()
	for _, offer := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}, {"h2"}} {
		nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: pool, NextProtos: offer})
		require.NoError(t, err)
		require.Equal(t, offer[0], nc.ConnectionState().NegotiatedProtocol)
		_ = nc.Close()
	}
	require.Contains(t, srv.String(), "tcp+tls "+ln.Addr().String())
	require.NoError(t, srv.Shutdown(t.Context()))
	require.NoError(t, awaitIn(t, served))
}

// TestWhatAClientSendsIsQuotedInTheLog logs failures of handlers of every form, and a panic.
func TestWhatAClientSendsIsQuotedInTheLog(t *testing.T) {
	const ask = "GET /a\"b|c HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\nCookie: secret\r\nProxy-Authorization: secret\r\n\r\n"
	for name, handler := range map[string]http.Handler{
		"reply": Reply(func(context.Context, *http.Request) (Response, error) { return Response{}, errBoom }),
		"panic": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errBoom) }),
		"stream": Stream(func(ctx context.Context, d *chanio.Duplex[[]byte, []byte]) error {
			return errors.Join(d.Out.Send(ctx, []byte("x")), d.Out.Flush(ctx), errBoom)
		}),
	} {
		log := newLockedBuffer()
		cfg := Config{HalfClose: true, Logger: slog.New(slog.NewJSONHandler(log, nil))}
		cfg.Hooks = &Hooks{Ended: AccessLog(cfg.Logger)}
		t.Run(name, func(t *testing.T) { rawReply(t, start(t, handler, &cfg), ask) })
		require.Contains(t, log.String(), `/a`, name)
		require.NotContains(t, log.String(), `/a"b`, name)
		require.NotContains(t, log.String(), "secret", name)
		require.Contains(t, log.String(), "boom", name)
	}
}
