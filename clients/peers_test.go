package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/freeport"
	"github.com/weir-go/weir/internal/tlsconf"
)

// write puts text into a new file and returns its path.
func write(t testing.TB, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// pemFiles returns files with a certificate and its key.
func pemFiles(t testing.TB, cert tls.Certificate) (certFile, keyFile string) {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return write(t, "cert.pem", block("CERTIFICATE", cert.Certificate[0])), write(t, "key.pem", block("PRIVATE KEY", key))
}

// squid starts an HTTP proxy and returns its address.
func squid(t testing.TB) string {
	path := program(t, "squid", "squid")
	port := freeport.Port(t)
	conf := write(t, "squid.conf", fmt.Sprintf("http_port 127.0.0.1:%d\nhttp_access allow all\ncache deny all\naccess_log none\n"+
		"cache_log /dev/null\npid_filename none\nshutdown_lifetime 0 seconds\nmemory_pools off\ncache_mem 1 MB\n", port))
	background(t, port, path, "-N", "-f", conf)
	return fmt.Sprint("127.0.0.1:", port)
}

// TLS over a connection opened through a proxy: the ctx and the timeouts of the dial do not affect it, and waiting for
// replies uses no processor time.
func TestDialTLSThroughRealProxies(t *testing.T) {
	socks, port := program(t, "microsocks", "microsocks"), freeport.Port(t)
	background(t, port, socks, "-i", "127.0.0.1", "-p", fmt.Sprint(port))
	for name, proxy := range map[string]clients.Proxy{
		"squid": &clients.HTTPProxy{Addr: squid(t)}, "microsocks": &clients.SOCKS5{Addr: fmt.Sprint("127.0.0.1:", port)},
	} {
		tlsPort, roots, _ := tlsEcho(t, "127.0.0.1")
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			c, err := clients.DialTLS(ctx, "127.0.0.1:"+tlsPort, &clients.TLSConfig{RootCAs: roots}, &clients.Config{Proxy: proxy})
			cancel()
			require.NoError(t, err, name)
			for range 3 {
				requireEcho(t, c, "")
			}
			require.NoError(t, c.Close(), name)
		}
	}
}

func TestDialTLSTalksToARealServer(t *testing.T) {
	path, target, port := program(t, "stunnel4", "stunnel4"), echo(t), freeport.Port(t)
	cert, roots, err := tlsconf.SelfSigned("localhost")
	require.NoError(t, err)
	certFile, keyFile := pemFiles(t, cert)
	background(t, port, path, write(t, "stunnel.conf", fmt.Sprintf(
		"foreground = yes\npid =\n[echo]\naccept = 127.0.0.1:%d\nconnect = 127.0.0.1:%d\ncert = %s\nkey = %s\n", port, target, certFile, keyFile)))
	for _, hide := range []bool{false, true} {
		c, err := clients.DialTLS(t.Context(), fmt.Sprint("localhost:", port), &clients.TLSConfig{RootCAs: roots, HideServerName: hide}, nil)
		require.NoError(t, err)
		requireEcho(t, c, "")
		require.NotEmpty(t, c.TLS().VerifiedChains, "hidden or not, the certificate was verified")
		require.NoError(t, c.Out.Close())
		for range c.In.All(t.Context()) {
		}
		require.NoError(t, c.In.Err(), "the end of one side brings the end of the other, in good order")
		require.NoError(t, c.Close())
	}
}

// A server with EDNS, truncation and TCP, like a resolver.
func TestDNSUnderstandsAResolver(t *testing.T) {
	path, port := program(t, "unbound", "unbound"), freeport.Port(t)
	var data strings.Builder
	for i := range 200 {
		fmt.Fprintf(&data, "  local-data: \"many.test. 60 IN A 10.2.0.%d\"\n", i)
	}
	conf := write(t, "unbound.conf", fmt.Sprintf("server:\n  interface: 127.0.0.1@%d\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n"+
		"  pidfile: \"\"\n  use-syslog: no\n  logfile: /dev/null\n  directory: \"%s\"\n  module-config: \"iterator\"\n"+
		"  local-zone: \"test.\" static\n  local-data: \"test. 60 IN SOA ns.test. root.test. 1 2 3 4 5\"\n"+
		"  local-data: \"a.test. 60 IN A 10.2.1.1\"\n  local-data: \"a.test. 60 IN AAAA 2001:db8::1\"\n  local-data: \"xn--bcher-kva.test. 60 IN A 10.2.1.2\"\n%s"+
		"remote-control:\n  control-enable: no\n", port, t.TempDir(), data.String()))
	background(t, port, path, "-d", "-c", conf)
	var tcp int
	for _, useTCP := range []bool{false, true} {
		r, err := clients.NewDNSResolver(&clients.DNSConfig{
			Servers: []string{fmt.Sprint("127.0.0.1:", port)}, Order: clients.IPv4First, UseTCP: useTCP,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if network == "tcp" && !useTCP {
					tcp++
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		})
		require.NoError(t, err)
		got, err := r.LookupAddrs(t.Context(), "A.test.")
		require.NoError(t, err)
		require.Equal(t, addrs("10.2.1.1", "2001:db8::1"), got)
		got, err = r.LookupAddrs(t.Context(), "bücher.test")
		require.NoError(t, err)
		require.Equal(t, addrs("10.2.1.2"), got)
		got, err = r.LookupAddrs(t.Context(), "many.test")
		require.NoError(t, err)
		require.Len(t, got, 200)
		_, err = r.LookupAddrs(t.Context(), "no.test")
		requireNotFound(t, err)
	}
	require.Equal(t, 1, tcp, "for what is larger than a datagram")
}

// STARTTLS with stunnel as an SMTP server.
func TestUpgradeTLSAfterADialogueWithARealServer(t *testing.T) {
	path, target, port := program(t, "stunnel4", "stunnel4"), smtp(t), freeport.Port(t)
	cert, roots, err := tlsconf.SelfSigned("localhost")
	require.NoError(t, err)
	certFile, keyFile := pemFiles(t, cert)
	background(t, port, path, write(t, "stunnel.conf", fmt.Sprintf("foreground = yes\npid =\n[smtp]\nprotocol = smtp\naccept = 127.0.0.1:%d\n"+
		"connect = 127.0.0.1:%d\ncert = %s\nkey = %s\n", port, target, certFile, keyFile)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := clients.DialTCP(ctx, fmt.Sprint("localhost:", port), &clients.Config{Conn: chanio.ConnConfig{IdleTimeout: time.Minute}})
	require.NoError(t, err)
	expect := func(c *chanio.Conn, want string) {
		got := ""
		for !strings.HasSuffix(got, "\n") || !strings.Contains(got, want) {
			chunk, err := c.In.Recv(ctx)
			require.NoError(t, err, "after %q", got)
			got += string(chunk)
		}
	}
	expect(c, "220 ")
	require.NoError(t, c.Out.Send(ctx, []byte("EHLO client.test\r\n")))
	expect(c, "250 STARTTLS")
	require.NoError(t, c.Out.Send(ctx, []byte("STARTTLS\r\n")))
	expect(c, "220 ")
	up, err := clients.UpgradeTLS(ctx, c, "localhost", &clients.TLSConfig{RootCAs: roots}, nil)
	require.NoError(t, err)
	require.NoError(t, up.Out.Send(ctx, []byte("NOOP\r\n")))
	expect(up, "250 ok")
	require.NoError(t, up.Close())
}

// smtp starts a server that answers 220 and then 250 to every line, and returns its port.
func smtp(t testing.TB) int {
	ln := listen(t)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				_, err := nc.Write([]byte("220 smtp.test\r\n"))
				for b := make([]byte, 1024); err == nil; {
					if _, err = nc.Read(b); err == nil {
						_, err = nc.Write([]byte("250 ok\r\n"))
					}
				}
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}
