package clients_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

// unanswered returns the address of a socket whose backlog is full, so that Linux does not answer further connections.
func unanswered(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port)).String()
	for {
		nc, err := net.DialTimeout("tcp", addr, 500*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = nc.Close() })
	}
}

// A socket knows the deadline too, and must not be faster than ctx.
func TestTheDeadlineOfADialIsThatOfItsCtx(t *testing.T) {
	addr, why := unanswered(t), errors.New("why")
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	table, err := clients.NewStaticResolver(map[string][]string{"two.test": {"127.0.0.1", "127.0.0.1"}})
	require.NoError(t, err)
	dns, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{addr}, UseTCP: true})
	require.NoError(t, err)
	for range 20 {
		for _, dial := range []func(ctx context.Context) error{
			func(ctx context.Context) error {
				_, err := clients.DialTCP(ctx, addr, nil)
				return err
			},
			func(ctx context.Context) error {
				_, err := clients.DialTCP(ctx, "two.test:"+port, &clients.Config{Resolver: table})
				return err
			},
			func(ctx context.Context) error {
				_, err := dns.LookupAddrs(ctx, "two.test")
				return err
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Millisecond, why)
			require.ErrorIs(t, dial(ctx), why)
			cancel()
		}
		_, err := clients.DialTCP(t.Context(), addr, &clients.Config{Timeout: 5 * time.Millisecond})
		require.ErrorContains(t, err, "no connection within 5ms")
	}
}

func TestAnAddressThatHasUsedUpItsShareOfTheTimeSaysSo(t *testing.T) {
	_, port, err := net.SplitHostPort(unanswered(t))
	require.NoError(t, err)
	table, err := clients.NewStaticResolver(map[string][]string{"two.test": {"127.0.0.1", "127.0.0.2"}})
	require.NoError(t, err)
	_, err = clients.DialTCP(t.Context(), "two.test:"+port, &clients.Config{
		Resolver: table, AttemptDelay: -1, Timeout: 400 * time.Millisecond,
	})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "no connection within")
}

func TestATimeoutOfAProxyForSeveralAddressesIsAnOpError(t *testing.T) {
	table, err := clients.NewStaticResolver(map[string][]string{"two.test": {"192.0.2.1", "192.0.2.2"}})
	require.NoError(t, err)
	addr := unanswered(t)
	for name, proxy := range map[string]clients.Proxy{
		"SOCKS 5": &clients.SOCKS5{Addr: addr, Resolver: table}, "SOCKS 4": &clients.SOCKS4{Addr: addr, Resolver: table},
	} {
		_, err := clients.DialTCP(t.Context(), "two.test:1", &clients.Config{Timeout: 10 * time.Millisecond, Proxy: proxy})
		var op *net.OpError
		require.ErrorAs(t, err, &op, name)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
	}
}
