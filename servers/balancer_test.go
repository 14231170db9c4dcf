package servers_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

const proxyLine = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"

// tellAddr sends the peer its remote address, and echoes.
func tellAddr(ctx context.Context, c *chanio.Conn) error {
	if err := c.Out.Send(ctx, []byte(c.RemoteAddr().String()+" "+c.LocalAddr().String()+" ")); err != nil {
		return err
	}
	return echo(ctx, c)
}

func onLoopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// converse sends text, ends its side, and returns the reply.
func converse(t testing.TB, nc net.Conn, text string) string {
	_, err := io.WriteString(nc, text)
	require.NoError(t, err)
	require.NoError(t, nc.(interface{ CloseWrite() error }).CloseWrite())
	reply, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	return string(reply)
}

func TestAddressesOfABalancersConnectionsAreThoseOfItsHeader(t *testing.T) {
	ln, _ := serve(t, &servers.Config{ProxyFrom: onLoopback()}, tellAddr)
	require.Contains(t, ln.String(), "tcp 127.0.0.1:")
	require.Equal(t, "192.0.2.1:56324 198.51.100.7:443 hello", converse(t, dial(t, ln), proxyLine+"hello"))
	nc := dial(t, ln)
	own := nc.LocalAddr().String() + " " + ln.Addr().String() + " "
	require.Equal(t, own+"hello", converse(t, nc, "PROXY UNKNOWN\r\nhello"))
}

func TestTheHeaderOfABalancerComesBeforeTLS(t *testing.T) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, &servers.Config{ProxyFrom: onLoopback()})
	serveOn(t, t.Context(), ln, tellAddr)
	nc := dial(t, ln)
	_, err := io.WriteString(nc, proxyLine)
	require.NoError(t, err)
	require.Equal(t, "192.0.2.1:56324 198.51.100.7:443 hello", converse(t, tls.Client(nc, config), "hello"))
}

func TestNobodyElseCanPretendToBeABalancer(t *testing.T) {
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	ln, _ := serve(t, &servers.Config{ProxyFrom: elsewhere}, tellAddr)
	nc := dial(t, ln)
	own := nc.LocalAddr().String() + " " + ln.Addr().String() + " "
	require.Equal(t, own+proxyLine, converse(t, nc, proxyLine))
}

func TestABalancerWithoutAHeaderIsRefused(t *testing.T) {
	failed := make(chan error, 1)
	ln, _ := serve(t, &servers.Config{
		ProxyFrom: onLoopback(), MaxConns: 1, MaxPerIP: 1,
		Hooks: &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failed <- err }},
	}, tellAddr)
	for range 3 { // each one releases its place
		nc := dial(t, ln)
		_, err := io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
		require.NoError(t, err)
		_, err = io.ReadAll(nc)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.ErrorContains(t, <-failed, `no header of the PROXY protocol: begins with "GET / HTTP/1"`)
	}
	require.Contains(t, converse(t, dial(t, ln), proxyLine+"hello"), "192.0.2.1:56324")
}

func TestMaxPerIPCountsThoseBehindABalancer(t *testing.T) {
	refused := make(chan net.Addr, 1)
	ln, _ := serve(t, &servers.Config{
		ProxyFrom: onLoopback(), MaxPerIP: 1,
		Hooks: &servers.Hooks{Refused: func(peer net.Addr) { refused <- peer }},
	}, echo)
	one := dial(t, ln)
	_, err := io.WriteString(one, proxyLine)
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, one, "hello"))
	two := dial(t, ln)
	_, err = io.WriteString(two, proxyLine)
	require.NoError(t, err)
	require.Equal(t, "192.0.2.1:56324", (<-refused).String())
	other := dial(t, ln)
	require.Equal(t, "hello", converse(t, other, "PROXY TCP4 192.0.2.2 198.51.100.7 1 443\r\nhello"))
	require.NoError(t, one.Close())
	await(t, ln, 0)
	require.Equal(t, "hello", converse(t, dial(t, ln), proxyLine+"hello"))
}

func TestG19ASilentBalancerHoldsUpNobodyAndEnds(t *testing.T) {
	secure, config := signed(t)
	failed := make(chan error, 1)
	ln := listenTLS(t, secure, &servers.Config{
		ProxyFrom: onLoopback(), ProxyTimeout: 3 * time.Second, // enough for the other one on a busy machine
		Hooks: &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failed <- err }},
	})
	serveOn(t, t.Context(), ln, echo)
	silent := dial(t, ln)
	_, err := io.WriteString(silent, "PROXY TCP4 192")
	require.NoError(t, err)
	nc := dial(t, ln)
	_, err = io.WriteString(nc, proxyLine)
	require.NoError(t, err)
	require.Equal(t, "hello", converse(t, tls.Client(nc, config), "hello"))
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
}

// A health check connects and leaves. That is no news, unlike a peer that has said something.
func TestAPeerThatLeavesBeforeItsHeaderIsNoNews(t *testing.T) {
	for said, want := range map[string]int{"": 0, "PROX": 1} {
		var log logbook
		failed := make(chan struct{})
		ln := listen(t, &servers.Config{ProxyAlways: true, Logger: log.logger(), Hooks: &servers.Hooks{
			HandshakeFailed: func(net.Addr, error) { close(failed) },
		}})
		result := serveOn(t, t.Context(), ln, echo)
		nc := dial(t, ln)
		_, err := io.WriteString(nc, said)
		require.NoError(t, err)
		require.NoError(t, nc.Close())
		<-failed
		require.NoError(t, ln.Close())
		require.NoError(t, <-result) // the line follows the call of the hook
		require.Len(t, log.lines(), want, "after %q", said)
	}
}
