package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/clients"
)

// addrs parses addresses.
func addrs(texts ...string) []netip.Addr {
	out := make([]netip.Addr, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParseAddr(text)
	}
	return out
}

func static(t testing.TB, table map[string][]string) clients.Resolver {
	t.Helper()
	r, err := clients.NewStaticResolver(table)
	require.NoError(t, err)
	return r
}

func requireNotFound(t testing.TB, err error) {
	t.Helper()
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.True(t, dns.IsNotFound, err.Error())
}

func TestSystemResolverAsksTheResolverThatItIsGiven(t *testing.T) {
	sorry := errors.New("sorry")
	r := clients.SystemResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, sorry }})
	_, err := r.LookupAddrs(t.Context(), "weir.test")
	require.ErrorContains(t, err, "sorry")
	got, err := clients.SystemResolver(nil).LookupAddrs(t.Context(), "127.0.0.1")
	require.NoError(t, err)
	require.Equal(t, addrs("127.0.0.1"), got)
}

func TestSystemResolverEncodesInternationalNames(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	dial := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			framed := make([]byte, 514) // net.Pipe is no packet connection, so the query is framed as over TCP
			n, _ := io.ReadAtLeast(far, framed, 2+12)
			var p dnsmessage.Parser
			if _, err := p.Start(framed[2:n]); err != nil {
				return
			}
			q, _ := p.Question()
			mu.Lock()
			defer mu.Unlock()
			asked[q.Name.String()] = true
		}()
		return near, nil
	}
	r := clients.SystemResolver(&net.Resolver{PreferGo: true, Dial: dial})
	for host, want := range map[string]string{
		"Bücher.test.": "xn--bcher-kva.test.", "bücher.test。": "xn--bcher-kva.test.", "例え.test．": "xn--r8jz45g.test.", "weir.test.": "weir.test.",
	} {
		mu.Lock()
		clear(asked)
		mu.Unlock()
		_, err := r.LookupAddrs(t.Context(), host)
		require.Error(t, err)
		mu.Lock()
		require.Equal(t, map[string]bool{want: true}, maps.Clone(asked), host)
		mu.Unlock()
	}
	_, err := r.LookupAddrs(t.Context(), "ü..test")
	require.ErrorContains(t, err, "no such host")
}

func TestStaticTablePrefersExactNamesAndLongWildcards(t *testing.T) {
	r := static(t, map[string][]string{
		"*":             {"10.0.0.9"},
		"*.example.org": {"10.0.0.1"},
		"*.B.example.org.": {
			"10.0.0.2"},
		"www.example.org": {"10.0.0.3", "2001:db8::3"},
		"bücher.test":     {"10.0.0.4"},
	})
	for host, want := range map[string]string{
		"www.example.org":    "10.0.0.3",
		"WWW.Example.ORG.":   "10.0.0.3",
		"example.org":        "10.0.0.1",
		"a.example.org":      "10.0.0.1",
		"x.www.example.org":  "10.0.0.1",
		"b.example.org":      "10.0.0.2",
		"x.y.b.example.org":  "10.0.0.2",
		"notexample.org":     "10.0.0.9",
		"xn--bcher-kva.test": "10.0.0.4",
		"Bücher.test":        "10.0.0.4",
	} {
		got, err := r.LookupAddrs(t.Context(), host)
		require.NoError(t, err, host)
		require.Equal(t, netip.MustParseAddr(want), got[0], host)
	}
}

func TestStaticTableGivesAwayItsAddressesAsCopies(t *testing.T) {
	r := static(t, map[string][]string{"a.test": {"10.0.0.1"}, "*.b.test": {"10.0.0.1"}})
	for _, host := range []string{"a.test", "b.test"} {
		got, err := r.LookupAddrs(t.Context(), host)
		require.NoError(t, err)
		got[0] = netip.Addr{}
		again, err := r.LookupAddrs(t.Context(), host)
		require.NoError(t, err)
		require.Equal(t, addrs("10.0.0.1"), again)
	}
}

func TestStaticTableKnowsNothingElse(t *testing.T) {
	r := static(t, map[string][]string{"*.a.test": {"10.0.0.1"}})
	for _, host := range []string{"test", "xa.test", "", ".", "a..test", "a b.test", strings.Repeat("a.", 130) + "a.test"} {
		_, err := r.LookupAddrs(t.Context(), host)
		requireNotFound(t, err)
	}
}

func TestStaticTableSaysWhatIsWrongWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		table map[string][]string
		want  string
	}{
		"a port":     {map[string][]string{"a.test": {"10.0.0.1:80"}}, "without a port"},
		"no address": {map[string][]string{"a.test": nil}, "leave it out"},
		"wildcard":   {map[string][]string{"a.*.test": {"10.0.0.1"}}, `a wildcard is like "*.example.org"`},
		"no name":    {map[string][]string{"": {"10.0.0.1"}}, "is not a host name"},
		"twice":      {map[string][]string{"a.test": {"10.0.0.1"}, "A.test": {"10.0.0.2"}}, "twice"},
		"wild twice": {map[string][]string{"*.a.test": {"10.0.0.1"}, "*.A.test": {"10.0.0.2"}}, "twice"},
	} {
		_, err := clients.NewStaticResolver(c.table)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestFirstOfGoesOnOnlyWhenTheHostIsUnknown(t *testing.T) {
	table := static(t, map[string][]string{"a.test": {"10.0.0.1"}})
	broken := errors.New("out of order")
	asked := 0
	r := clients.FirstOf(table, clients.ResolverFunc(func(_ context.Context, host string) ([]netip.Addr, error) {
		asked++
		if host == "b.test" {
			return nil, broken
		}
		return addrs("10.0.0.2"), nil
	}), clients.ResolverFunc(func(context.Context, string) ([]netip.Addr, error) { panic("asked for nothing") }))

	got, err := r.LookupAddrs(t.Context(), "a.test")
	require.NoError(t, err)
	require.Equal(t, addrs("10.0.0.1"), got)
	require.Zero(t, asked)

	got, err = r.LookupAddrs(t.Context(), "c.test")
	require.NoError(t, err)
	require.Equal(t, addrs("10.0.0.2"), got)

	_, err = r.LookupAddrs(t.Context(), "b.test")
	require.ErrorIs(t, err, broken)

	_, err = clients.FirstOf(table, table).LookupAddrs(t.Context(), "z.test")
	requireNotFound(t, err)
	require.PanicsWithValue(t, "clients: FirstOf: needs at least one Resolver", func() { clients.FirstOf() })
}

func TestRoundRobinTurnsEachFamilyForEachHost(t *testing.T) {
	r := clients.RoundRobin(static(t, map[string][]string{
		"a.test": {"10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2", "10.0.0.3"},
		"b.test": {"10.0.0.1", "10.0.0.2"},
		"c.test": {"10.0.0.1"},
	}))
	for _, want := range [][]netip.Addr{
		addrs("10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2", "10.0.0.3"),
		addrs("10.0.0.2", "2001:db8::2", "10.0.0.3", "2001:db8::1", "10.0.0.1"),
		addrs("10.0.0.3", "2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2"),
		addrs("10.0.0.1", "2001:db8::2", "10.0.0.2", "2001:db8::1", "10.0.0.3"),
	} {
		got, err := r.LookupAddrs(t.Context(), "a.test")
		require.NoError(t, err)
		require.Equal(t, want, got)
		_, err = r.LookupAddrs(t.Context(), "c.test")
		require.NoError(t, err)
	}
	for _, want := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.1"} {
		got, err := r.LookupAddrs(t.Context(), "b.test")
		require.NoError(t, err)
		require.Equal(t, netip.MustParseAddr(want), got[0])
	}
	_, err := r.LookupAddrs(t.Context(), "z.test")
	requireNotFound(t, err)
}

func TestRoundRobinCountsForEachHostWhileThereAreFew(t *testing.T) {
	r := clients.RoundRobin(static(t, map[string][]string{"*": {"10.0.0.1", "10.0.0.2", "10.0.0.3"}}))
	for _, want := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		for _, host := range []string{"a.test", "b.test"} { // by turns
			got, err := r.LookupAddrs(t.Context(), host)
			require.NoError(t, err)
			require.Equal(t, netip.MustParseAddr(want), got[0], host)
		}
	}
}

func TestRoundRobinCountsForABoundedNumberOfHosts(t *testing.T) {
	r := clients.RoundRobin(static(t, map[string][]string{"*": {"10.0.0.1", "10.0.0.2"}}))
	first := func(host string) netip.Addr {
		got, err := r.LookupAddrs(t.Context(), host)
		require.NoError(t, err)
		return got[0]
	}
	require.Equal(t, netip.MustParseAddr("10.0.0.1"), first("a.test"))
	for i := range 1024 {
		first(fmt.Sprint("host", i, ".test"))
	}
	require.Equal(t, netip.MustParseAddr("10.0.0.1"), first("a.test"), "its count was forgotten")
}

func TestSystemResolverKnowsThisMachine(t *testing.T) {
	got, err := clients.SystemResolver(nil).LookupAddrs(t.Context(), "localhost")
	require.NoError(t, err)
	require.NotEmpty(t, got)
	for _, addr := range got {
		require.True(t, addr.IsLoopback())
		require.False(t, addr.Is4In6())
	}
}

func TestSystemResolverReturnsTheCauseOfCtx(t *testing.T) {
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := clients.SystemResolver(&net.Resolver{PreferGo: true}).LookupAddrs(ctx, "no.such.name.invalid")
	require.ErrorIs(t, err, why)
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.Equal(t, "no.such.name.invalid", dns.Name)
}
