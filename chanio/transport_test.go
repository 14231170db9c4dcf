package chanio_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

// linger is the bound for the ends of transports in cases that wait for it in real time.
const linger = 200 * time.Millisecond

// transports are the ways to connect two Conns for which a guarantee is tested.
var transports = map[string]func(t testing.TB) (near, far *chanio.Conn){
	"memory": memoryPair,
	"tcp":    shortTCPPair,
}

// onTransports runs f as a subtest on each transport.
func onTransports(t *testing.T, f func(t *testing.T, near, far *chanio.Conn)) {
	t.Helper()
	for name, connect := range transports {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			abortAfter(t, near, far)
			f(t, near, far)
		})
	}
}

// abortAfter aborts conns after the test.
func abortAfter(t testing.TB, conns ...*chanio.Conn) {
	t.Cleanup(func() {
		for _, c := range conns {
			c.Out.Abort(nil)
		}
	})
}

func memoryPair(testing.TB) (near, far *chanio.Conn) {
	a, b := chaniotest.Pipe(0)
	return wrap(a, b)
}

func shortTCPPair(t testing.TB) (near, far *chanio.Conn) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	// Small buffers: a peer that does not read clogs the connection soon, and a Conn holds back more than the kernel
	// accepts late.
	for _, nc := range []net.Conn{a, b} {
		require.NoError(t, nc.(*net.TCPConn).SetReadBuffer(128<<10))
		require.NoError(t, nc.(*net.TCPConn).SetWriteBuffer(16<<10))
	}
	return wrap(a, b)
}

// tcpPair returns Conns with default settings.
func tcpPair(t testing.TB) (near, far *chanio.Conn) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	return chanio.NewConn(a, nil), chanio.NewConn(b, nil)
}

func unixPair(t testing.TB) (near, far *chanio.Conn) {
	dir, err := os.MkdirTemp("", "weir") // t.TempDir's names are too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return wrap(socketPair(t, "unix", filepath.Join(dir, "s")))
}

// foreignPair returns Conns over a net.Conn that the package does not know and that cannot write without blocking.
func foreignPair(testing.TB) (near, far *chanio.Conn) {
	a, b := chaniotest.Pipe(0)
	return wrap(foreignConn{a, a.(closeWriter)}, foreignConn{b, b.(closeWriter)})
}

// fullOnlyPair returns Conns over a net.Conn that also has no half-close.
func fullOnlyPair(testing.TB) (near, far *chanio.Conn) {
	a, b := chaniotest.Pipe(0)
	return wrap(struct{ net.Conn }{a}, struct{ net.Conn }{b})
}

func tlsPair(t testing.TB) (near, far *chanio.Conn) {
	a, b := shortTCPPair(t)
	return secured(t, a, b, tls.VersionTLS13)
}

type closeWriter interface{ CloseWrite() error }

type foreignConn struct {
	net.Conn
	closeWriter
}

func wrap(a, b net.Conn) (near, far *chanio.Conn) {
	cfg := &chanio.ConnConfig{Linger: linger}
	return chanio.NewConn(a, cfg), chanio.NewConn(b, cfg)
}

func socketPair(t testing.TB, network, addr string) (a, b net.Conn) {
	ln, err := net.Listen(network, addr)
	require.NoError(t, err)
	defer ln.Close()
	a, err = net.Dial(network, ln.Addr().String())
	require.NoError(t, err)
	b, err = ln.Accept()
	require.NoError(t, err)
	return a, b
}

func TestConformanceOfPipe(t *testing.T) {
	pipe := func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() }
	t.Run("bubble", func(t *testing.T) {
		chaniotest.TestConn(t, chaniotest.Conns{Connect: pipe, Facts: chaniotest.Facts{Bubble: true}})
	})
	t.Run("plain", func(t *testing.T) { chaniotest.TestConn(t, chaniotest.Conns{Connect: pipe}) })
}

// The buffer between the ends holds half a value, so that everything is sent in pieces.
func TestConformanceOfASmallPipe(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) {
			a, b := chaniotest.Pipe(512)
			return chanio.NewConn(a, nil), chanio.NewConn(b, nil)
		},
		Facts: chaniotest.Facts{Bubble: true},
	})
}

func TestConformanceOfAForeignConn(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: foreignPair, Facts: chaniotest.Facts{Bubble: true, NoReset: true, Linger: linger}})
}

func TestConformanceWithoutHalfClose(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: fullOnlyPair,
		Facts:   chaniotest.Facts{Bubble: true, NoHalfClose: true, NoReset: true, Linger: linger},
	})
}

func TestConformanceOfTCP(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: shortTCPPair, Facts: chaniotest.Facts{Linger: linger}})
}

func TestConformanceOfUnixSockets(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: unixPair, Facts: chaniotest.Facts{NoReset: true, Linger: linger}})
}

// Frames are the typed values of the first example: a length of four bytes, then as many bytes of text.
func TestConformanceOfFrames(t *testing.T) {
	text := codec.Prefixed(codec.Uint32, codec.String)
	frame := func(a, b *chanio.Conn) (near, far *chanio.Duplex[string, string]) {
		return codec.Frame(a, text), codec.Frame(b, text)
	}
	words := chaniotest.Duplexes[string]{
		Make: func(i int) string { return strings.Repeat(".", 500) + strconv.Itoa(i) },
		Number: func(v string) int {
			i, err := strconv.Atoi(strings.TrimLeft(v, "."))
			if err != nil {
				return -1
			}
			return i
		},
	}
	t.Run("bubble", func(t *testing.T) {
		words := words
		words.Facts = chaniotest.Facts{Bubble: true}
		words.Connect = func(testing.TB) (near, far *chanio.Duplex[string, string]) { return frame(chanio.Pipe()) }
		words.Raw = func(testing.TB) (*chanio.Duplex[string, string], net.Conn, func(string) []byte) {
			a, b := chaniotest.Pipe(0)
			return codec.Frame(chanio.NewConn(a, nil), text), b, marshal(text)
		}
		chaniotest.TestDuplex(t, words)
	})
	t.Run("tcp", func(t *testing.T) {
		words := words
		words.Facts = chaniotest.Facts{Linger: linger}
		words.Connect = func(t testing.TB) (near, far *chanio.Duplex[string, string]) { return frame(shortTCPPair(t)) }
		words.Raw = func(t testing.TB) (*chanio.Duplex[string, string], net.Conn, func(string) []byte) {
			a, b := socketPair(t, "tcp", "127.0.0.1:0")
			return codec.Frame(chanio.NewConn(a, nil), text), b, marshal(text)
		}
		chaniotest.TestDuplex(t, words)
	})
}

func marshal[T any](c codec.Codec[T]) func(T) []byte {
	return func(v T) []byte {
		p, err := c.Append(nil, v)
		if err != nil {
			panic(err)
		}
		return p
	}
}

func TestConformanceOfTLS(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: tlsPair})
}
