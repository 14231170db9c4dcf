package httpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
)

// TestServerThatRequiresHTTP1IsAskedOverHTTP1 uses a server that has negotiated HTTP/2 and then refuses a request with
// HTTP_1_1_REQUIRED, which means that it did not process it (RFC 9113 7).
func TestServerThatRequiresHTTP1IsAskedOverHTTP1(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	only := new(http.Protocols)
	only.SetHTTP2(true)
	leaves := func(last uint32, ends bool) answer {
		return func(f *frames.Framer, id uint32) {
			_ = f.WriteGoAway(last, frames.ErrCodeHTTP11Required, nil)
			if ends {
				_ = f.WriteSettingsAck() // a connection error
				_ = f.WriteRawFrame(frames.FrameSettings, frames.FlagSettingsAck, 0, []byte("x"))
			}
		}
	}
	for name, k := range map[string]struct {
		moment
		fails     answer
		protocols *http.Protocols
	}{
		"RST_STREAM":           {moment: moment{again: repeatable}, fails: resets(frames.ErrCodeHTTP11Required)},
		"RST_STREAM, only 2":   {moment: moment{again: nothing, text: "HTTP_1_1_REQUIRED"}, fails: resets(frames.ErrCodeHTTP11Required), protocols: only},
		"GOAWAY below":         {moment: moment{again: repeatable}, fails: leaves(0, false)},
		"GOAWAY below, only 2": {moment: moment{again: nothing, text: "HTTP_1_1_REQUIRED"}, fails: leaves(0, false), protocols: only},
		"GOAWAY above":         {moment: moment{again: nothing}, fails: leaves(1, true)},
	} {
		for _, kind := range kinds {
			t.Run(name+"/"+kind.name, func(t *testing.T) {
				s := raw(t, func(nc net.Conn, _ *bufio.Reader) {
					secure := tls.Server(nc, &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
					if secure.Handshake() != nil {
						return
					}
					in := bufio.NewReader(secure)
					if secure.ConnectionState().NegotiatedProtocol == "h2" {
						answerFrames(secure, in, []answer{k.fails})
						return
					}
					answersAnything(secure, in)
				})
				c := newClient(t, &Config{Connect: trusting(), Protocols: k.protocols})
				url := strings.Replace(s.url, "http:", "https:", 1)
				k.requireOutcome(t, c, kind, kind.request(t, url, 1))
				if !k.again(kind) {
					require.Equal(t, 1, s.accepted())
				}
			})
		}
	}
}

// TestWebSocketOfAServerThatRequiresHTTP1 refuses an extended CONNECT.
func TestWebSocketOfAServerThatRequiresHTTP1(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	s := raw(t, func(nc net.Conn, _ *bufio.Reader) {
		secure := tls.Server(nc, &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
		if secure.Handshake() != nil {
			return
		}
		in := bufio.NewReader(secure)
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			answerFrames(secure, in, []answer{answersHead, resets(frames.ErrCodeHTTP11Required)}, frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 1})
			return
		}
		says("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n")(secure, in)
	})
	c := newClient(t, &Config{Connect: trusting()})
	status, _ := text(t, c, strings.Replace(s.url, "http:", "https:", 1))
	require.Equal(t, 200, status)
	_, err := c.DialWebSocket(t.Context(), strings.Replace(s.url, "http:", "wss:", 1), nil)
	require.ErrorContains(t, err, "418", "the answer over HTTP/1")
	require.Equal(t, 2, s.accepted())
}

// TestDialInProgressKeepsItsTarget has a request leave HTTP/2 while the dial that was started for it is in progress.
func TestDialInProgressKeepsItsTarget(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	arrived, free, dialling, late := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	offers := make(chan []string, 3)
	held := func(f *frames.Framer, id uint32) {
		close(arrived)
		<-free
		answersHead(f, id)
	}
	s := raw(t, func(nc net.Conn, _ *bufio.Reader) {
		secure := tls.Server(nc, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			offers <- hello.SupportedProtos
			return &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}, nil
		}})
		if secure.Handshake() != nil {
			return
		}
		in := bufio.NewReader(secure)
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			one := frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 1}
			answerFrames(secure, in, []answer{answersHead, held, resets(frames.ErrCodeHTTP11Required)}, one)
			return
		}
		answersAnything(secure, in)
	})
	dials := atomic.Int32{}
	c := newClient(t, &Config{Connect: trusting(), Dial: func(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		if dials.Add(1) == 2 {
			close(dialling)
			<-late
		}
		return clients.DialTCP(ctx, addr, &clients.Config{Conn: *conn})
	}})
	url := strings.Replace(s.url, "http:", "https:", 1)
	status, _ := text(t, c, url)
	require.Equal(t, 200, status)
	first := c.Go(t.Context(), &Request{URL: url})
	<-arrived
	second := c.Go(t.Context(), &Request{URL: url})
	<-dialling
	close(free)
	for _, f := range []*future.Future[*Response]{first, second} {
		resp, err := f.Await(t.Context())
		require.NoError(t, err)
		require.NoError(t, resp.Close())
	}
	<-offers
	require.Equal(t, []string{"http/1.1"}, <-offers, "of the second attempt")
	close(late)
	require.Equal(t, []string{"h2", "http/1.1"}, <-offers, "of the dial for the first attempt")
}
