package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// Each function that a user passes to a server may fail once, by a panic or runtime.Goexit. Its own connection may
// fail, the next one is served, and every place is released.
func TestG16UserCodeThatFallsEndsNoMoreThanItsConnection(t *testing.T) {
	secure, config := signed(t)
	for fallName, fall := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		for _, where := range []string{
			"Opened", "Closed", "Returned", "HandshakeFailed", "Refused", "Wrap", "OnRelease", "GetConfigForClient", "VerifyConnection", "Logger", "",
		} {
			for _, withTLS := range []bool{false, true} {
				var armed atomic.Bool
				armed.Store(true)
				at := func(place string) {
					if place == where && armed.Swap(false) {
						fall()
					}
				}
				var log logbook
				cfg := &servers.Config{
					MaxConns: 4, MaxPerIP: 2, Logger: slog.New(fallingLog{log.logger().Handler(), at}),
					Wrap: func(nc net.Conn) net.Conn { at("Wrap"); return nc },
					Conn: chanio.ConnConfig{OnRelease: func(*chanio.Conn) { at("OnRelease") }},
					Hooks: &servers.Hooks{
						Opened: func(*chanio.Conn, time.Duration) { at("Opened") }, Closed: func(*chanio.Conn) { at("Closed") },
						Returned:        func(*chanio.Conn, error) { at("Returned") },
						HandshakeFailed: func(net.Addr, error) { at("HandshakeFailed") }, Refused: func(net.Addr) { at("Refused") },
					},
				}
				if withTLS {
					cfg.TLS = &servers.TLSConfig{Certificates: secure.Certificates, Base: &tls.Config{
						GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { at("GetConfigForClient"); return nil, nil },
						VerifyConnection:   func(tls.ConnectionState) error { at("VerifyConnection"); return nil },
					}}
				}
				ln, result := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
					_ = echo(ctx, c)
					return errors.New("a line for the Logger")
				})
				connect := func() net.Conn {
					if withTLS {
						return tls.Client(dial(t, ln), config)
					}
					return dial(t, ln)
				}
				for range 3 { // one fails, the others do not
					err := tryOnce(ln, withTLS, config)
					if where == "" {
						require.NoError(t, err)
					}
					await(t, ln, 0) // otherwise the next one exceeds the limit of its address
				}
				if garbage, err := net.Dial("tcp", ln.Addr().String()); err == nil {
					_, _ = io.WriteString(garbage, "neither TLS nor anything else\r\n\r\n\r\n")
					_ = garbage.Close()
				}
				await(t, ln, 0)
				nc := connect()
				require.Equal(t, "hello", say(t, nc, "hello"), "%s in %q, TLS %v", fallName, where, withTLS)
				require.NoError(t, nc.Close())
				require.NoError(t, ln.Shutdown(t.Context()))
				require.NoError(t, <-result)
			}
		}
	}
}

// tryOnce has a short conversation.
func tryOnce(ln *servers.Listener, withTLS bool, config *tls.Config) error {
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return err
	}
	defer nc.Close()
	if withTLS {
		nc = tls.Client(nc, config)
	}
	if _, err = io.WriteString(nc, "x"); err == nil {
		_, err = io.ReadFull(nc, make([]byte, 1))
	}
	return err
}

// fallingLog fails at its first line.
type fallingLog struct {
	slog.Handler
	at func(string)
}

func (h fallingLog) Handle(ctx context.Context, r slog.Record) error {
	h.at("Logger")
	return h.Handler.Handle(ctx, r)
}

func TestG16APanicOfAHookIsAnErrorOfTheLogger(t *testing.T) {
	var log logbook
	ln, _ := serve(t, &servers.Config{Logger: log.logger(), Hooks: &servers.Hooks{Closed: func(*chanio.Conn) { panic("boom") }}}, echo)
	require.NoError(t, dial(t, ln).Close())
	for len(log.lines()) == 0 {
		runtime.Gosched()
	}
	require.Contains(t, log.lines()[0], `level=ERROR msg="servers: Hooks.Closed panicked" err="chanio: panic: boom" stack=`)
}

func TestWrapMayRefuseAConnection(t *testing.T) {
	refused := true
	ln, _ := serve(t, &servers.Config{MaxConns: 1, MaxPerIP: 1, Wrap: func(nc net.Conn) net.Conn {
		if refused {
			refused = false
			return nil
		}
		return nc
	}}, echo)
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, "hello", say(t, dial(t, ln), "hello"))
}

// Opened may reject a connection: it is not delivered, and all counts are as before.
func TestAConnectionThatOpenedAbortsIsNotServed(t *testing.T) {
	for _, withTLS := range []bool{false, true} {
		var opened, closed, served atomic.Int64
		cfg := &servers.Config{MaxConns: 1, MaxPerIP: 1, Hooks: &servers.Hooks{
			Opened: func(c *chanio.Conn, _ time.Duration) { opened.Add(1); c.Abort(errors.New("banned")) },
			Closed: func(*chanio.Conn) { closed.Add(1) },
		}}
		secure, config := signed(t)
		if withTLS {
			cfg.TLS = secure
		}
		ln, result := serve(t, cfg, func(context.Context, *chanio.Conn) error { served.Add(1); return nil })
		for range 5 {
			nc, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err) // the reset comes later
			if withTLS {
				_, err = tls.Client(nc, config).Read(make([]byte, 1))
			} else {
				_, err = nc.Read(make([]byte, 1))
			}
			require.Error(t, err)
			_ = nc.Close()
		}
		for closed.Load() < 5 {
			runtime.Gosched()
		}
		require.NoError(t, ln.Shutdown(t.Context()))
		require.NoError(t, <-result)
		require.EqualValues(t, 5, opened.Load())
		require.Zero(t, served.Load())
	}
}

// nameless is a net.Conn without addresses.
type nameless struct{ net.Conn }

func (nameless) LocalAddr() net.Addr  { return nil }
func (nameless) RemoteAddr() net.Addr { return nil }

func TestConnectionsWithoutAddressesAreServed(t *testing.T) {
	secure, config := signed(t)
	for _, withTLS := range []bool{false, true} {
		var log logbook
		cfg := &servers.Config{MaxPerIP: 1, Logger: log.logger(), Wrap: func(nc net.Conn) net.Conn { return nameless{nc} }}
		if withTLS {
			cfg.TLS = secure
		}
		ln, _ := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
			_ = echo(ctx, c)
			return errors.New(c.RemoteAddr().String())
		})
		nc := net.Conn(dial(t, ln))
		if withTLS {
			nc = tls.Client(nc, config)
		}
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.(interface{ CloseWrite() error }).CloseWrite())
		_, err := io.ReadAll(nc)
		require.NoError(t, err)
		await(t, ln, 0)
		require.Contains(t, log.lines()[0], "peer=unknown err=unknown")
	}
}

// strange is a net.Listener that fails temporarily, returns nothing, or panics.
type strange struct {
	net.Listener
	do []func() (net.Conn, error)
}

func (s *strange) Accept() (net.Conn, error) {
	if len(s.do) > 0 {
		f := s.do[0]
		s.do = s.do[1:]
		return f()
	}
	return s.Listener.Accept()
}

type passing struct{}

func (passing) Error() string   { return "try again" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

func TestAForeignListenerMayFailForNow(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	failed := make(chan error, 2)
	ln, err := servers.Listen(&strange{nl, []func() (net.Conn, error){
		func() (net.Conn, error) { return nil, passing{} },
		func() (net.Conn, error) { return nil, &net.OpError{Op: "accept", Net: "tcp", Err: passing{}} },
	}}, &servers.Config{Hooks: &servers.Hooks{AcceptFailed: func(err error) { failed <- err }}})
	require.NoError(t, err)
	serveOn(t, t.Context(), ln, echo)
	require.Equal(t, "hello", say(t, dial(t, ln), "hello"))
	require.Len(t, failed, 2)
	require.NoError(t, ln.Close())
}

// unsound is an error that panics when it is examined.
type unsound struct{}

func (unsound) Error() string { return "unsound" }
func (unsound) Is(error) bool { panic("boom: Is") }

func TestG16AForeignListenerThatPanicsEndsServeWithThat(t *testing.T) {
	secure, _ := signed(t)
	for _, cfg := range []*servers.Config{nil, {TLS: secure}} {
		for want, accept := range map[string]func() (net.Conn, error){
			"panic: boom":                     func() (net.Conn, error) { panic("boom") },
			"neither a connection nor an err": func() (net.Conn, error) { return nil, nil },
			"panic: boom: Is":                 func() (net.Conn, error) { return nil, unsound{} },
			"panic: runtime error":            func() (net.Conn, error) { return nil, (*net.OpError)(nil) },
		} {
			nl, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			ln, err := servers.Listen(&strange{nl, []func() (net.Conn, error){accept}}, cfg)
			require.NoError(t, err)
			require.ErrorContains(t, ln.Serve(t.Context(), echo), want)
		}
	}
}

// fragile is a connection of a foreign listener. Its methods panic.
type fragile struct{ net.Conn }

func (fragile) Read([]byte) (int, error)        { panic("boom: Read") }
func (fragile) SetReadDeadline(time.Time) error { panic("boom: SetReadDeadline") }
func (f fragile) Close() error                  { _ = f.Conn.Close(); panic("boom: Close") }

func TestG16AForeignConnThatPanicsBeforeItsHeaderEndsNothingElse(t *testing.T) {
	for _, slow := range []bool{false, true} {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		failed := make(chan error, 1)
		ln, err := servers.Listen(&strange{nl, []func() (net.Conn, error){
			func() (net.Conn, error) {
				nc, err := nl.Accept()
				if slow {
					return fragileClose{nc}, err
				}
				return fragile{nc}, err
			},
		}}, &servers.Config{
			ProxyAlways: true, MaxConns: 1, ProxyTimeout: 700 * time.Millisecond,
			Hooks: &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failed <- err }},
		})
		require.NoError(t, err)
		serveOn(t, t.Context(), ln, tellAddr)
		dial(t, ln)
		if err := <-failed; slow {
			if !strings.Contains(err.Error(), "made room for others") { // as on a machine that is busy for a second
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			}
		} else {
			require.ErrorContains(t, err, "boom: Read")
		}
		require.Contains(t, converse(t, dial(t, ln), proxyLine+"hello"), "192.0.2.1", "the only place is free again")
		require.NoError(t, ln.Close())
	}
}

// unshut cannot be half-closed, and says so with an error that panics when it is examined.
type unshut struct{ net.Conn }

func (unshut) CloseWrite() error { return unsound{} }

func TestG16AForeignConnWhoseHalfCloseFailsEndsNothingElse(t *testing.T) {
	ended := make(chan error, 1)
	ln, _ := serve(t, &servers.Config{
		Wrap:  func(nc net.Conn) net.Conn { return unshut{nc} },
		Hooks: &servers.Hooks{Closed: func(c *chanio.Conn) { ended <- c.Cause() }},
	}, func(context.Context, *chanio.Conn) error { return nil })
	for range 2 {
		dial(t, ln)
		require.ErrorContains(t, <-ended, "boom: Is")
	}
}

// fragileClose panics in Close.
type fragileClose struct{ net.Conn }

func (f fragileClose) Close() error { _ = f.Conn.Close(); panic("boom: Close") }

// asking calls its Listener from hooks.
type asking struct {
	net.Listener
	ask func()
}

func (a *asking) Close() error   { a.ask(); return a.Listener.Close() }
func (a *asking) Addr() net.Addr { return a.Listener.Addr() }

func TestG4CloseOfAForeignListenerMayLookAtTheListener(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var ln *servers.Listener
	ln, err = servers.Listen(&asking{nl, func() { _ = ln.String(); _ = ln.Close() }}, nil)
	require.NoError(t, err)
	require.NoError(t, ln.Close())
}

func TestTheConfigurationIsCopied(t *testing.T) {
	hooks := &servers.Hooks{}
	prefixes := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	cfg := &servers.Config{Hooks: hooks, ProxyFrom: prefixes}
	ln, _ := serve(t, cfg, tellAddr)
	changed := func() { t.Error("the caller's struct is still used") }
	cfg.Conn.OnRelease = func(*chanio.Conn) { changed() }
	cfg.Wrap = func(nc net.Conn) net.Conn { changed(); return nc }
	hooks.Opened = func(*chanio.Conn, time.Duration) { changed() }
	prefixes[0] = netip.MustParsePrefix("127.0.0.0/8")
	nc := dial(t, ln)
	require.Contains(t, converse(t, nc, proxyLine), "PROXY")
	await(t, ln, 0)
}

func TestPrefixesOfBalancersThatMatchNothingAreRefused(t *testing.T) {
	for text, ok := range map[string]bool{"::ffff:127.0.0.0/104": true, "::ffff:127.0.0.1/128": true, "::ffff:0:0/90": false} {
		ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{ProxyFrom: []netip.Prefix{netip.MustParsePrefix(text)}})
		require.Equal(t, ok, err == nil, "%s: %v", text, err)
		if ok {
			serveOn(t, t.Context(), ln, tellAddr)
			require.Equal(t, "192.0.2.1:56324 198.51.100.7:443 hello", converse(t, dial(t, ln), proxyLine+"hello"), text)
		}
	}
	_, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{ProxyFrom: make([]netip.Prefix, 1)})
	require.ErrorContains(t, err, "zero Prefix")
}

func TestOptionsThatMeanNothingThereAreRefused(t *testing.T) {
	_, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Mode: 0o600})
	require.ErrorContains(t, err, "Mode is for ListenUnix")
	_, err = servers.ListenUnix(filepath.Join(t.TempDir(), "s"), &servers.Config{ReusePort: true})
	require.ErrorContains(t, err, "TCP")
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	_, err = servers.Listen(nl, &servers.Config{Mode: 0o600})
	require.ErrorContains(t, err, "Mode is for ListenUnix")
}

// Actions of peers, such as a reset, garbage or silence, are not warnings. Errors of handlers are.
func TestG20FaultsOfPeersAreInfo(t *testing.T) {
	var log logbook
	came := make(chan struct{}, 10)
	ln, _ := serve(t, &servers.Config{Logger: log.logger()}, func(ctx context.Context, c *chanio.Conn) error {
		came <- struct{}{}
		for _, err := range codec.Decode(c.In, codec.Prefixed(codec.Uint16, codec.RawString, codec.Max(10))).Values(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	send := func(text string, reset bool) {
		n := len(log.lines())
		nc := dial(t, ln)
		if text != "" {
			_, err := io.WriteString(nc, text)
			require.NoError(t, err)
			<-came
		}
		if reset {
			require.NoError(t, nc.SetLinger(0))
		}
		require.NoError(t, nc.Close())
		if text != "" {
			for len(log.lines()) == n {
				runtime.Gosched()
			}
		}
	}
	send("\xff\xffgarbage", false)
	send("\x00", false)
	send("\x00", true)
	for range 3 {
		send("", false) // a health check
		send("", true)
	}
	await(t, ln, 0)
	require.Len(t, log.lines(), 3)
	for _, line := range log.lines() {
		require.Contains(t, line, `level=INFO msg="servers: connection failed"`)
		require.NotContains(t, line, "raw-read")
	}
}

func TestG20LinesAboutPeersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		ln, connect := listenInMemory(t, &servers.Config{Logger: log.logger()})
		result := serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
			if _, err := c.In.Recv(ctx); err != nil {
				return err
			}
			_ = c.SetReadDeadline(time.Now())
			_, err := c.In.Recv(ctx)
			return err
		})
		many := func(n int) {
			for range n {
				nc := connect()
				_, _ = nc.Write([]byte("x"))
				_, _ = io.Copy(io.Discard, nc)
				_ = nc.Close()
			}
			synctest.Wait()
		}
		many(1000)
		require.Len(t, log.lines(), 20)
		time.Sleep(time.Second)
		many(10)
		require.Len(t, log.lines(), 22)
		require.NotContains(t, log.lines()[19], "skipped")
		require.Contains(t, log.lines()[20], "skipped=980")
		require.NotContains(t, log.lines()[21], "skipped")
		time.Sleep(time.Minute)
		many(100)
		require.Len(t, log.lines(), 42)
		for range 4 {
			time.Sleep(time.Second / 2)
			many(1)
		}
		require.Len(t, log.lines(), 45, "only the first of them was too early")
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
	})
}

// A failed HandOver leaves the parent unchanged.
func TestAHandOverThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := servers.ListenUnix(path, nil)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "/does/not/exist")
	cmd.Env = []string{"A=1"}
	require.Error(t, servers.HandOver(cmd, ln))
	require.Empty(t, cmd.ExtraFiles)
	require.Equal(t, []string{"A=1"}, cmd.Env)
	serveOn(t, t.Context(), ln, echo)
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	require.NoError(t, ln.Close())
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, os.ErrNotExist, "its file is still its own to remove")
}

func TestSetALPNComesBeforeTheFirstConnection(t *testing.T) {
	secure, config := signed(t)
	config.NextProtos = []string{"a", "b"}
	for own, want := range map[string]string{"": "b", "a": "a"} {
		with := *secure
		if own != "" {
			with.ALPN = []string{own}
		}
		ln := listenTLS(t, &with, nil)
		require.NoError(t, ln.SetALPN("b"))
		serveOn(t, t.Context(), ln, echo)
		c, err := tls.Dial("tcp", ln.Addr().String(), config)
		require.NoError(t, err)
		require.Equal(t, want, c.ConnectionState().NegotiatedProtocol)
		require.Equal(t, "hello", say(t, c, "hello"))
		require.NoError(t, c.Close())
		if err := ln.SetALPN("c"); own == "" {
			require.ErrorContains(t, err, "too late")
		} else {
			require.NoError(t, err, "its own configuration goes before")
		}
	}
	require.NoError(t, listen(t, nil).SetALPN("x"), "there is no TLS")
}

func TestSetALPNLeavesTheProtocolsOfAChosenConfiguration(t *testing.T) {
	secure, config := signed(t)
	chosen := &tls.Config{Certificates: secure.Certificates, NextProtos: []string{"chosen"}}
	with := *secure
	with.Base = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }}
	ln := listenTLS(t, &with, nil)
	require.NoError(t, ln.SetALPN("b"))
	serveOn(t, t.Context(), ln, echo)
	config.NextProtos = []string{"chosen"}
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	require.Equal(t, "chosen", c.ConnectionState().NegotiatedProtocol)
	require.NoError(t, c.Close())
}

// A chosen configuration takes the place of Base, whose protocols are not its own.
func TestSetALPNSetsTheProtocolsOfAChosenConfigurationThatNamesNone(t *testing.T) {
	secure, config := signed(t)
	config.NextProtos = []string{"base", "b"}
	base := &tls.Config{NextProtos: []string{"base"}}
	with := *secure
	with.Base = base
	for want, chosen := range map[string]*tls.Config{"base": nil, "b": {}} {
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
		ln := listenTLS(t, &with, nil)
		require.NoError(t, ln.SetALPN("b"))
		serveOn(t, t.Context(), ln, echo)
		c, err := tls.Dial("tcp", ln.Addr().String(), config)
		require.NoError(t, err)
		require.Equal(t, want, c.ConnectionState().NegotiatedProtocol)
		require.NoError(t, c.Close())
	}
}

func TestSetALPNFailsWithoutTheFiles(t *testing.T) {
	secure, _ := signed(t)
	certPEM, keyPEM := pemOf(t, secure.Certificates[0])
	certFile := file(t, "cert.pem", certPEM)
	ln := listenTLS(t, &servers.TLSConfig{CertFile: certFile, KeyFile: file(t, "key.pem", keyPEM)}, nil)
	require.NoError(t, os.Remove(certFile))
	require.ErrorIs(t, ln.SetALPN("x"), os.ErrNotExist)
}

// Files that can no longer be read are logged, also if a protocol server has set its ALPN.
func TestG20SetALPNKeepsTheLogger(t *testing.T) {
	secure, _ := signed(t)
	certPEM, keyPEM := pemOf(t, secure.Certificates[0])
	certFile := file(t, "cert.pem", certPEM)
	var log logbook
	cfg := servers.Config{Logger: log.logger(), TLS: &servers.TLSConfig{CertFile: certFile, KeyFile: file(t, "key.pem", keyPEM)}}
	synctest.Test(t, func(t *testing.T) {
		ln, connect := listenInMemory(t, &cfg)
		before := len(log.lines()) // the bubble has its own clock, so the certificate is not valid yet
		require.NoError(t, ln.SetALPN("x"))
		require.Len(t, log.lines(), before, "nothing is said twice")
		result := serveOn(t, t.Context(), ln, echo)
		require.NoError(t, os.WriteFile(certFile, []byte("broken"), 0o600))
		time.Sleep(2 * time.Second)
		nc := connect()
		client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		require.Equal(t, "hello", say(t, client, "hello"))
		require.NoError(t, client.Close())
		require.NoError(t, ln.Close())
		require.NoError(t, <-result)
		require.Contains(t, log.lines()[before], "cannot reload the certificate")
	})
}

// A handshake that fails because of a peer is logged at Info. One that fails in the program's own code is an error with
// a stack.
func TestG20AHandshakeFailsByWhomeverItFails(t *testing.T) {
	for _, c := range []struct {
		panics       bool
		level, other string
	}{{false, "level=INFO", "stack="}, {true, "level=ERROR", "level=INFO"}} {
		secure, config := signed(t)
		secure.Base = &tls.Config{VerifyConnection: func(tls.ConnectionState) error {
			if c.panics {
				panic("boom")
			}
			return errors.New("not this one")
		}}
		var log logbook
		failed := make(chan error, 1)
		ln, _ := serve(t, &servers.Config{TLS: secure, Logger: log.logger(), Hooks: &servers.Hooks{
			HandshakeFailed: func(_ net.Addr, err error) { failed <- err },
		}}, echo)
		nc := tls.Client(dial(t, ln), config)
		_ = nc.Handshake()
		<-failed
		require.NoError(t, ln.Close())
		require.Len(t, log.lines(), 1)
		require.Contains(t, log.lines()[0], c.level)
		require.NotContains(t, log.lines()[0], c.other)
	}
}

func TestPlainAnswerIsSentToThoseWithoutTLS(t *testing.T) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, nil)
	first := make(chan [5]byte, 1)
	require.NoError(t, ln.SetPlainAnswer(func(b [5]byte) []byte {
		first <- b
		return []byte("no TLS")
	}))
	serveOn(t, t.Context(), ln, echo)
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	_, err = nc.Write([]byte("hello there"))
	require.NoError(t, err)
	got, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "no TLS", string(got))
	require.Equal(t, [5]byte([]byte("hello")), <-first)
	require.NoError(t, nc.Close())

	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, c, "hello"))
	require.NoError(t, c.Close())
	require.ErrorContains(t, ln.SetPlainAnswer(nil), "too late")
	require.NoError(t, listen(t, nil).SetPlainAnswer(nil), "there is no TLS")
}

// fallingListener panics in Close after closing, and at once in SetDeadline.
type fallingListener struct{ net.Listener }

func (l fallingListener) Close() error {
	_ = l.Listener.Close()
	panic("boom: Close")
}

func (fallingListener) SetDeadline(time.Time) error { panic("boom: SetDeadline") }

func TestG16AForeignListenerWhoseClosePanicsEndsNothingElse(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var log logbook
	ln, err := servers.Listen(fallingListener{nl}, &servers.Config{Logger: log.logger()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ln.Serve(ctx, echo) }()
	nc, err := net.Dial("tcp", nl.Addr().String())
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"))
	require.NoError(t, nc.Close())
	cancel() // closes it in a goroutine of the library
	require.NoError(t, <-served)
	require.Contains(t, log.lines()[0], "boom: Close")
}

// hollow is an error that cannot be examined if it is a nil pointer.
type hollow struct{ err error }

func (h *hollow) Error() string { return h.err.Error() }
func (h *hollow) Unwrap() error { return h.err }

func TestG16AnErrorThatPanicsEndsOnlyItsConnection(t *testing.T) {
	secure, config := signed(t)
	secure.Base = &tls.Config{VerifyConnection: func(state tls.ConnectionState) error {
		if state.ServerName == "hollow" {
			return (*hollow)(nil)
		}
		return nil
	}}
	for _, cfg := range []servers.Config{{}, {TLS: secure}} {
		var log logbook
		cfg.Logger, cfg.MaxConns = log.logger(), 1
		ln, served := serve(t, &cfg, func(ctx context.Context, c *chanio.Conn) error {
			if _, err := c.In.Recv(ctx); err != nil {
				return err
			}
			return (*hollow)(nil)
		})
		for _, name := range []string{"hollow", "localhost"} {
			nc := net.Conn(dial(t, ln))
			if cfg.TLS != nil {
				config := config.Clone()
				config.ServerName, config.InsecureSkipVerify = name, true
				nc = tls.Client(nc, config)
			}
			_, _ = nc.Write([]byte("x"))
			_, err := io.ReadAll(nc)
			require.Error(t, err, "it was aborted")
			_ = nc.Close()
		}
		await(t, ln, 0)
		require.NoError(t, ln.Close())
		require.NoError(t, <-served) // a failed handshake gives its place back before it is logged
		require.Len(t, log.lines(), 2)
		for _, line := range log.lines() {
			require.Contains(t, line, "level=ERROR")
			require.Contains(t, line, "panicked")
			require.Contains(t, line, "nil pointer dereference")
		}
	}
}

// The ctx of Serve ends with an error that panics when it is examined, while handlers return errors of their own.
func TestG16ServeEndsWhenItsCauseIsAnErrorThatPanics(t *testing.T) {
	secure, config := signed(t)
	for _, cfg := range []servers.Config{{}, {MaxConns: 1}, {TLS: secure}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		ln := listen(t, &cfg)
		served := serveOn(t, ctx, ln, func(ctx context.Context, c *chanio.Conn) error {
			cancel((*hollow)(nil))
			_, err := c.In.Recv(ctx)
			require.Equal(t, context.Canceled, err)
			return errors.New("the handler's own")
		})
		nc := net.Conn(dial(t, ln))
		if cfg.TLS != nil {
			nc = tls.Client(nc, config)
			_ = nc.(*tls.Conn).Handshake()
		}
		_, _ = io.ReadAll(nc)
		_ = nc.Close()
		require.NoError(t, <-served)
	}
}

func TestWrapMayReturnANilPointer(t *testing.T) {
	secure, _ := signed(t)
	for _, cfg := range []servers.Config{{MaxConns: 1}, {MaxConns: 1, TLS: secure}} {
		cfg.Wrap = func(net.Conn) net.Conn { return (*net.TCPConn)(nil) }
		ln, _ := serve(t, &cfg, echo)
		for range 2 {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				continue // it was reset already
			}
			_, err = io.ReadAll(nc)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.NoError(t, nc.Close())
		}
	}
}
