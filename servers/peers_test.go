//go:build unix

package servers_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/freeport"
	"github.com/weir-go/weir/servers"
)

// program returns the path of a program of a Debian package. Without it the test is skipped, unless WEIR_REQUIRE=1 is
// set.
func program(t testing.TB, name, pkg string) string {
	t.Helper()
	for _, try := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(try); err == nil {
			return path
		}
	}
	message := fmt.Sprintf("%s is not installed; on Debian: apt-get install %s", name, pkg)
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// openssl runs s_client against ln with the given input, and returns what it prints.
func openssl(t testing.TB, ln *servers.Listener, input string, args ...string) string {
	path := program(t, "openssl", "openssl")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"s_client", "-connect", ln.Addr().String(), "-ign_eof"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, _ := cmd.CombinedOutput() // the exit code depends on the last alert
	return string(out)
}

func TestTLSIsUnderstoodByARealClient(t *testing.T) {
	cert, _, err := servers.SelfSigned("weir.test")
	require.NoError(t, err)
	host, _, err := servers.SelfSigned("xn--bcher-kva.test")
	require.NoError(t, err)
	certPEM, _ := pemOf(t, cert)
	roots := file(t, "roots.pem", certPEM)
	ln := listenTLS(t, &servers.TLSConfig{
		Certificates: []tls.Certificate{cert}, ALPN: []string{"h2"},
		Hosts: map[string]*servers.TLSConfig{"BÜCHER.test": {Certificates: []tls.Certificate{host}}},
	}, nil)
	serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		line, err := c.In.Recv(ctx)
		if err != nil {
			return err
		}
		return c.Out.Send(ctx, append([]byte("echo: "), line...))
	})
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		out := openssl(t, ln, "hello\n", version, "-CAfile", roots, "-servername", "weir.test", "-alpn", "h2")
		require.Contains(t, out, "echo: hello", version)
		require.Contains(t, out, "Verify return code: 0 (ok)", version)
		require.Contains(t, out, "ALPN protocol: h2", version)
	}
	for _, offered := range []string{"http/1.1", "x"} {
		out := openssl(t, ln, "hello\n", "-alpn", offered)
		require.Contains(t, out, "no application protocol", "the server speaks h2 only, the client %s", offered)
		require.NotContains(t, out, "echo: hello")
	}
	require.Contains(t, openssl(t, ln, "hello\n", "-servername", "xn--bcher-kva.test"), "CN = xn--bcher-kva.test")
	require.Contains(t, openssl(t, ln, "hello\n", "-servername", "other.test"), "CN = weir.test")
}

// STARTTLS in dialogues of a real client: the lines are received as such, and TLS starts where they end.
func TestSTARTTLSWithARealClient(t *testing.T) {
	cert, _, err := servers.SelfSigned("weir.test")
	require.NoError(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"known"}}
	for protocol, dialogue := range map[string][]string{ // messages sent, alternating with those received
		"smtp": {"220 weir.test", "250-weir.test\r\n250 STARTTLS", "220 go ahead"},
		"pop3": {"+OK weir", "+OK begin"},
		"ftp":  {"220 weir", "234 begin"},
	} {
		for stage, dialogueOn := range lineStages {
			ln, _ := serve(t, &servers.Config{Conn: chanio.ConnConfig{IdleTimeout: time.Minute}}, func(ctx context.Context, c *chanio.Conn) error {
				receive, send := dialogueOn(c)
				for i, say := range dialogue {
					if i > 0 {
						if _, err := receive(ctx); err != nil {
							return err
						}
					}
					for line := range strings.SplitSeq(say, "\r\n") {
						if err := send(ctx, line); err != nil {
							return err
						}
					}
				}
				return upgrade(ctx, c, config)
			})
			out := openssl(t, ln, "hello\n", "-starttls", protocol)
			require.Contains(t, out, "secret: hello", "%s by %s", protocol, stage)
			require.Contains(t, out, "CN = weir.test", "%s by %s", protocol, stage)
			out = openssl(t, ln, "", "-starttls", protocol, "-alpn", "unknown")
			require.Contains(t, out, "no application protocol", "the alert arrives")
		}
	}
}

type (
	receiveLine = func(context.Context) (string, error)
	sendLine    = func(context.Context, string) error
)

var crlf = codec.Lines.With(codec.CRLF())

// lineStages are the ways to receive lines before TLS.
var lineStages = map[string]func(c *chanio.Conn) (receiveLine, sendLine){
	"Recv and Send": func(c *chanio.Conn) (receiveLine, sendLine) {
		return func(ctx context.Context) (string, error) { return codec.Recv(ctx, c.In, codec.Lines) },
			func(ctx context.Context, line string) error { return codec.Send(ctx, c.Out, crlf, line) }
	},
	"Frame": func(c *chanio.Conn) (receiveLine, sendLine) {
		lines := codec.Frame(c, crlf)
		return lines.In.Recv, lines.Out.Send
	},
	"Decode": func(c *chanio.Conn) (receiveLine, sendLine) {
		return codec.Decode(c.In, codec.Lines).Recv, codec.Encode(c.Out, crlf).Send
	},
	"channels": func(c *chanio.Conn) (receiveLine, sendLine) {
		lines := codec.Frame(c, crlf)
		return func(ctx context.Context) (string, error) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel() // nothing may be received in advance
				line, ok := <-lines.In.C(ctx)
				if !ok {
					return "", io.ErrUnexpectedEOF
				}
				return line, nil
			}, func(ctx context.Context, line string) error {
				lines.Out.C(ctx) <- line
				return nil
			}
	},
}

// upgrade secures c, which had a stage for its lines, and echoes.
func upgrade(ctx context.Context, c *chanio.Conn, config *tls.Config) error {
	secured, err := chanio.TLSServer(ctx, c, config, nil)
	if err != nil {
		return err
	}
	line, err := secured.In.Recv(ctx)
	if err != nil {
		return err
	}
	if err := secured.Out.Send(ctx, append([]byte("secret: "), line...)); err != nil {
		return err
	}
	return secured.Close()
}

// unixListener starts a server on a Unix socket that reports its PROXY headers.
func unixListener(t testing.TB) (path string, headers <-chan *servers.ProxyHeader) {
	path = socketPath(t)
	told := make(chan *servers.ProxyHeader, 4)
	ln, err := servers.ListenUnix(path, &servers.Config{ProxyAlways: true, MaxPerIP: 1})
	require.NoError(t, err)
	serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		told <- ln.ProxyHeader(c)
		return tellAddr(ctx, c)
	})
	return path, told
}

// startHaproxy starts haproxy with a frontend, whose lines contain %s for its address, and a server behind it. It returns
// the address when haproxy listens there.
func startHaproxy(t testing.TB, frontend, server string) (addr string) {
	haproxy := program(t, "haproxy", "haproxy")
	addr = freeport.Addr(t)
	conf := file(t, "haproxy.cfg", "global\n  maxconn 50\ndefaults\n  mode tcp\n  timeout connect 30s\n  timeout client 30s\n  timeout server 30s\n"+
		"frontend in\n"+fmt.Sprintf(frontend, addr)+"  default_backend weir\nbackend weir\n  server one "+server+"\n")
	cmd := exec.Command(haproxy, "-db", "-f", conf)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for {
		if nc, err := net.Dial("tcp", addr); err == nil {
			require.NoError(t, nc.Close())
			return addr
		}
		select {
		case <-exited:
			t.Fatalf("haproxy does not start: %s", said.String())
		default:
		}
	}
}

func TestARealBalancerTellsWhoItsClientsAre(t *testing.T) {
	cert, roots, err := servers.SelfSigned("weir.test")
	require.NoError(t, err)
	certPEM, keyPEM := pemOf(t, cert)
	pair := file(t, "pair.pem", certPEM+keyPEM)
	path, headers := unixListener(t)
	addr := startHaproxy(t, "  bind %s ssl crt "+pair+"\n  unique-id-format weir-%%pid\n",
		"unix@"+path+" send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,unique-id,crc32c")
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "weir.test"})
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "hello")
	require.NoError(t, err)
	want := c.LocalAddr().String() + " " + addr + " hello"
	got := make([]byte, len(want))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	h := <-headers
	require.Equal(t, "weir.test", h.Authority)
	require.Contains(t, string(h.UniqueID), "weir-")
	require.Equal(t, "TLSv1.3", h.TLS.Version)
	require.Contains(t, h.TLS.Cipher, "TLS_")
	require.False(t, h.TLS.Verified, "nobody has asked for a certificate")

	second, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "weir.test"})
	require.NoError(t, err)
	defer second.Close()
	_, err = second.Read(make([]byte, 1))
	require.Error(t, err, "MaxPerIP counts by the header, also on a Unix socket")
}

// The header precedes TLS between the balancer and the server. Health checks send one without addresses.
func TestARealBalancerSpeaksTLSBehindItsHeader(t *testing.T) {
	cert, _, err := servers.SelfSigned("weir.test")
	require.NoError(t, err)
	certPEM, _ := pemOf(t, cert)
	roots := file(t, "roots.pem", certPEM)
	checked := make(chan string, 1)
	var log logbook
	ln := listenTLS(t, &servers.TLSConfig{Certificates: []tls.Certificate{cert}, ALPN: []string{"h2"}},
		&servers.Config{ProxyAlways: true, Logger: log.logger()})
	serveOn(t, t.Context(), ln, func(ctx context.Context, c *chanio.Conn) error {
		if ln.ProxyHeader(c).Source == nil {
			select {
			case checked <- c.TLS().ServerName:
			default:
			}
			return nil
		}
		return c.Out.Send(ctx, []byte(c.RemoteAddr().String()+" "+c.TLS().NegotiatedProtocol))
	})
	addr := startHaproxy(t, "  bind %s\n", ln.Addr().String()+" send-proxy-v2 ssl verify required ca-file "+roots+
		" sni str(weir.test) alpn h2 check inter 100ms fall 1000 check-send-proxy check-ssl check-sni weir.test")
	require.Equal(t, "weir.test", <-checked)
	for range 3 {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		got, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Equal(t, nc.LocalAddr().String()+" h2", string(got))
		require.NoError(t, nc.Close())
	}
	for _, line := range log.lines() {
		require.Contains(t, line, "level=INFO", "no warning is about checks")
	}
}
