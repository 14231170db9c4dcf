package clients_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/clients"
)

// The lookup of a LocalAddr by name ends with ctx, like the lookup of the host.
func TestG2LookUpOfALocalAddrEndsWithCtx(t *testing.T) {
	system := net.DefaultResolver
	defer func() { net.DefaultResolver = system }()
	for network, dial := range map[string]func(ctx context.Context) error{
		"tcp": func(ctx context.Context) error {
			_, err := clients.DialTCP(ctx, "127.0.0.1:9", &clients.Config{LocalAddr: "here.test:0"})
			return err
		},
		"udp": func(ctx context.Context) error {
			_, err := clients.DialUDP(ctx, "127.0.0.1:9", &clients.UDPConfig{LocalAddr: "here.test:0"})
			return err
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel(why)
			<-ctx.Done() // like a name server that does not answer
			return nil, ctx.Err()
		}}
		err := dial(ctx)
		require.ErrorIs(t, err, why, network)
		require.ErrorAs(t, err, new(*net.OpError))
	}
}

func TestLocalAddrMayBeANameOrAPortAlone(t *testing.T) {
	nl := listen(t)
	defer nl.Close()
	for _, local := range []string{"localhost:0", ":0", "127.0.0.1:", ":"} {
		c, err := clients.DialTCP(t.Context(), nl.Addr().String(), &clients.Config{LocalAddr: local})
		require.NoError(t, err, local)
		require.Equal(t, "127.0.0.1", c.LocalAddr().(*net.TCPAddr).IP.String())
		c.Abort(nil)
		u, err := clients.DialUDP(t.Context(), "127.0.0.1:9", &clients.UDPConfig{LocalAddr: local})
		require.NoError(t, err, local)
		require.NoError(t, u.Close())
	}
}

func TestLocalAddrOfBothFamiliesIsTheIPv4One(t *testing.T) {
	server := &dnsServer{answer: func(q query, send func([]byte)) {
		if q.typ == dnsmessage.TypeA {
			send(q.with(60, aRecord("127.0.0.1")))
		} else {
			send(q.with(60, aaaaRecord("::1")))
		}
	}}
	defer server.serving.Wait()
	system := net.DefaultResolver
	defer func() { net.DefaultResolver = system }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return server.dial(ctx, "tcp", addr)
	}}
	u, err := clients.DialUDP(t.Context(), "127.0.0.1:9", &clients.UDPConfig{LocalAddr: "here.test.:0"})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", u.LocalAddr().Addr().String())
	require.NoError(t, u.Close())
}

func TestALocalAddrWithAnUnknownServiceIsRefused(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:no-such-service", ":no-such-service", "127.0.0.1:65536"} {
		_, err := clients.DialTCP(t.Context(), "127.0.0.1:9", &clients.Config{LocalAddr: addr})
		require.ErrorContains(t, err, addr[strings.LastIndex(addr, ":")+1:], addr)
		_, err = clients.DialUDP(t.Context(), "127.0.0.1:9", &clients.UDPConfig{LocalAddr: addr})
		require.ErrorContains(t, err, addr[strings.LastIndex(addr, ":")+1:], addr)
	}
}
