package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// stuckResolver never answers.
type stuckResolver struct{ asked func() }

func (r stuckResolver) LookupAddrs(ctx context.Context, _ string) ([]netip.Addr, error) {
	r.asked()
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// TestCancelledInAnyPhase cancels a request in each of its phases. The error is the cause, the body of the request is
// closed, and no connection stays.
func TestCancelledInAnyPhase(t *testing.T) {
	for name, k := range map[string]struct {
		cfg    func(s *rawServer, reached func()) *Config
		url    string                                              // "" means that of the server
		body   int                                                 // its length
		server func(nc net.Conn, in *bufio.Reader, reached func()) // before it reads until the end; nil if nothing arrives
	}{
		"the lookup": {url: "http://a.example/", cfg: func(_ *rawServer, reached func()) *Config {
			return &Config{Proxy: Direct, Connect: clients.Config{Resolver: stuckResolver{reached}}}
		}},
		"the dial": {cfg: func(_ *rawServer, reached func()) *Config {
			return &Config{Dial: func(ctx context.Context, _ string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
				reached()
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}}
		}},
		"the tunnel": {url: "https://a.example/",
			cfg:    func(s *rawServer, _ func()) *Config { return &Config{Proxy: via(t, s.url)} },
			server: func(_ net.Conn, in *bufio.Reader, reached func()) { readRequest(in); reached() }},
		"SOCKS": {url: "http://a.example/",
			cfg: func(s *rawServer, _ func()) *Config {
				return &Config{Proxy: via(t, strings.Replace(s.url, "http", "socks5", 1))}
			},
			server: func(_ net.Conn, in *bufio.Reader, reached func()) { _, _ = in.ReadByte(); reached() }},
		"the handshake": {url: "https", server: func(_ net.Conn, in *bufio.Reader, reached func()) { _, _ = in.ReadByte(); reached() }},
		"the body of the request": {body: 64 << 20, server: func(_ net.Conn, in *bufio.Reader, reached func()) {
			for n := 0; n < 1<<20; {
				m, _ := in.Discard(1 << 10)
				n += m
			}
			reached()
		}},
		"waiting for 100":      {body: 1, server: func(_ net.Conn, in *bufio.Reader, reached func()) { _, _ = in.ReadString('\n'); reached() }},
		"waiting for the head": {server: func(_ net.Conn, in *bufio.Reader, reached func()) { readRequest(in); reached() }},
		"within the head": {server: func(nc net.Conn, in *bufio.Reader, reached func()) {
			readRequest(in)
			_, _ = io.WriteString(nc, "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nA")
			reached()
		}},
		"HTTP/2 without settings": {
			cfg:    func(*rawServer, func()) *Config { return &Config{Protocols: h2c()} },
			server: func(_ net.Conn, in *bufio.Reader, reached func()) { _, _ = in.ReadString('\n'); reached() }},
	} {
		t.Run(name, func(t *testing.T) {
			mine := errors.New("mine")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var once sync.Once
			reached := func() { once.Do(func() { cancel(mine) }) }
			ended := make(chan struct{}, 1)
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				k.server(nc, in, reached)
				_, _ = io.Copy(io.Discard, in)
				ended <- struct{}{}
			})
			cfg := &Config{Proxy: Direct, ExpectTimeout: -1}
			if k.cfg != nil {
				cfg = k.cfg(s, reached)
			}
			c := newClient(t, cfg)
			r := &Request{URL: s.url}
			switch k.url {
			case "":
			case "https":
				r.URL = strings.Replace(s.url, "http:", "https:", 1)
			default:
				r.URL = k.url
			}
			body := recordClose(io.LimitReader(endless{}, int64(k.body)))
			if k.body > 0 {
				r.Body, r.Expect = Reader(body, int64(k.body)), k.body == 1
			}
			_, err := c.Do(ctx, r)
			require.ErrorIs(t, err, mine)
			if k.body > 0 {
				body.requireClosed(t)
			}
			if cfg.Protocols != nil { // the connection may be of use to others
				require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6)
				require.NoError(t, c.Close())
			}
			require.Eventually(t, func() bool { return c.Stats()[0].Dialing+c.Stats()[0].Open == 0 }, testPatience, 1e6)
			if k.server != nil {
				<-ended
			}
		})
	}
}

// endless is a reader of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
