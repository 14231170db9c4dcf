package clients_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/freeport"
)

// serveEcho echoes the data of every connection to ln.
func serveEcho(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer nc.Close()
			_, _ = io.Copy(nc, nc)
		}()
	}
}

// echo starts an echo server on loopback and returns its port.
func echo(t testing.TB) int {
	ln := listen(t)
	go serveEcho(ln)
	return ln.Addr().(*net.TCPAddr).Port
}

func TestDialTCPAsksItsResolver(t *testing.T) {
	chaniotest.NoLeak(t)
	port := echo(t)
	table := static(t, map[string][]string{
		"a.test": {"127.0.0.1"}, "two.test": {"127.0.0.2", "127.0.0.1"}, "both.test": {"::1", "127.0.0.1"},
	})
	for _, host := range []string{"a.test", "two.test", "both.test", "127.0.0.1"} {
		c, err := clients.DialTCP(t.Context(), fmt.Sprint(host, ":", port), &clients.Config{Resolver: table})
		require.NoError(t, err, host)
		require.Equal(t, fmt.Sprint("127.0.0.1:", port), c.RemoteAddr().String())
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
	}
	_, err := clients.DialTCP(t.Context(), "b.test:80", &clients.Config{Resolver: table})
	requireNotFound(t, err)
	require.ErrorContains(t, err, "is the name right?")
	var op *net.OpError
	require.ErrorAs(t, err, &op)
}

func TestDialTCPSaysThatTheNameServerDoesNotAnswer(t *testing.T) {
	nobody := freeport.Addr(t)
	r, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{nobody}, Attempts: 1})
	require.NoError(t, err)
	_, err = clients.DialTCP(t.Context(), "a.test:80", &clients.Config{Resolver: r})
	require.ErrorContains(t, err, "clients: dial tcp: lookup a.test. on 127.0.0.1:")
	require.ErrorContains(t, err, "is that a name server")
}

func TestDialTCPWithoutAHostIsThisMachine(t *testing.T) {
	c, err := clients.DialTCP(t.Context(), fmt.Sprint(":", echo(t)), nil)
	require.NoError(t, err)
	requireEcho(t, c, "")
	require.NoError(t, c.Close())
}

func TestDialTCPKeepsToTheFamilyOfItsLocalAddr(t *testing.T) {
	port := echo(t)
	table := static(t, map[string][]string{"both.test": {"::1", "127.0.0.1"}, "six.test": {"::1"}})
	cfg := &clients.Config{Resolver: table, LocalAddr: "127.0.0.3:0"}
	c, err := clients.DialTCP(t.Context(), fmt.Sprint("both.test:", port), cfg)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.3", c.LocalAddr().(*net.TCPAddr).IP.String())
	require.NoError(t, c.Close())
	_, err = clients.DialTCP(t.Context(), fmt.Sprint("six.test:", port), cfg)
	require.ErrorContains(t, err, "six.test has no address of the family of LocalAddr")
}

func TestDialTCPResolverWithoutAnAnswerIsAnError(t *testing.T) {
	empty := clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) { return nil, nil })
	_, err := clients.DialTCP(t.Context(), "a.test:80", &clients.Config{Resolver: empty})
	requireNotFound(t, err)
}

func TestDialTCPRefusedByAllAddresses(t *testing.T) {
	addr := fmt.Sprint("a.test:", freeport.Port(t))
	table := static(t, map[string][]string{"a.test": {"127.0.0.1", "127.0.0.2"}})
	_, err := clients.DialTCP(t.Context(), addr, &clients.Config{Resolver: table})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "is the server running")
	require.ErrorContains(t, err, "none of its 2 addresses")
}

func TestDialTCPGoesThroughItsProxy(t *testing.T) {
	ln := listen(t)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		script([2]string{"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", okResponse})("", nc)
	}()
	c, err := clients.DialTCP(t.Context(), "a.test:443", &clients.Config{
		Proxy: &clients.HTTPProxy{Addr: ln.Addr().String()},
	})
	require.NoError(t, err)
	requireEcho(t, c, "")
	require.NoError(t, c.Close())

	_, err = clients.DialTCP(t.Context(), "a.test:443", &clients.Config{
		Proxy: &clients.HTTPProxy{Addr: freeport.Addr(t)},
	})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// background runs a program until the test ends. It returns when the program listens on port.
func background(t testing.TB, port int, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for {
		nc, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			_ = nc.Close()
			return
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%s does not start: %v", path, err)
		default:
		}
	}
}

func TestDialTCPGoesThroughARealSOCKSProxy(t *testing.T) {
	path := program(t, "microsocks", "microsocks")
	port, target := freeport.Port(t), echo(t)
	background(t, port, path, "-i", "127.0.0.1", "-p", fmt.Sprint(port), "-u", "me", "-P", "secret")
	proxy := &clients.SOCKS5{Addr: fmt.Sprint("127.0.0.1:", port), User: "me", Password: "secret"}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		c, err := clients.DialTCP(t.Context(), fmt.Sprint(host, ":", target), &clients.Config{Proxy: proxy})
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NoError(t, c.Close())
	}
	_, err := clients.DialTCP(t.Context(), freeport.Addr(t), &clients.Config{Proxy: proxy})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	for _, stranger := range []*clients.SOCKS5{{Addr: proxy.Addr}, {Addr: proxy.Addr, User: "me", Password: "wrong"}} {
		_, err = clients.DialTCP(t.Context(), fmt.Sprint("127.0.0.1:", target), &clients.Config{Proxy: stranger})
		var refusal *clients.ProxyError
		require.ErrorAs(t, err, &refusal)
		require.ErrorContains(t, err, "credentials")
	}
}

func TestDialTCPGoesThroughARealHTTPProxy(t *testing.T) {
	path := program(t, "tinyproxy", "tinyproxy-bin")
	port, target := freeport.Port(t), echo(t)
	conf := filepath.Join(t.TempDir(), "tinyproxy.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil,
		"Port %d\nListen 127.0.0.1\nTimeout 30\nMaxClients 10\nBasicAuth me secret\nConnectPort %d\nLogLevel Critical\n",
		port, target), 0o600))
	background(t, port, path, "-d", "-c", conf)
	dial := func(proxy clients.HTTPProxy, target int) (*chanio.Conn, error) {
		proxy.Addr = fmt.Sprint("127.0.0.1:", port)
		return clients.DialTCP(t.Context(), fmt.Sprint("127.0.0.1:", target), &clients.Config{Proxy: &proxy})
	}
	c, err := dial(clients.HTTPProxy{User: "me", Password: "secret"}, target)
	require.NoError(t, err)
	requireEcho(t, c, "")
	require.NoError(t, c.Close())

	var refusal *clients.ProxyError
	_, err = dial(clients.HTTPProxy{}, target)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 407, refusal.Code)
	_, err = dial(clients.HTTPProxy{User: "me", Password: "secret"}, target+1)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 403, refusal.Code)
}

func TestDialUDPAsksItsResolver(t *testing.T) {
	table := static(t, map[string][]string{"a.test": {"::1", "127.0.0.1"}})
	u, err := clients.DialUDP(t.Context(), "a.test:9", &clients.UDPConfig{Resolver: table, LocalAddr: "127.0.0.1:0"})
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddrPort("127.0.0.1:9"), u.RemoteAddr())
	require.NoError(t, u.Close())
	_, err = clients.DialUDP(t.Context(), "b.test:9", &clients.UDPConfig{Resolver: table})
	requireNotFound(t, err)
	require.ErrorContains(t, err, "clients: dial udp")
}
