package stream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

var bg = context.Background()

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil { // the tests of each wait more than they work
		panic(err)
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 && !settles(before) {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "goroutines outlived the tests:\n%s\n", buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// settles reports whether the number of goroutines falls to n within a while.
func settles(n int) bool {
	for range 3000 {
		if runtime.NumGoroutine() <= n {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// panicError is the error of a panic.
type panicError struct{ v any }

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.v) }

// config returns cfg, or the default, with the fields that a Stream requires.
func config(cfg *stream.Config) stream.Config {
	if cfg == nil {
		cfg = &stream.Config{}
	}
	c := *cfg
	c.Panic = func(v any) error { return &panicError{v} }
	return c
}

// tcpPair returns both ends of a TCP connection.
func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	x, y := dialled(t, ln)
	return x.(*net.TCPConn), y.(*net.TCPConn)
}

func unixPair(t testing.TB) (a, b net.Conn) {
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	return dialled(t, ln)
}

func dialled(t testing.TB, ln net.Listener) (a, b net.Conn) {
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, _ := ln.Accept()
		accepted <- nc
	}()
	a, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	require.NoError(t, err)
	b = <-accepted
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

var tlsConfigs = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{InsecureSkipVerify: true}
})

// lowerOf returns s as the stream below TLS.
func lowerOf(s *stream.Stream) stream.Lower {
	return stream.Lower{
		In: &s.In, Out: &s.Out, Flush: s.Out.Flush, Close: s.CloseWaited, Abort: s.Abort,
		Progress: s.Out.Ending().Progress, Stream: s,
		LocalAddr: s.NetConn().LocalAddr(), RemoteAddr: s.NetConn().RemoteAddr(),
	}
}

// secured returns two TLS Streams over a and b.
func secured(t testing.TB, a, b *stream.Stream, ca, cb stream.Config) (x, y *stream.Stream) {
	server, client := tlsConfigs()
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := stream.TLSServer(bg, lowerOf(b), server, false)
		if err == nil {
			y = stream.New(nc, cb)
		}
	}()
	nc, err := stream.TLSClient(bg, lowerOf(a), client, false)
	require.NoError(t, err)
	<-done
	require.NotNil(t, y)
	return stream.New(nc, ca), y
}

// below is the configuration of the stream below TLS.
func below(cfg stream.Config) stream.Config {
	cfg.Prefix, cfg.IdleTimeout = nil, 0
	return cfg
}

// hidden hides all but the methods of net.Conn.
type hidden struct{ net.Conn }

// halfClosing is hidden with a half-close.
type halfClosing struct{ hidden }

func (c halfClosing) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// pairs are the ways to connect two Streams.
var pairs = map[string]func(t testing.TB, a, b stream.Config) (x, y *stream.Stream){
	"memory": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := memconn.Pipe(0)
		return stream.New(p, a), stream.New(q, b)
	},
	"TCP": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := tcpPair(t)
		return stream.New(p, a), stream.New(q, b)
	},
	"Unix": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := unixPair(t)
		return stream.New(p, a), stream.New(q, b)
	},
	"TLS": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := tcpPair(t)
		return secured(t, stream.New(p, below(a)), stream.New(q, below(b)), a, b)
	},
	"TLS in memory": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := memconn.Pipe(3000)
		return secured(t, stream.New(p, below(a)), stream.New(q, below(b)), a, b)
	},
	"wrapper": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		p, q := tcpPair(t)
		return stream.New(halfClosing{hidden{p}}, a), stream.New(halfClosing{hidden{q}}, b)
	},
	"crypto/tls": func(t testing.TB, a, b stream.Config) (x, y *stream.Stream) {
		server, client := tlsConfigs()
		p, q := tcpPair(t)
		s, c := tls.Server(p, server), tls.Client(q, client)
		go c.Handshake()
		require.NoError(t, s.Handshake())
		require.NoError(t, c.Handshake())
		return stream.New(s, a), stream.New(c, b)
	},
}

// each runs f over every kind of pair, in parallel because f mostly waits.
func each(t *testing.T, a, b *stream.Config, f func(t *testing.T, x, y *stream.Stream)) {
	n := runtime.NumGoroutine()
	t.Run("all", func(t *testing.T) {
		for name, pair := range pairs {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				x, y := pair(t, config(a), config(b))
				f(t, x, y)
				x.Abort(nil)
				y.Abort(nil)
				<-x.Released()
				<-y.Released()
			})
		}
	})
	require.True(t, settles(n), "goroutines remain")
}

// readAll receives until the end.
func readAll(s *stream.Stream) (all []byte, err error) {
	for {
		p, err := s.In.Next(bg)
		all = append(all, p...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// data returns n varying bytes.
func data(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

var errTest = errors.New("test")

// within fails t unless f returns within a while.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s: no return within %v\n%s", what, d, buf[:runtime.Stack(buf, true)])
	}
}
