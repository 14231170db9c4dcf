package httpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
	"github.com/weir-go/weir/servers"
)

// Server serves an [http.Handler]. Its methods are safe for concurrent use.
type Server struct {
	handler http.Handler
	counted http.Handler // handler, or a wrapper that counts its requests if there is a limit
	cfg     Config
	limits  http1.Limits

	protocols http.Protocols
	log       *slog.Logger
	http2     *http2.Config
	running   atomic.Int64 // requests in progress, if there is a limit
	native    func(context.Context, Exchange) error
	idlers    idlers

	mu        sync.Mutex
	listeners map[*servers.Listener]struct{}
	closed    bool
}

// New returns a Server for handler; nil means http.DefaultServeMux. cfg may be nil.
func New(handler http.Handler, cfg *Config) *Server {
	if handler == nil {
		handler = http.DefaultServeMux
	}
	s := &Server{handler: handler, cfg: cfg.complete(), listeners: map[*servers.Listener]struct{}{}}
	if s.counted = handler; s.cfg.MaxConcurrent > 0 {
		s.counted = counted{s, handler}
	}
	s.limits = s.cfg.limits()
	s.log, s.idlers.limit = s.cfg.Logger, s.cfg.IdleTimeout
	s.protocols, s.http2 = s.cfg.protocols(), s.cfg.http2()
	return s
}

// ListenAndServe serves handler at addr until ctx ends: see [Server.Serve]. addr is a TCP address such as ":8080" or,
// after "unix:", the path of a socket.
func ListenAndServe(ctx context.Context, addr string, handler http.Handler, cfg *Config) error {
	return New(handler, cfg).ListenAndServe(ctx, addr)
}

// ListenAndServe listens at addr and calls [Server.Serve].
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	ln, err := s.listen(addr)
	if err != nil {
		return err
	}
	return s.serve(ctx, ln, nil)
}

func (s *Server) listen(addr string) (*servers.Listener, error) {
	cfg := s.cfg.Listen
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return servers.ListenUnix(path, &cfg)
	}
	return servers.ListenTCP(addr, &cfg)
}

// Serve serves the connections of ln until ctx ends or Shutdown is called, and closes ln. The end of ctx starts a
// Shutdown limited by Config.ShutdownTimeout. After either, Serve returns nil when all connections have been released.
// Otherwise it returns the error of ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	cfg := s.cfg.Listen
	wrapped, err := servers.Listen(ln, &cfg)
	if err != nil {
		return err
	}
	return s.serve(ctx, wrapped, ln)
}

// ServeListener is [Server.Serve] for a Listener of package servers.
func (s *Server) ServeListener(ctx context.Context, ln *servers.Listener) error {
	return s.serve(ctx, ln, nil)
}

func (s *Server) serve(ctx context.Context, ln *servers.Listener, nl net.Listener) error {
	if err := s.offer(ln); err != nil {
		_ = ln.Close()
		return err
	}
	if !s.add(ln) {
		_ = ln.Close()
		return nil
	}
	defer s.remove(ln)
	base := context.WithoutCancel(ctx)
	if s.cfg.BaseContext != nil {
		if nl == nil {
			nl = addrOnly{ln}
		}
		base = s.cfg.BaseContext(nl)
	}
	common := &serving{s, s.shown(ln), base, context.WithoutCancel(base)}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(s.cfg.ShutdownTimeout, 0))
		defer cancel()
		_ = ln.Shutdown(limit) // the remaining connections are aborted
	})
	err := ln.Serve(common.io, func(ctx context.Context, nc *chanio.Conn) error {
		return newConn(common, ctx, nc).run()
	})
	if !stop() {
		<-done
	}
	return err
}

// offer sets the protocols of a TLS listener. If the listener has its own, they must be among the enabled ones.
func (s *Server) offer(ln *servers.Listener) error {
	if secure := ln.TLSConfig(); secure != nil {
		for _, name := range secure.ALPN {
			if (name == "h2" || name == "http/1.1") && !slices.Contains(s.alpn(), name) {
				return fmt.Errorf("httpd: TLSConfig.ALPN has %q, which Config.Protocols has not", name)
			}
		}
	}
	if err := ln.SetPlainAnswer(toPlain); err != nil {
		return err
	}
	return ln.SetALPN(s.alpn()...)
}

// shown returns the value of http.ServerContextKey: an http.Server that describes this one and never serves.
func (s *Server) shown(ln *servers.Listener) *http.Server {
	return &http.Server{
		Addr: ln.Addr().String(), Handler: s.handler, ReadHeaderTimeout: max(s.cfg.HeadTimeout, 0),
		IdleTimeout: max(s.cfg.IdleTimeout, 0), MaxHeaderBytes: s.cfg.MaxHead,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError), TLSConfig: s.shownTLS(ln.TLSConfig()),
	}
}

// shownTLS returns the tls.Config that corresponds to secure, or nil without TLS.
func (s *Server) shownTLS(secure *servers.TLSConfig) *tls.Config {
	if secure == nil {
		return nil
	}
	shown := secure.Base.Clone()
	if shown == nil {
		shown = &tls.Config{}
	}
	shown.MinVersion = max(tls.VersionTLS12, secure.MinVersion, shown.MinVersion)
	if len(secure.Certificates) > 0 {
		shown.Certificates = secure.Certificates
	}
	if secure.ClientCAs != nil {
		shown.ClientCAs, shown.ClientAuth = secure.ClientCAs, cmp.Or(secure.ClientAuth, tls.RequireAndVerifyClientCert)
	}
	switch {
	case len(secure.ALPN) > 0:
		shown.NextProtos = secure.ALPN
	case len(shown.NextProtos) == 0:
		shown.NextProtos = s.alpn()
	}
	return shown
}

// addrOnly is the net.Listener that is passed to BaseContext for a Listener of package servers.
type addrOnly struct{ *servers.Listener }

func (addrOnly) Accept() (net.Conn, error) { return nil, errors.ErrUnsupported }

func (s *Server) add(ln *servers.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) remove(ln *servers.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

// String returns the addresses that the Server listens on, each with its transport and its number of open connections.
func (s *Server) String() string {
	s.mu.Lock()
	all := make([]*servers.Listener, 0, len(s.listeners))
	for ln := range s.listeners {
		all = append(all, ln)
	}
	s.mu.Unlock()
	said := make([]string, len(all))
	for i, ln := range all {
		said[i] = ln.String()
	}
	if len(said) == 0 {
		return "httpd: not listening"
	}
	slices.Sort(said)
	return "httpd: " + strings.Join(said, ", ")
}

// Shutdown ends the Server gracefully: it stops accepting, lets requests in progress finish, tells their clients that
// the connection ends, and closes idle connections. The input of a hijacked connection ends, and so do WebSockets and
// event streams. If ctx ends first, Shutdown aborts what is left and returns the cause. Serve returns when everything
// has ended.
//
// The contexts of requests do not end before ctx does. A handler that sends without an end, such as a [Reply] with an
// endless [NDJSON], must itself end in time, for example when the ctx passed to Serve ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	all := make([]*servers.Listener, 0, len(s.listeners))
	for ln := range s.listeners {
		all = append(all, ln)
	}
	s.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, ln := range all {
		wg.Go(func() { errs[i] = ln.Shutdown(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
