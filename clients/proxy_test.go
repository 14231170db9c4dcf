package clients_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

// peers are the far ends of in-memory connections, each played by a function.
type peers struct {
	play func(addr string, nc net.Conn)

	mu      sync.Mutex
	addrs   []string // addresses dialled
	playing sync.WaitGroup
}

// dial is a [clients.DialFunc].
func (p *peers) dial(_ context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
	near, far := chaniotest.Pipe(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addrs = append(p.addrs, addr)
	p.playing.Go(func() {
		defer far.Close()
		p.play(addr, far)
	})
	return chanio.NewConn(near, conn), nil
}

// script plays a peer that sends each answer once it has read the bytes before it, and then echoes.
func script(steps ...[2]string) func(string, net.Conn) {
	return func(_ string, nc net.Conn) {
		if err := perform(nc, steps); err != nil {
			_, _ = io.WriteString(nc, err.Error())
			return
		}
		_, _ = io.Copy(nc, nc)
	}
}

// perform reads the first half of each step and sends the second.
func perform(nc net.Conn, steps [][2]string) error {
	for _, step := range steps {
		got := make([]byte, len(step[0]))
		if n, err := io.ReadFull(nc, got); err != nil || string(got) != step[0] {
			return fmt.Errorf("unexpected: %q, %w", got[:n], err)
		}
		if _, err := io.WriteString(nc, step[1]); err != nil {
			return err
		}
	}
	return nil
}

// through dials addr through p. play is its peer.
func through(
	t *testing.T, p clients.Proxy, addr string, play func(string, net.Conn), f func(*testing.T, *chanio.Conn, error),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		world := &peers{play: play}
		c, err := p.DialThrough(t.Context(), addr, nil, world.dial)
		f(t, c, err)
		if c != nil {
			require.NoError(t, c.Close())
		}
		world.playing.Wait()
	})
}

// requireEcho checks that c leads to an echo, after the data that the peer sent first.
func requireEcho(t *testing.T, c *chanio.Conn, before string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.Out.Send(ctx, []byte("ping")))
	got := ""
	for len(got) < len(before)+4 {
		chunk, err := c.In.Recv(ctx)
		require.NoError(t, err)
		got += string(chunk)
	}
	require.Equal(t, before+"ping", got)
}

const okResponse = "HTTP/1.1 200 Connection established\r\nContent-Length: 1000\r\n\r\n"

func TestHTTPProxyMakesATunnel(t *testing.T) {
	for name, c := range map[string]struct {
		proxy          clients.HTTPProxy
		addr           string
		request        string
		response, rest string
	}{
		"plain": {
			clients.HTTPProxy{}, "example.org:443",
			"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", okResponse, "",
		},
		"what follows belongs to the tunnel": {
			clients.HTTPProxy{}, "[2001:DB8::1]:443",
			"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", okResponse, "220 hello\r\n\r\n",
		},
		"with credentials and a header": {
			clients.HTTPProxy{User: "Aladdin", Password: "open sesame", Header: map[string][]string{"X-Who": {"me", "you"}}},
			"Bücher.test:80",
			"CONNECT xn--bcher-kva.test:80 HTTP/1.1\r\nHost: xn--bcher-kva.test:80\r\n" +
				"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nX-Who: me\r\nX-Who: you\r\n\r\n", okResponse, "",
		},
		"interim responses and bare line feeds": {
			clients.HTTPProxy{}, "a:1", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 204 \n\n", "\nrest",
		},
	} {
		c.proxy.Addr = "proxy:3128"
		play := script([2]string{c.request, c.response + c.rest})
		through(t, &c.proxy, c.addr, play, func(t *testing.T, conn *chanio.Conn, err error) {
			require.NoError(t, err, name)
			requireEcho(t, conn, c.rest)
		})
	}
}

func TestHTTPProxyRefusalsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		response string
		proxy    clients.HTTPProxy
		code     int
		want     string
	}{
		"credentials":       {"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\nbody", clients.HTTPProxy{}, 407, "set User and Password"},
		"wrong credentials": {"HTTP/1.1 407 Auth\r\n\r\n", clients.HTTPProxy{User: "me"}, 407, "does not accept these credentials"},
		"forbidden":         {"HTTP/1.1 403 No\r\n\r\n", clients.HTTPProxy{}, 403, "rules"},
		"bad gateway":       {"HTTP/1.1 502\r\n\r\n", clients.HTTPProxy{}, 502, "cannot reach that host"},
		"something else":    {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", clients.HTTPProxy{}, 301, "301 Moved"},
	} {
		c.proxy.Addr = "proxy:3128"
		play := func(_ string, nc net.Conn) { _, _ = io.WriteString(nc, c.response) }
		through(t, &c.proxy, "a:1", play, func(t *testing.T, conn *chanio.Conn, err error) {
			require.Nil(t, conn)
			var refusal *clients.ProxyError
			require.ErrorAs(t, err, &refusal, name)
			require.Equal(t, []any{"proxy:3128", "a:1", c.code}, []any{refusal.Proxy, refusal.Addr, refusal.Code})
			require.ErrorContains(t, err, c.want, name)
			if c.code == 407 && refusal.Header != nil && name == "credentials" {
				require.Equal(t, []string{"Basic"}, refusal.Header["Proxy-Authenticate"])
			}
			var op *net.OpError
			require.ErrorAs(t, err, &op)
		})
	}
}

// A proxy that is full, or rejects the client's address, answers and closes before it has read anything.
func TestProxyAnswersBeforeItIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		proxy  clients.Proxy
		answer string
		want   string
		is     error
	}{
		"HTTP":             {&clients.HTTPProxy{Addr: "proxy:1"}, "HTTP/1.1 503 Full\r\n\r\n", "503 Full", nil},
		"HTTP says yes":    {&clients.HTTPProxy{Addr: "proxy:1"}, okResponse, "", syscall.EPIPE},
		"HTTP is cut":      {&clients.HTTPProxy{Addr: "proxy:1"}, "HTTP/1.1 503 Fu", "", syscall.EPIPE},
		"HTTP is nothing":  {&clients.HTTPProxy{Addr: "proxy:1"}, "", "", syscall.EPIPE},
		"no HTTP":          {&clients.HTTPProxy{Addr: "proxy:1"}, "421 go away\r\n", "421 go away", nil},
		"SOCKS":            {&clients.SOCKS5{Addr: "proxy:1"}, "\x05\xff", "no method of authentication", nil},
		"SOCKS says yes":   {&clients.SOCKS5{Addr: "proxy:1"}, "\x05\x00", "", syscall.EPIPE},
		"SOCKS is cut":     {&clients.SOCKS5{Addr: "proxy:1"}, "\x05", "", syscall.EPIPE},
		"SOCKS is nothing": {&clients.SOCKS5{Addr: "proxy:1"}, "", "", syscall.EPIPE},
		"SOCKS, but early": {&clients.SOCKS5{Addr: "proxy:1"}, "\x05\x00\x05\x05", "connection refused", syscall.ECONNREFUSED},
	} {
		direct := func(_ context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(0)
			_, err := io.WriteString(far, c.answer)
			require.NoError(t, err)
			require.NoError(t, far.Close())
			return chanio.NewConn(near, conn), nil
		}
		_, err := c.proxy.DialThrough(t.Context(), "a:1", nil, direct)
		require.ErrorContains(t, err, c.want, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
		require.NotErrorIs(t, err, io.ErrUnexpectedEOF, name)
		var refusal *clients.ProxyError
		require.Equal(t, c.want != "" && name != "no HTTP", errors.As(err, &refusal), name)
	}
}

// Whatever the proxy has not said yet when it leaves, there is no connection.
func TestASOCKSProxyThatLeavesWithinItsReplyFailsTheDial(t *testing.T) {
	const request, reply = "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x01", "\x05\x00\x00\x01\x01\x02\x03\x04\x00\x01"
	for n := range len(reply) {
		direct := func(_ context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(0)
			go func() {
				defer far.Close()
				_, _ = io.ReadFull(far, make([]byte, len("\x05\x01\x00")))
				_, _ = io.WriteString(far, "\x05\x00")
				_, _ = io.ReadFull(far, make([]byte, len(request)))
				_, _ = io.WriteString(far, reply[:n])
			}()
			return chanio.NewConn(near, conn), nil
		}
		_, err := (&clients.SOCKS5{Addr: "proxy:1"}).DialThrough(t.Context(), "1.2.3.4:1", nil, direct)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "after %d bytes", n)
	}
}

// The caller gets the cause of ctx, although the proxy has answered.
func TestProxyIsNotHeardAfterCtx(t *testing.T) {
	for _, p := range []clients.Proxy{&clients.HTTPProxy{Addr: "proxy:1"}, &clients.SOCKS5{Addr: "proxy:1"}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		direct := func(_ context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			near, far := chaniotest.Pipe(0)
			_, err := io.WriteString(far, "HTTP/1.1 503 Full\r\n\r\n")
			require.NoError(t, err)
			require.NoError(t, far.Close())
			cancel(why)
			return chanio.NewConn(near, conn), nil
		}
		_, err := p.DialThrough(ctx, "a:1", nil, direct)
		require.ErrorIs(t, err, why)
	}
}

func TestG14HTTPProxyResponseIsBounded(t *testing.T) {
	endless := func(line string) func(string, net.Conn) {
		return func(_ string, nc net.Conn) {
			_, err := io.WriteString(nc, "HTTP/1.1 100 Continue\r\n")
			for err == nil {
				_, err = io.WriteString(nc, line)
			}
		}
	}
	for _, c := range []struct{ line, want string }{
		{"X: y\r\n", "longer than 1024 bytes"},
		{"xxxxxxxx", "longer than 1024 bytes"},
		{"\r\nHTTP/1.1 100 Continue\r\n", "longer than 1024 bytes"},
	} {
		p := &clients.HTTPProxy{Addr: "proxy:1", MaxResponse: 1024}
		through(t, p, "a:1", endless(c.line), func(t *testing.T, _ *chanio.Conn, err error) {
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestHTTPProxyThatIsNoneIsNoticed(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 2000 OK\r\n\r\n":              "the status",
		"HTTP/1.1 20x OK\r\n\r\n":               "the status",
		"HTTP/1.1 099 OK\r\n\r\n":               "the status",
		"HTTP/1.1 abc\r\n\r\n":                  "the status",
		"HTTP/1.1 200 OK\r\nbad header\r\n\r\n": "missing colon",
		"HTTP/1.1 200 OK\r\nX: y\r\n":           "unexpected EOF",
		"HTT":                                   "unexpected EOF",
		"":                                      "unexpected EOF",
	} {
		play := func(_ string, nc net.Conn) {
			_, _ = io.WriteString(nc, response)
			_ = nc.(interface{ CloseWrite() error }).CloseWrite()
			_, _ = io.Copy(io.Discard, nc)
		}
		through(t, &clients.HTTPProxy{Addr: "proxy:1"}, "a:1", play, func(t *testing.T, _ *chanio.Conn, err error) {
			require.ErrorContains(t, err, want)
		})
	}
}

// An SSH server sends its version first and waits, without an empty line.
func TestHTTPProxyNoticesAnotherProtocolAtOnce(t *testing.T) {
	play := func(_ string, nc net.Conn) {
		_, _ = io.WriteString(nc, "SSH-2.0-OpenSSH_9.2\r\n")
		_, _ = io.Copy(io.Discard, nc)
	}
	start := time.Time{}
	through(t, &clients.HTTPProxy{Addr: "proxy:1"}, "a:1", func(a string, nc net.Conn) {
		start = time.Now()
		play(a, nc)
	}, func(t *testing.T, _ *chanio.Conn, err error) {
		require.ErrorContains(t, err, "it is not HTTP, it begins with \"SSH-2.0")
		require.Zero(t, time.Since(start))
	})
}

func TestHTTPProxyShowsNoControlCharactersOfTheProxy(t *testing.T) {
	play := func(_ string, nc net.Conn) { _, _ = io.WriteString(nc, "HTTP/1.1 500 x\x1b[31mred\x07\u202e\r\n\r\n") }
	through(t, &clients.HTTPProxy{Addr: "proxy:1"}, "a:1", play, func(t *testing.T, _ *chanio.Conn, err error) {
		require.ErrorContains(t, err, "500 x\ufffd[31mred\ufffd\ufffd")
	})
}

func TestHTTPProxyRefusesWhatWouldEndALine(t *testing.T) {
	direct := func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) { panic("dialled") }
	for want, c := range map[string]struct {
		proxy clients.HTTPProxy
		addr  string
	}{
		"not a valid host name": {clients.HTTPProxy{}, "[a\r\nX: y]:80"},
		"missing port":          {clients.HTTPProxy{}, "a"},
		"a Header":              {clients.HTTPProxy{Header: map[string][]string{"X": {"a\r\nY: b"}}}, "a:1"},
		`a Header "X:`:          {clients.HTTPProxy{Header: map[string][]string{"X: ": {"a"}}}, "a:1"},
		"sent or left out":      {clients.HTTPProxy{Header: map[string][]string{"host": {"other"}}}, "a:1"},
		`"Content-Length"`:      {clients.HTTPProxy{Header: map[string][]string{"Content-Length": {"5"}}}, "a:1"},
		`"Proxy-Authorization"`: {clients.HTTPProxy{User: "u", Header: map[string][]string{"Proxy-Authorization": {"x"}}}, "a:1"},
		"no User":               {clients.HTTPProxy{Password: "x"}, "a:1"},
		"unknown port":          {clients.HTTPProxy{}, "a:no-such-service"},
		"a colon":               {clients.HTTPProxy{User: "a:b"}, "a:1"},
	} {
		_, err := c.proxy.DialThrough(t.Context(), c.addr, nil, direct)
		require.ErrorContains(t, err, want)
	}
}

func TestG2ProxyEndsWithCtx(t *testing.T) {
	for _, p := range []clients.Proxy{&clients.HTTPProxy{Addr: "proxy:1"}, &clients.SOCKS5{Addr: "proxy:1"}} {
		synctest.Test(t, func(t *testing.T) {
			world := &peers{play: func(_ string, nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }}
			why := errors.New("why")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			start := time.Now()
			_, err := p.DialThrough(ctx, "a:1", nil, world.dial)
			require.ErrorIs(t, err, why)
			require.Equal(t, time.Second, time.Since(start))
			world.playing.Wait()
		})
	}
}

func TestHTTPProxyCanBeSpokenToByTLS(t *testing.T) {
	cert, roots := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		var released atomic.Int32
		world := &peers{play: func(_ string, nc net.Conn) {
			secured := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			defer secured.Close()
			script([2]string{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", okResponse})("", secured)
		}}
		p := &clients.HTTPProxy{Addr: "example.com:3128", TLS: &clients.TLSConfig{
			RootCAs: roots, Base: &tls.Config{Time: func() time.Time { return cert.Leaf.NotBefore }},
		}}
		conn := &chanio.ConnConfig{OnRelease: func(*chanio.Conn) { released.Add(1) }}
		c, err := p.DialThrough(t.Context(), "a:1", conn, world.dial)
		require.NoError(t, err)
		require.Equal(t, "example.com", c.TLS().ServerName)
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
		world.playing.Wait()
		synctest.Wait() // OnRelease runs after the release
		require.EqualValues(t, 1, released.Load(), "of the layers only the one that was handed out")

		p.Addr = "wrong.host:3128"
		_, err = p.DialThrough(t.Context(), "a:1", nil, world.dial)
		var wrong x509.HostnameError
		require.ErrorAs(t, err, &wrong)
		world.playing.Wait()
	})
}

// certificate returns one for example.com, and a client's configuration that trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	cert := s.TLS.Certificates[0]
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	require.NoError(t, err)
	cert.Leaf = leaf
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return cert, roots
}

func TestSOCKS5Connects(t *testing.T) {
	long := strings.Repeat("x", 255)
	const (
		ok4    = "\x05\x00\x00\x01\x0a\x00\x00\x01\x1f\x90"
		ok6    = "\x05\x00\x00\x04" + "0123456789abcdef" + "\x00\x01"
		okName = "\x05\x00\x00\x03\x04name\x00\x01"
	)
	for name, c := range map[string]struct {
		proxy clients.SOCKS5
		addr  string
		steps [][2]string
		rest  string
	}{
		"name": {clients.SOCKS5{}, "example.org:443", [][2]string{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x03\x0bexample.org\x01\xbb", ok4},
		}, ""},
		"IPv4": {clients.SOCKS5{}, "10.0.0.1:80", [][2]string{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50", ok6 + "rest"},
		}, "rest"},
		"IPv6": {clients.SOCKS5{}, "[2001:db8::1%eth0]:80", [][2]string{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50", okName + "rest"},
		}, "rest"},
		"password": {clients.SOCKS5{User: "me", Password: "pw"}, "a:80", [][2]string{
			{"\x05\x02\x00\x02", "\x05\x02"}, {"\x01\x02me\x02pw", "\x01\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", ok4},
		}, ""},
		"longest password": {clients.SOCKS5{User: long, Password: long}, "a:80", [][2]string{
			{"\x05\x02\x00\x02", "\x05\x02"}, {"\x01\xff" + long + "\xff" + long, "\x01\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", ok4},
		}, ""},
		"password not wanted": {clients.SOCKS5{User: "me", Password: "pw"}, "a:80", [][2]string{
			{"\x05\x02\x00\x02", "\x05\x00"}, {"\x05\x01\x00\x03\x01a\x00\x50", ok4},
		}, ""},
		"resolved here": {clients.SOCKS5{Resolver: static(t, map[string][]string{"a": {"10.0.0.1"}})}, "a:80", [][2]string{
			{"\x05\x01\x00", "\x05\x00"}, {"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50", ok4},
		}, ""},
	} {
		c.proxy.Addr = "proxy:1080"
		through(t, &c.proxy, c.addr, script(c.steps...), func(t *testing.T, conn *chanio.Conn, err error) {
			require.NoError(t, err, name)
			requireEcho(t, conn, c.rest)
		})
	}
}

func TestSOCKS5RefusalsSayWhatToDo(t *testing.T) {
	for want, c := range map[string]struct {
		proxy   clients.SOCKS5
		answers []string // to each message
		code    int      // of a ProxyError, or -1
		is      error
	}{
		"set User and Password":     {answers: []string{"\x05\xff"}, code: 0xff},
		"these credentials":         {proxy: clients.SOCKS5{User: "me"}, answers: []string{"\x05\x02", "\x01\x01"}, code: 1},
		"no method":                 {proxy: clients.SOCKS5{User: "me"}, answers: []string{"\x05\xff"}, code: 0xff},
		"was not offered":           {answers: []string{"\x05\x02"}, code: -1},
		"connection refused":        {answers: []string{"\x05\x00", "\x05\x05"}, code: 5, is: syscall.ECONNREFUSED},
		"host unreachable":          {answers: []string{"\x05\x00", "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"}, code: 4, is: syscall.EHOSTUNREACH},
		"rules":                     {answers: []string{"\x05\x00", "\x05\x02"}, code: 2},
		"reply 0x77":                {answers: []string{"\x05\x00", "\x05\x77"}, code: 0x77},
		"does not speak SOCKS 5":    {answers: []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, code: -1},
		"SOCKS 4, not 5":            {answers: []string{"\x05\x00", "\x04\x00"}, code: -1},
		"the unknown type 0x9":      {answers: []string{"\x05\x00", "\x05\x00\x00\x09\x00"}, code: -1},
		"the reply of the proxy":    {answers: []string{"\x05"}, code: -1, is: io.ErrUnexpectedEOF},
		"unexpected EOF":            {answers: []string{"\x05\x00", "\x05\x00\x00\x03\xffabc"}, code: -1, is: io.ErrUnexpectedEOF},
		"EOF":                       {answers: []string{"\x05\x00", "\x05\x00\x00"}, code: -1, is: io.ErrUnexpectedEOF},
		"more than 255 bytes":       {proxy: clients.SOCKS5{User: strings.Repeat("x", 256)}, code: -1},
		"a Password without a User": {proxy: clients.SOCKS5{Password: "x"}, code: -1},
	} {
		c.proxy.Addr = "proxy:1080"
		play := func(_ string, nc net.Conn) {
			buf := make([]byte, 512)
			for _, answer := range c.answers {
				if _, err := nc.Read(buf); err != nil {
					return
				}
				_, _ = io.WriteString(nc, answer)
			}
			_ = nc.(interface{ CloseWrite() error }).CloseWrite()
			_, _ = io.Copy(io.Discard, nc)
		}
		through(t, &c.proxy, "a:1", play, func(t *testing.T, _ *chanio.Conn, err error) {
			require.ErrorContains(t, err, want)
			if c.is != nil {
				require.ErrorIs(t, err, c.is, want)
			}
			var refusal *clients.ProxyError
			require.Equal(t, c.code >= 0, errors.As(err, &refusal), want)
			if refusal != nil {
				require.Equal(t, c.code, refusal.Code, want)
			}
		})
	}
}

func TestSOCKS5TriesTheAddressesThatItResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := &peers{play: func(_ string, nc net.Conn) {
			r := bufio.NewReader(nc)
			_, _ = r.Discard(3)
			_, _ = io.WriteString(nc, "\x05\x00")
			request := make([]byte, 10)
			_, _ = io.ReadFull(r, request)
			if request[7] == 1 { // 10.0.0.1
				_, _ = io.WriteString(nc, "\x05\x05")
				return
			}
			_, _ = io.WriteString(nc, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
			_, _ = io.Copy(nc, r)
		}}
		p := &clients.SOCKS5{Addr: "proxy:1", Resolver: static(t, map[string][]string{
			"a": {"10.0.0.1", "10.0.0.2"}, "b": {"10.0.0.1", "10.0.0.1"},
		})}
		c, err := p.DialThrough(t.Context(), "a:1", nil, world.dial)
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
		_, err = p.DialThrough(t.Context(), "b:1", nil, world.dial)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = p.DialThrough(t.Context(), "c:1", nil, world.dial)
		requireNotFound(t, err)
		world.playing.Wait()
	})
}

// A proxy that never answers for one address leaves time for the others.
func TestSOCKS5DoesNotWaitForOneAddressOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := &peers{play: func(_ string, nc net.Conn) {
			r := bufio.NewReader(nc)
			_, _ = r.Discard(3)
			_, _ = io.WriteString(nc, "\x05\x00")
			request := make([]byte, 10)
			_, _ = io.ReadFull(r, request)
			if request[7] != 1 {
				_, _ = io.WriteString(nc, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
			}
			_, _ = io.Copy(nc, r)
		}}
		p := &clients.SOCKS5{Addr: "proxy:1", Resolver: static(t, map[string][]string{"a": {"10.0.0.1", "10.0.0.2"}})}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := p.DialThrough(ctx, "a:1", nil, world.dial)
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
		world.playing.Wait()
	})
}

// So does one for version 4, which refuses the first address and never answers for the second.
func TestSOCKS4AsksForAllAddressesOfAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := &peers{play: func(_ string, nc net.Conn) {
			request := make([]byte, 2+2+4+1)
			_, _ = io.ReadFull(nc, request)
			switch request[7] { // the last byte of the address
			case 1:
				_, _ = io.WriteString(nc, "\x00\x5b\x00\x00\x00\x00\x00\x00")
				return
			case 3:
				_, _ = io.WriteString(nc, "\x00\x5a\x00\x00\x00\x00\x00\x00")
			}
			_, _ = io.Copy(nc, nc)
		}}
		p := &clients.SOCKS4{Addr: "proxy:1", Resolver: static(t, map[string][]string{
			"a": {"10.0.0.1", "2001:db8::1", "10.0.0.2", "10.0.0.3"}, "b": {"10.0.0.1", "10.0.0.1"},
		})}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := p.DialThrough(ctx, "a:1", nil, world.dial)
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
		_, err = p.DialThrough(ctx, "b:1", nil, world.dial)
		require.ErrorContains(t, err, "does not connect to 10.0.0.1:1")
		world.playing.Wait()
	})
}

func TestProxyChainGoesThroughAll(t *testing.T) {
	chain := clients.ProxyChain{
		&clients.HTTPProxy{Addr: "one:1"}, &clients.SOCKS5{Addr: "two:2"}, &clients.HTTPProxy{Addr: "three:3"},
	}
	through(t, chain, "a:1", script(
		[2]string{"CONNECT two:2 HTTP/1.1\r\nHost: two:2\r\n\r\n", okResponse},
		[2]string{"\x05\x01\x00", "\x05\x00"},
		[2]string{"\x05\x01\x00\x03\x05three\x00\x03", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		[2]string{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", okResponse},
	), func(t *testing.T, c *chanio.Conn, err error) {
		require.NoError(t, err)
		requireEcho(t, c, "")
	})
	through(t, clients.ProxyChain{}, "a:1", script(), func(t *testing.T, c *chanio.Conn, err error) {
		require.NoError(t, err)
		requireEcho(t, c, "")
	})
}

func TestParseProxyReadsURLs(t *testing.T) {
	for text, want := range map[string]clients.Proxy{
		"proxy.test":                       &clients.HTTPProxy{Addr: "proxy.test:80"},
		"proxy.test:3128":                  &clients.HTTPProxy{Addr: "proxy.test:3128"},
		"http://me:p%40ss@proxy.test:3128": &clients.HTTPProxy{Addr: "proxy.test:3128", User: "me", Password: "p@ss"},
		"HTTPS://proxy.test":               &clients.HTTPProxy{Addr: "proxy.test:443", TLS: &clients.TLSConfig{}},
		"socks5://me@[::1]":                &clients.SOCKS5{Addr: "[::1]:1080", User: "me"},
		"socks5h://proxy.test:9050":        &clients.SOCKS5{Addr: "proxy.test:9050"},
	} {
		got, err := clients.ParseProxy(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"ftp://proxy.test": "it may be http, https, socks5, socks5h, socks4 or socks4a", "http://": "has no host", "": "has no host",
		"http://me:secret@bad host": "is not a URL",
	} {
		_, err := clients.ParseProxy(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestEnvironmentSaysWhichProxyForWhom(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	ask := func(addr string) (dialled string) {
		p, err := clients.EnvironmentProxy()
		require.NoError(t, err)
		stop := errors.New("that is enough")
		direct := func(_ context.Context, addr string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
			dialled = addr
			return nil, stop
		}
		_, err = p.DialThrough(t.Context(), addr, nil, direct)
		require.ErrorIs(t, err, stop)
		return dialled
	}
	require.Equal(t, "a.test:5432", ask("a.test:5432"))
	t.Setenv("all_proxy", "socks5://all.test")
	require.Equal(t, "all.test:1080", ask("a.test:5432"))
	t.Setenv("HTTPS_PROXY", "tunnel.test:3128")
	t.Setenv("NO_PROXY", "b.test,10.0.0.0/8, c.test.,d.test.:5,.,[2001:db8::1], [2001:db8::2]:5")
	require.Equal(t, "tunnel.test:3128", ask("a.test:5432"))
	require.Equal(t, "x.b.test:1", ask("x.b.test:1"))
	for _, direct := range []string{"b.test.:1", "x.b.test.:1", "c.test:1", "c.test.:1", "d.test:5", "d.test.:5"} {
		require.Equal(t, direct, ask(direct), "a final dot makes no difference")
	}
	for _, direct := range []string{"[2001:db8::1]:1", "[2001:db8::2]:5"} {
		require.Equal(t, direct, ask(direct), "an IPv6 address in brackets")
	}
	for _, proxied := range []string{"d.test:6", "e.test.:1", "[2001:db8::2]:6", "[2001:db8::3]:5"} {
		require.Equal(t, "tunnel.test:3128", ask(proxied))
	}
	require.Equal(t, "10.1.2.3:1", ask("10.1.2.3:1"))
	for _, own := range []string{"localhost:1", "LocalHost.:1", "127.0.0.1:1", "[::1]:1", ":1"} {
		require.Equal(t, own, ask(own), "this machine")
	}
	t.Setenv("HTTPS_PROXY", "ftp://x")
	_, err := clients.EnvironmentProxy()
	require.ErrorContains(t, err, "it is in the environment")
}

// OnRelease is called only for connections that were returned.
func TestOnlyAConnectionThatIsHandedOutIsReleased(t *testing.T) {
	released := make(chan *chanio.Conn, 2)
	dial := func(answers ...[2]string) (*chanio.Conn, error) {
		nl := listen(t)
		defer nl.Close()
		var playing sync.WaitGroup
		defer playing.Wait()
		playing.Go(func() {
			if nc, err := nl.Accept(); err == nil {
				defer nc.Close()
				_ = perform(nc, answers)
			}
		})
		return clients.DialTCP(t.Context(), "a.test:80", &clients.Config{
			Conn:  chanio.ConnConfig{OnRelease: func(c *chanio.Conn) { released <- c }},
			Proxy: &clients.SOCKS5{Addr: nl.Addr().String()},
		})
	}
	_, err := dial([2]string{"\x05\x01\x00", "\x05\xff"})
	require.ErrorContains(t, err, "no method")
	c, err := dial([2]string{"\x05\x01\x00", "\x05\x00"},
		[2]string{"\x05\x01\x00\x03\x06a.test\x00\x50", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"})
	require.NoError(t, err)
	require.Empty(t, released)
	require.NoError(t, c.Close())
	require.Same(t, c, <-released)
}

type noProxy struct{}

func (noProxy) DialThrough(context.Context, string, *chanio.ConnConfig, clients.DialFunc) (*chanio.Conn, error) {
	return nil, nil
}

func TestAProxyThatReturnsNothingIsAnError(t *testing.T) {
	_, err := clients.DialTCP(t.Context(), "a.test:80", &clients.Config{Proxy: noProxy{}})
	require.ErrorContains(t, err, "neither a connection nor an error")
}

func TestSOCKS4AsksForANameOnlyIfItIsToBeLookedUpThere(t *testing.T) {
	const granted = "\x00\x5a\x00\x00\x00\x00\x00\x00"
	for addr, request := range map[string]string{
		"a.test:80":  "\x04\x01\x00\x50\x00\x00\x00\x01bob\x00a.test\x00",
		"1.2.3.4:80": "\x04\x01\x00\x50\x01\x02\x03\x04bob\x00",
	} {
		p := &clients.SOCKS4{Addr: "proxy:1080", User: "bob", Names: true}
		through(t, p, addr, script([2]string{request, granted}), func(t *testing.T, c *chanio.Conn, err error) {
			require.NoError(t, err)
			requireEcho(t, c, "")
		})
	}
}

// The address in a reply may be a name of any length and arrive in any pieces. The bytes after it belong to the host.
func TestSOCKS5RepliesMayHaveANameOfAnyLength(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 255} {
		reply := "\x05\x00\x00\x03" + string([]byte{byte(n)}) + strings.Repeat("x", n) + "\x00\x50"
		sliced := func(_ string, nc net.Conn) {
			_ = perform(nc, [][2]string{{"\x05\x01\x00", "\x05"}, {"", "\x00"}, {"\x05\x01\x00\x03\x06a.test\x00\x50", ""}})
			for i := range len(reply) {
				_, _ = io.WriteString(nc, reply[i:i+1])
			}
			_, _ = io.WriteString(nc, "hello")
			_, _ = io.Copy(nc, nc)
		}
		through(t, &clients.SOCKS5{Addr: "proxy:1080"}, "a.test:80", sliced, func(t *testing.T, c *chanio.Conn, err error) {
			require.NoError(t, err, "%d bytes", n)
			requireEcho(t, c, "hello")
		})
	}
}

// hasty is a proxy that returns a released connection.
type hasty struct{}

func (hasty) DialThrough(_ context.Context, _ string, conn *chanio.ConnConfig, _ clients.DialFunc) (*chanio.Conn, error) {
	a, b := net.Pipe()
	_ = b.Close()
	c := chanio.NewConn(a, conn)
	c.Abort(nil)
	<-c.Released
	return c, nil
}

func TestOnReleaseIsToldOfAConnectionThatWasReleasedBeforeItWasHandedOut(t *testing.T) {
	released := make(chan *chanio.Conn, 2)
	c, err := clients.DialTCP(t.Context(), "a:1", &clients.Config{
		Proxy: hasty{}, Conn: chanio.ConnConfig{OnRelease: func(c *chanio.Conn) { released <- c }},
	})
	require.NoError(t, err)
	select {
	case told := <-released:
		require.Same(t, c, told)
	case <-time.After(10 * time.Second):
		require.Fail(t, "nobody was told")
	}
	require.Empty(t, released)
}

// everyProxy returns a Proxy of each kind, whose address is never used.
func everyProxy(t *testing.T) map[string]clients.Proxy {
	table := static(t, map[string][]string{"a.test": {"192.0.2.1"}})
	return map[string]clients.Proxy{
		"http": &clients.HTTPProxy{Addr: "proxy:1"}, "https": &clients.HTTPProxy{Addr: "proxy:1", TLS: &clients.TLSConfig{}},
		"socks4": &clients.SOCKS4{Addr: "proxy:1", Resolver: table}, "socks4a": &clients.SOCKS4{Addr: "proxy:1", Names: true},
		"socks5": &clients.SOCKS5{Addr: "proxy:1", Resolver: table}, "socks5h": &clients.SOCKS5{Addr: "proxy:1"},
		"chain": clients.ProxyChain{&clients.SOCKS5{Addr: "proxy:1"}, &clients.HTTPProxy{Addr: "proxy:2"}},
	}
}

func TestAProxyThatCannotBeReachedSaysWhy(t *testing.T) {
	sorry := errors.New("sorry")
	for name, p := range everyProxy(t) {
		_, err := p.DialThrough(t.Context(), "a.test:1", nil, func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
			return nil, sorry
		})
		require.ErrorIs(t, err, sorry, name)
	}
}
