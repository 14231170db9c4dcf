package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weir-go/weir/internal/dnscache"
	"github.com/weir-go/weir/internal/hostname"
)

// AddrOrder selects which address families are requested, and which comes first.
type AddrOrder int

// The orders of addresses.
const (
	IPv6First AddrOrder = iota // both, IPv6 before IPv4
	IPv4First                  // both, IPv4 before IPv6
	IPv6Only
	IPv4Only
)

// types returns the record types to query, in order.
func (o AddrOrder) types() []dnsmessage.Type {
	switch o {
	case IPv6First:
		return []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA}
	case IPv4First:
		return []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA}
	case IPv6Only:
		return []dnsmessage.Type{dnsmessage.TypeAAAA}
	case IPv4Only:
		return []dnsmessage.Type{dnsmessage.TypeA}
	}
	panic(fmt.Sprintf("clients: no AddrOrder is %d", o))
}

// DNSConfig configures a [DNSResolver]. A nil *DNSConfig and the zero value use the defaults. For defaults of the
// system, NewDNSResolver reads /etc/resolv.conf once.
type DNSConfig struct {
	// Servers are queried in this order until one answers. Each is an IP address, with a port unless it is 53. nil
	// means the system's servers, or this machine if there is no /etc/resolv.conf.
	Servers []string

	// Search lists the domains in which a name is tried. nil means the system's list if Servers is nil too, otherwise
	// none; an empty slice means none.
	Search []string

	// NDots is the number of dots from which a name is tried as it is before the domains of Search. A name with fewer
	// dots is tried in the domains first, and a name that ends with a dot is never searched. 0 means the system's
	// value, or 1; with a negative value every name is tried in the domains first.
	NDots int

	// Timeout is how long to wait for an answer before the next attempt, or less if the deadline of a lookup's ctx would
	// leave no time for the other servers. 0 means the system's value, or 5 s.
	Timeout time.Duration

	// Attempts is the number of rounds over the servers. 0 means the system's value, or 2.
	Attempts int

	// Rotate starts each query with the next of the Servers, to spread the load. It is on if Servers is nil and the
	// system has "options rotate".
	Rotate bool

	// UseTCP queries over TCP without trying UDP first. It is on if Servers is nil and the system has "options use-vc".
	UseTCP bool

	// Order selects the address families to request and which comes first. Two families are requested concurrently.
	Order AddrOrder

	// MaxTTL limits how long an answer is cached. 0 means a day; negative turns caching off.
	MaxTTL time.Duration

	// MinTTL is the least time for which an answer is cached, even if its zone has a lower TTL.
	MinTTL time.Duration

	// NegativeTTL limits how long the absence of a name, or of an address of a family, is cached; the zone sets the
	// time (RFC 2308). 0 means 5 minutes; negative turns this off.
	NegativeTTL time.Duration

	// CacheSize limits the number of cached answers, one for each name and family. The least recently used one is
	// evicted. 0 means 1,024; negative means none.
	CacheSize int

	// Payload is the largest UDP answer, in bytes, announced with EDNS(0). 0 means 1,232, which no network is known to
	// fragment; a negative value disables EDNS, which limits answers to 512 bytes. Larger answers come over TCP.
	Payload int

	// Dial, if not nil, connects to a server over "udp" or "tcp", for example from a given address or through a tunnel.
	// A read from a "udp" connection must return one datagram. nil means [net.Dialer.DialContext].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DNSResolver queries DNS servers itself. Unlike package net, it knows the TTL of an answer and caches it for that
// long. It queries by UDP from a new port with a random ID each time, and by TCP if the answer does not fit. It does
// not read /etc/hosts. It resolves localhost and names below it to this machine without a query (RFC 6761) and reports
// names below onion as not found (RFC 7686).
//
// A lookup of two address families starts one goroutine and waits for it; otherwise a DNSResolver has no goroutine and
// needs no closing. Concurrent lookups of one name share one query and its result, also if that is a failure or is not
// cached. The methods are safe for concurrent use. DNSSEC is not validated.
//
// Queries always request recursion, and international names are always encoded.
type DNSResolver struct {
	cfg   DNSConfig
	types []dnsmessage.Type
	cache *dnscache.Cache[question, []netip.Addr] // an empty value means that the name or family does not exist
	turn  atomic.Uint32                           // the server to start with, if Rotate is set

	hasRoute func(netip.Addr) bool // replaced by tests
}

// question is the key of the cache: an absolute name in lower case, and a type.
type question struct {
	name string
	typ  dnsmessage.Type
}

// NewDNSResolver returns a DNSResolver. cfg may be nil. It fails if a server is not an IP address.
func NewDNSResolver(cfg *DNSConfig) (*DNSResolver, error) {
	r := &DNSResolver{hasRoute: hasRoute}
	if cfg != nil {
		r.cfg = *cfg
	}
	r.types = r.cfg.Order.types()
	if err := r.cfg.complete(openResolvConf("/etc/resolv.conf")); err != nil {
		return nil, err
	}
	r.cache = dnscache.New[question, []netip.Addr](max(r.cfg.CacheSize, 0))
	return r, nil
}

// openResolvConf is readResolvConf of the file at path. A file that cannot be read is like an empty one.
func openResolvConf(path string) resolvConf {
	f, err := os.Open(path)
	if err != nil {
		return resolvConf{ndots: -1}
	}
	defer func() { _ = f.Close() }() // it was only read
	return readResolvConf(f)
}

// complete replaces zeros with the defaults.
func (cfg *DNSConfig) complete(system resolvConf) error {
	if cfg.Servers == nil {
		cfg.Servers = system.servers
		cfg.Rotate, cfg.UseTCP = cfg.Rotate || system.rotate, cfg.UseTCP || system.useTCP
		if cfg.Search == nil {
			cfg.Search = system.search
		}
	}
	if len(cfg.Servers) == 0 {
		cfg.Servers = []string{"127.0.0.1:53", "[::1]:53"}
	}
	if system.ndots >= 0 && cfg.NDots == 0 {
		cfg.NDots = system.ndots
	} else if cfg.NDots == 0 {
		cfg.NDots = 1
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, system.timeout, 5*time.Second)
	cfg.Attempts = cmp.Or(cfg.Attempts, system.attempts, 2)
	cfg.MaxTTL = cmp.Or(cfg.MaxTTL, 24*time.Hour)
	cfg.NegativeTTL = cmp.Or(cfg.NegativeTTL, 5*time.Minute)
	cfg.CacheSize = cmp.Or(cfg.CacheSize, 1024)
	cfg.Payload = cmp.Or(cfg.Payload, 1232)
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(undated{ctx}, network, address)
		}
	}
	return cfg.check()
}

// check normalizes the addresses of the servers and the search domains, and rejects invalid ones.
func (cfg *DNSConfig) check() error {
	if cfg.Timeout < 0 || cfg.Attempts < 0 || cfg.MinTTL < 0 || cfg.Payload > 65535 {
		panic(fmt.Sprintf("clients: NewDNSResolver: Timeout, Attempts and MinTTL must be at least 0 and Payload "+
			"at most 65535, got %v, %d, %v and %d", cfg.Timeout, cfg.Attempts, cfg.MinTTL, cfg.Payload))
	}
	servers := make([]string, len(cfg.Servers))
	for i, text := range cfg.Servers {
		addr, err := netip.ParseAddr(text)
		port, err2 := netip.ParseAddrPort(text)
		switch {
		case err == nil:
			port = netip.AddrPortFrom(addr, 53)
		case err2 != nil:
			return fmt.Errorf("clients: NewDNSResolver: the server %q is not an IP address: write it like "+
				`"192.0.2.1", "192.0.2.1:5353" or "[2001:db8::1]:53"`, text)
		}
		servers[i] = port.String()
	}
	cfg.Servers = servers
	var search []string
	for _, domain := range cfg.Search {
		if domain == "." {
			continue // the name itself, which is tried anyway
		}
		name, err := hostname.ASCII(domain)
		if err != nil {
			return fmt.Errorf("clients: NewDNSResolver: the search domain %q is %w", domain, err)
		}
		search = append(search, name)
	}
	cfg.Search = search
	return nil
}

// LookupAddrs returns the addresses of the first candidate name (see Search) that has any, in the configured order of
// families. It follows aliases. If host is an IP address, it returns that.
//
// When there is an IPv4 address to which this machine has a route, LookupAddrs waits at most another 250 ms for IPv6,
// because some servers never answer for it. It skips a server that refuses, fails, or refers to other servers (a lame
// one), like one that does not answer. The error is the last failure, or that there is no such host.
func (r *DNSResolver) LookupAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	name, err := hostname.ASCII(host)
	if err != nil {
		return nil, notFound(host, err.Error())
	}
	if addrs, ok := r.special(name); ok {
		if len(addrs) == 0 {
			return nil, notFound(host, "no such host: names below onion are not in DNS (RFC 7686)")
		}
		return addrs, nil
	}
	var failure error
	for _, fqdn := range r.names(name, hostname.IsAbsolute(host)) {
		addrs, err := r.lookupName(ctx, fqdn)
		switch {
		case len(addrs) > 0:
			return addrs, nil
		case ctx.Err() != nil: // err may be its cause, which may say that some other host does not exist
			return nil, resolveError(ctx, host, err)
		case isNotFound(err):
			continue
		}
		if failure = err; !errors.Is(err, errServerFailed) {
			break // no answer: other names would take as long again
		}
	}
	if failure != nil {
		return nil, failure
	}
	return nil, notFound(host, "no such host")
}

// special resolves names for which no query may be sent.
func (r *DNSResolver) special(name string) (addrs []netip.Addr, ok bool) {
	switch {
	case name == "onion" || strings.HasSuffix(name, ".onion"):
		return nil, true
	case name != "localhost" && !strings.HasSuffix(name, ".localhost"):
		return nil, false
	}
	for _, typ := range r.types {
		if typ == dnsmessage.TypeA {
			addrs = append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
		} else {
			addrs = append(addrs, netip.IPv6Loopback())
		}
	}
	return addrs, true
}

// names returns the absolute names to try for name, in order.
func (r *DNSResolver) names(name string, absolute bool) []string {
	if absolute {
		return []string{name + "."}
	}
	var names []string
	for _, domain := range r.cfg.Search {
		if long := name + "." + domain + "."; len(long) <= 254 {
			names = append(names, long)
		}
	}
	if r.cfg.NDots >= 0 && strings.Count(name, ".") >= r.cfg.NDots {
		return append([]string{name + "."}, names...)
	}
	return append(names, name+".")
}

// Forget empties the cache, for instance after the network has changed. A lookup in progress returns its answer to its
// callers without caching it.
func (r *DNSResolver) Forget() { r.cache.Clear() }
