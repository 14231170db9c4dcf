package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/servers"
)

// The tests in this file cover problems reported by users of similar libraries.

const (
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	v2Local     = "\x20"
	v2Proxied   = "\x21"
	v2Addrs     = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"
)

// tellingPeer first writes the peer's address, as SMTP and SSH servers write first, and then echoes.
func tellingPeer(ctx context.Context, c *chanio.Conn) error {
	if err := c.Out.Send(ctx, []byte(c.RemoteAddr().String()+"\n")); err != nil {
		return err
	}
	return echo(ctx, c)
}

// A header is read without waiting for further bytes, also if the server writes first (pires/go-proxyproto 69). The
// header of a balancer's health check may contain addresses and vectors, which do not apply to it and are not payload
// (pires/go-proxyproto 12, dovecot/core 125), and need not have an address family (pires/go-proxyproto 60).
func TestAProxyHeaderIsReadToItsEndAndNoFurther(t *testing.T) {
	ln, _ := serve(t, &servers.Config{ProxyAlways: true}, tellingPeer)
	for header, from := range map[string]string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n":                                "192.0.2.1:1",
		"PROXY UNKNOWN\r\n":                                                     "",
		v2Signature + v2Local + "\x00\x00\x00":                                  "",
		v2Signature + v2Local + "\x11\x00\x0c" + v2Addrs:                        "",
		v2Signature + v2Local + "\x00\x00\x07" + "\x04\x00\x04....":             "",
		v2Signature + v2Proxied + "\x00\x00\x00":                                "",
		v2Signature + v2Proxied + "\x11\x00\x13" + v2Addrs + "\x04\x00\x04....": "192.0.2.1:56324",
	} {
		nc := dial(t, ln)
		for i := range len(header) { // byte by byte
			_, err := io.WriteString(nc, header[i:i+1])
			require.NoError(t, err)
		}
		if from == "" {
			from = nc.LocalAddr().String()
		}
		require.Equal(t, from+"\n", func() string {
			b := make([]byte, len(from)+1)
			_, err := io.ReadFull(nc, b)
			require.NoError(t, err, "%q", header)
			return string(b)
		}(), "%q", header)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
	}
}

// A header that is too short for the addresses it announces ends its own connection, not the process
// (mastercactapus/caddy-proxyprotocol 8). A header without an end is refused when it exceeds the maximum length, before
// the timeout (pires/go-proxyproto 69).
func TestAProxyHeaderThatIsNoneEndsItsOwnConnection(t *testing.T) {
	var failed []error
	told := make(chan error, 10)
	hooks := &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { told <- err }}
	ln, _ := serve(t, &servers.Config{ProxyAlways: true, ProxyTimeout: time.Hour, Hooks: hooks}, tellingPeer)
	endless := make([]byte, 200)
	for i := range endless {
		endless[i] = ' '
	}
	for _, header := range []string{
		v2Signature + v2Proxied + "\x12\x00\x00", v2Signature + v2Proxied + "\x11\x00\x00", v2Signature + v2Proxied + "\x21\x00\x0c" + v2Addrs,
		v2Signature + v2Proxied + "\x11\x00\x0e" + v2Addrs + "\x04\xff", v2Signature + "\x31\x11\x00\x0c" + v2Addrs,
		"PROXY TCP4 192.0.2.1" + string(endless),
	} {
		nc := dial(t, ln)
		_, err := io.WriteString(nc, header)
		require.NoError(t, err)
		if header[len(v2Signature)+1] == '\x12' { // datagrams: addresses are not read, as for UNSPEC
			require.NoError(t, nc.CloseWrite())
			_, _ = io.ReadAll(nc)
			continue
		}
		_, err = io.ReadAll(nc)
		failed = append(failed, <-told)
		_ = nc.Close()
		_ = err // reset or closed: it may not have read everything
	}
	require.Len(t, failed, 5)
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
	require.NoError(t, err)
	require.Equal(t, "192.0.2.1:1\n", func() string {
		b := make([]byte, 12)
		_, err := io.ReadFull(nc, b)
		require.NoError(t, err)
		return string(b)
	}())
}

// What cannot become a header is refused at its first byte: a peer that waits for an answer to a short line would
// otherwise hold its place, and a shutdown, until the timeout.
func TestAProxyHeaderIsRefusedAtItsFirstWrongByte(t *testing.T) {
	told := make(chan error, 1)
	hooks := &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { told <- err }}
	ln, _ := serve(t, &servers.Config{ProxyAlways: true, ProxyTimeout: time.Hour, Hooks: hooks}, tellingPeer)
	for _, start := range []string{"p", "PING\r\n", "\r\n\r\nQ", "PROXY4"} {
		nc := dial(t, ln)
		require.NoError(t, nc.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := io.WriteString(nc, start)
		require.NoError(t, err)
		_, err = io.ReadAll(nc)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, start)
		require.ErrorContains(t, <-told, fmt.Sprintf("begins with %q", start))
	}
}

// Clients that connect and send nothing delay neither others nor the end of the server (soheilhy/cmux 65 and 76).
func TestSilentClientsHoldUpNeitherOthersNorTheEnd(t *testing.T) {
	ln, result := serve(t, &servers.Config{ProxyAlways: true, ProxyTimeout: time.Hour}, tellingPeer)
	for range 20 {
		dial(t, ln)
	}
	nc := dial(t, ln)
	_, err := io.WriteString(nc, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
	require.NoError(t, err)
	b := make([]byte, 12)
	_, err = io.ReadFull(nc, b)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it waits for silent clients"))
	defer cancel()
	require.NoError(t, ln.Shutdown(ctx))
	require.NoError(t, <-result)
}

// slowLog takes a second for each line.
type slowLog struct {
	slog.Handler
	lines atomic.Int32
}

func (l *slowLog) Handle(context.Context, slog.Record) error {
	time.Sleep(time.Second)
	l.lines.Add(1)
	return nil
}

// A shutdown does not return while its log line is being written.
func TestG11ShutdownWaitsForItsLogLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		nl, err := network.Listen("server")
		require.NoError(t, err)
		log := &slowLog{Handler: slog.NewTextHandler(io.Discard, nil)}
		ln, err := servers.Listen(nl, &servers.Config{Logger: slog.New(log)})
		require.NoError(t, err)
		result := serveOn(t, t.Context(), ln, func(context.Context, *chanio.Conn) error {
			time.Sleep(1500 * time.Millisecond)
			return nil
		})
		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		_, err = io.WriteString(nc, "x")
		require.NoError(t, err)
		go func() {
			_, _ = io.Copy(io.Discard, nc)
			_ = nc.Close()
		}()
		synctest.Wait()
		require.NoError(t, ln.Shutdown(t.Context()))
		require.EqualValues(t, 1, log.lines.Load())
		require.NoError(t, <-result)
	})
}

// Config.Logger gets the panics of functions that were registered with a connection, unless Config.Conn has a Logger.
func TestG20TheLoggerGetsPanicsOfOnDrain(t *testing.T) {
	for _, own := range []bool{false, true} {
		var log, conn logbook
		cfg := &servers.Config{Logger: log.logger()}
		if own {
			cfg.Conn.Logger = conn.logger()
		}
		ready := make(chan struct{})
		ln, result := serve(t, cfg, func(ctx context.Context, c *chanio.Conn) error {
			c.OnDrain(func(error) {
				defer c.Abort(nil)
				panic("boom")
			})
			close(ready)
			<-c.Done()
			return nil
		})
		_ = dial(t, ln)
		<-ready
		require.NoError(t, ln.Shutdown(t.Context()))
		require.NoError(t, <-result)
		book := &log
		if own {
			book = &conn
		}
		for len(book.lines()) == 0 {
			runtime.Gosched() // it is logged in the goroutine of the function
		}
		require.Contains(t, book.lines()[0], "boom")
	}
}

// A connection that has been released does not write to the next one, which has its descriptor (panjf2000/gnet 621).
func TestAReleasedConnectionDoesNotWriteToTheNext(t *testing.T) {
	ln := listen(t, nil)
	dial(t, ln)
	old, err := ln.Conns.Recv(t.Context())
	require.NoError(t, err)
	old.Abort(nil)
	<-old.Done()
	for range 8 { // one of them has the descriptor
		nc := dial(t, ln)
		c, err := ln.Conns.Recv(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, old.Out.Send(t.Context(), []byte("stray")), net.ErrClosed)
		require.ErrorIs(t, old.Close(), net.ErrClosed)
		require.NoError(t, c.Out.Send(t.Context(), []byte("own")))
		require.NoError(t, c.Out.Close())
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Equal(t, "own", string(got))
		require.NoError(t, nc.Close())
		require.NoError(t, c.Close())
	}
}

// Each Opened has its Closed, however peers and handlers end their connections (panjf2000/gnet 540).
func TestHooksAreToldOfAsManyEndsAsBeginnings(t *testing.T) {
	var opened, closed atomic.Int32
	ln, _ := serve(t, &servers.Config{Hooks: &servers.Hooks{
		Opened: func(c *chanio.Conn, _ time.Duration) {
			if opened.Add(1)%5 == 0 {
				c.Abort(nil)
			}
		},
		Closed: func(*chanio.Conn) { closed.Add(1) },
	}}, func(ctx context.Context, c *chanio.Conn) error {
		switch chunk, err := c.In.Recv(ctx); {
		case err != nil:
			return err
		case chunk[0] == 'a':
			c.Abort(nil)
		case chunk[0] == 'c':
			return c.Close()
		case chunk[0] == 'p':
			panic("as asked")
		}
		return echo(ctx, c)
	})
	const rounds = 10
	for range rounds {
		for _, text := range []string{"abort", "close", "panic", "echo", "reset", ""} {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				continue // Opened has aborted it already
			}
			require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
			_, _ = io.WriteString(nc, text)
			if text == "reset" {
				require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
			} else {
				_ = nc.(*net.TCPConn).CloseWrite()
				_, _ = io.ReadAll(nc)
			}
			require.NoError(t, nc.Close())
		}
	}
	require.NoError(t, ln.Close())
	require.Equal(t, opened.Load(), closed.Load())
	require.LessOrEqual(t, opened.Load(), int32(6*rounds))
	require.Greater(t, opened.Load(), int32(4*rounds), "a reset may come before the accept, and be all there is")
}

// A client that says STARTTLS and then nothing does not keep its handler (emersion/go-smtp 174).
func TestASilentClientAfterSTARTTLSIsGivenUp(t *testing.T) {
	var log logbook
	cert, _, err := servers.SelfSigned("weir.test")
	require.NoError(t, err)
	handle := func(ctx context.Context, c *chanio.Conn) error {
		if _, err := c.In.Recv(ctx); err != nil {
			return err
		}
		_, err := chanio.TLSServer(ctx, c, &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
		return err
	}
	inMemory(t, servers.Config{Logger: log.logger()}, handle, func(t *testing.T, ln *servers.Listener, dial func() net.Conn, _ <-chan error) {
		nc := dial()
		_, err := io.WriteString(nc, "STARTTLS\n")
		require.NoError(t, err)
		start := time.Now()
		_, err = io.ReadAll(nc)
		require.Error(t, err)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, nc.Close())
		await(t, ln, 0)
		require.Len(t, log.lines(), 1)
		require.Contains(t, log.lines()[0], `level=INFO msg="servers: connection failed"`)
		require.Contains(t, log.lines()[0], "not over within 10s")
	})
}
