package clients_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/freeport"
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

// dnsmasq starts a DNS server on loopback and returns its address.
func dnsmasq(t *testing.T, args ...string) string {
	t.Helper()
	path := program(t, "dnsmasq", "dnsmasq-base")
	me, err := user.Current()
	require.NoError(t, err)
	for range 5 {
		port := freeport.Port(t)
		cmd := exec.Command(path, append([]string{
			"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=" + me.Username,
			"--bind-interfaces", "--listen-address=127.0.0.1", fmt.Sprint("--port=", port),
		}, args...)...)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		started, output := false, ""
		for lines := bufio.NewScanner(stderr); !started && lines.Scan(); {
			started = strings.Contains(lines.Text(), "started")
			output += lines.Text() + "\n"
		}
		if !started {
			_ = cmd.Wait()
			if strings.Contains(output, "in use") {
				continue // another process took the port
			}
			t.Fatalf("dnsmasq does not start:\n%s", output)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return fmt.Sprint("127.0.0.1:", port)
	}
	t.Fatal("no free port for dnsmasq")
	return ""
}

func TestDNSUnderstandsARealServer(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	var many strings.Builder
	for i := range 150 {
		fmt.Fprintf(&many, "10.2.0.%d many.test\n", i)
	}
	require.NoError(t, os.WriteFile(hosts, []byte(many.String()), 0o644))
	server := dnsmasq(t,
		"--local=/test/", "--addn-hosts="+hosts,
		"--host-record=a.test,10.1.0.1,2001:db8::1", "--host-record=six.test,2001:db8::6",
		"--cname=alias.test,a.test", "--cname=alias2.test,alias.test",
		"--address=/wild.test/10.1.0.7", "--host-record=www.search.test,10.1.0.8",
	)
	dialled := map[string]int{}
	r, err := clients.NewDNSResolver(&clients.DNSConfig{
		Servers: []string{server}, Order: clients.IPv4First, Search: []string{"search.test"}, CacheSize: -1, NegativeTTL: -1,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "tcp" {
				dialled[network]++ // UDP is queried twice concurrently
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
	require.NoError(t, err)
	for host, want := range map[string][]netip.Addr{
		"a.test":        addrs("10.1.0.1", "2001:db8::1"),
		"A.TEST.":       addrs("10.1.0.1", "2001:db8::1"),
		"six.test":      addrs("2001:db8::6"),
		"alias.test":    addrs("10.1.0.1", "2001:db8::1"),
		"alias2.test":   addrs("10.1.0.1", "2001:db8::1"),
		"any.wild.test": addrs("10.1.0.7"),
		"www":           addrs("10.1.0.8"),
	} {
		got, err := r.LookupAddrs(t.Context(), host)
		require.NoError(t, err, host)
		require.Equal(t, want, got, host)
	}
	require.Empty(t, dialled)

	got, err := r.LookupAddrs(t.Context(), "many.test")
	require.NoError(t, err)
	require.Len(t, got, 150)
	require.Equal(t, map[string]int{"tcp": 1}, dialled, "a datagram has not the room for 150")

	for _, host := range []string{"no.such.test", "no.such.test."} {
		_, err = r.LookupAddrs(t.Context(), host)
		requireNotFound(t, err)
	}
	_, err = r.LookupAddrs(t.Context(), "outside.example.")
	require.ErrorContains(t, err, "Refused", "the server has nobody to ask")
}

func TestDNSServerThatIsNotThereRefuses(t *testing.T) {
	nobody := freeport.Addr(t)
	r, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: []string{nobody}, Attempts: 1})
	require.NoError(t, err)
	_, err = r.LookupAddrs(t.Context(), "a.test")
	require.ErrorContains(t, err, "refused")
}
