package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResolvConfIsReadAsItsManualPageSays(t *testing.T) {
	require.Equal(t, resolvConf{
		servers: []string{"10.0.0.1:53", "[fe80::1%eth0]:53", "10.0.0.2:53"},
		search:  []string{"a.test", "b.test"}, ndots: 15, timeout: 30 * time.Second, attempts: 1,
		rotate: true, useTCP: true,
	}, readResolvConf(strings.NewReader(`# comment
; another
domain first.test
nameserver 10.0.0.1
nameserver	fe80::1%eth0
nameserver not-an-address
nameserver 10.0.0.2
nameserver 10.0.0.4
search a.test b.test
options ndots:20 timeout:99 attempts:0 rotate use-vc edns0 ndots: ndots:-1
lookup file
nameserver
`)))
	require.Equal(t, resolvConf{ndots: -1}, readResolvConf(strings.NewReader("")))
	require.Equal(t, resolvConf{ndots: -1, rotate: true}, readResolvConf(strings.NewReader("options edns0 rotate")))
	require.Equal(t, resolvConf{ndots: -1, useTCP: true}, readResolvConf(strings.NewReader("options use-vc trust-ad")))
}

func TestADomainOfTheSystemThatCannotBeOneIsIgnored(t *testing.T) {
	for _, text := range []string{
		"search a..b ok.test .c . " + strings.Repeat("x", 64) + ".test\n", "domain a..b\nsearch ok.test .\n", "search ok.test\ndomain ok.test\n",
	} {
		var cfg DNSConfig
		require.NoError(t, cfg.complete(readResolvConf(strings.NewReader(text))), text)
		require.Equal(t, []string{"ok.test"}, cfg.Search, text)
	}
	var cfg DNSConfig
	require.NoError(t, cfg.complete(readResolvConf(strings.NewReader("search ok.test\ndomain a..b\n"))))
	require.Empty(t, cfg.Search)
}

func TestAResolvConfThatCannotBeReadIsLikeAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolv.conf")
	require.Equal(t, resolvConf{ndots: -1}, openResolvConf(path))
	require.NoError(t, os.WriteFile(path, []byte("nameserver 10.0.0.1\noptions ndots:3\n"), 0o600))
	require.Equal(t, resolvConf{servers: []string{"10.0.0.1:53"}, ndots: 3}, openResolvConf(path))
	require.Equal(t, resolvConf{ndots: -1}, openResolvConf(dir))
}

func TestDNSConfigTakesTheSystemsValuesForZeros(t *testing.T) {
	system := resolvConf{
		servers: []string{"10.0.0.1:53"}, search: []string{"A.test", "."}, ndots: 2, timeout: time.Second, attempts: 3,
		rotate: true, useTCP: true,
	}
	cfg := DNSConfig{}
	require.NoError(t, cfg.complete(system))
	require.Equal(t, []string{"10.0.0.1:53"}, cfg.Servers)
	require.Equal(t, []string{"a.test"}, cfg.Search)
	require.Equal(t, []any{2, time.Second, 3}, []any{cfg.NDots, cfg.Timeout, cfg.Attempts})
	require.True(t, cfg.Rotate && cfg.UseTCP)
	cfg = DNSConfig{Servers: []string{"10.0.0.9"}}
	require.NoError(t, cfg.complete(system))
	require.False(t, cfg.Rotate || cfg.UseTCP, "these are about the servers of the system")

	cfg = DNSConfig{Servers: []string{"1.1.1.1", "::1", "[::1]:5353"}, NDots: 4, Timeout: time.Minute, Attempts: 1}
	require.NoError(t, cfg.complete(system))
	require.Equal(t, []string{"1.1.1.1:53", "[::1]:53", "[::1]:5353"}, cfg.Servers)
	require.Empty(t, cfg.Search, "servers of the caller have nothing to do with the system's domains")
	require.Equal(t, []any{4, time.Minute, 1}, []any{cfg.NDots, cfg.Timeout, cfg.Attempts})

	system.ndots = 0
	cfg = DNSConfig{}
	require.NoError(t, cfg.complete(system))
	require.Zero(t, cfg.NDots, "every name is tried as it is first")

	cfg = DNSConfig{Search: []string{}}
	require.NoError(t, cfg.complete(system))
	require.Empty(t, cfg.Search)

	cfg = DNSConfig{}
	require.NoError(t, cfg.complete(resolvConf{ndots: -1}))
	require.Equal(t, []string{"127.0.0.1:53", "[::1]:53"}, cfg.Servers)
	require.Equal(t, []any{1, 5 * time.Second, 2}, []any{cfg.NDots, cfg.Timeout, cfg.Attempts})
}
