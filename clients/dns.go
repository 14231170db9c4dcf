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

// AddrOrder says which families of addresses are asked for, and which come first.
type AddrOrder int

// The orders of addresses.
const (
	IPv6First AddrOrder = iota // both, IPv6 before IPv4
	IPv4First                  // both, IPv4 before IPv6
	IPv6Only
	IPv4Only
)

// types are the records to ask for, in order.
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

// DNSConfig says how a [DNSResolver] asks. The zero value, and nil, mean the defaults. Where those refer to the system,
// /etc/resolv.conf is read once, by NewDNSResolver.
type DNSConfig struct {
	// Servers are asked in this order until one answers: IP addresses, with a port unless it is 53. nil means the
	// system's, and this machine where it has no /etc/resolv.conf.
	Servers []string

	// Search are the domains that a name is tried in. nil means the system's if Servers is nil too, otherwise none; so
	// does an empty slice.
	Search []string

	// NDots is how many dots a name has at least that is first tried as it is, and only then in the domains of Search;
	// one with fewer is tried in the domains first. One that ends with a dot is never searched. 0 means the system's, or
	// 1; negative that every name is tried in the domains first.
	NDots int

	// Timeout is how long an answer is waited for before the next attempt. 0 means the system's, or 5 s.
	Timeout time.Duration

	// Attempts is how often each server is asked, one after the other and then again from the first. 0 means the
	// system's, or 2.
	Attempts int

	// Rotate begins each question with the next of the Servers, so that they share the work. It is on if Servers is nil
	// and the system has "options rotate".
	Rotate bool

	// UseTCP asks by TCP at once, and not by UDP first. It is on if Servers is nil and the system has "options use-vc".
	UseTCP bool

	// Order says which families of addresses are asked for and come first. With both, they are asked for at once.
	Order AddrOrder

	// MaxTTL bounds how long an answer is remembered. 0 means a day, negative that none is.
	MaxTTL time.Duration

	// MinTTL is how long an answer is remembered at least, against the will of its zone.
	MinTTL time.Duration

	// NegativeTTL bounds how long it is remembered that a name or an address of a family is not there. The zone says
	// how long (RFC 2308). 0 means 5 minutes, negative not at all.
	NegativeTTL time.Duration

	// CacheSize is how many answers are remembered, one for each name and family. The one that was not used for the
	// longest time makes room. 0 means 1,024, negative none.
	CacheSize int

	// Payload is how large a datagram the servers may send, in bytes, by EDNS(0). 0 means 1,232, which no network is
	// known to fragment; negative that EDNS is not used, which makes it 512. What is larger comes over TCP.
	Payload int

	// Dial, if not nil, connects to a server, by "udp" or "tcp": from a certain address, or through a tunnel. A read
	// from what it returns for "udp" must yield one datagram. nil means [net.Dialer.DialContext].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DNSResolver resolves by asking DNS servers itself: unlike the net package it knows how long an answer holds and
// remembers it for so long. It asks by UDP from a new port each time with a random id, and over TCP if the answer does
// not fit. It takes no notice of /etc/hosts; but localhost and what is below it are this machine without being asked
// for (RFC 6761), and what is below onion is not found (RFC 7686).
//
// A look-up starts a goroutine for the second family of addresses and waits for it; otherwise it has none, and needs no
// closing. Look-ups of the same name at the same time ask once and share the answer, also if that is a failure or is not
// remembered. Its methods are for any goroutine. It does not validate DNSSEC.
//
// Recursion is always desired, and international names are always encoded.
type DNSResolver struct {
	cfg   DNSConfig
	types []dnsmessage.Type
	cache *dnscache.Cache[question, []netip.Addr] // with none for a name or family that is not there
	turn  atomic.Uint32                           // the server to begin with, if they rotate
}

// question is what is remembered by: an absolute name in lower case, and a type.
type question struct {
	name string
	typ  dnsmessage.Type
}

// NewDNSResolver returns a DNSResolver. cfg may be nil. An error names a server that is not an IP address.
func NewDNSResolver(cfg *DNSConfig) (*DNSResolver, error) {
	r := &DNSResolver{}
	if cfg != nil {
		r.cfg = *cfg
	}
	r.types = r.cfg.Order.types()
	if err := r.cfg.complete(systemResolvConf()); err != nil {
		return nil, err
	}
	r.cache = dnscache.New[question, []netip.Addr](max(r.cfg.CacheSize, 0))
	return r, nil
}

func systemResolvConf() resolvConf {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return resolvConf{ndots: -1}
	}
	defer func() { _ = f.Close() }() // it was only read
	return readResolvConf(f)
}

// complete puts the defaults in the place of zeros.
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
		cfg.Dial = new(net.Dialer).DialContext
	}
	return cfg.check()
}

// check completes the addresses of the servers and the search domains, and finds what cannot be.
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
			continue // the name as it is, which is tried anyway
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

// LookupAddrs returns the addresses of host: those of the first of the names it stands for (see Search) that has any,
// in the order of families that was configured. Aliases are followed. It returns host itself if it is an IP address.
//
// When one family has been answered, the other has another 250 ms: some servers never answer for IPv6. A server that
// refuses, fails, or refers to other servers (a lame one) is passed over like one that is silent. The error is the last
// failure if there was one, and otherwise that there is no such host.
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
	for _, fqdn := range r.names(name, strings.HasSuffix(host, ".")) {
		addrs, err := r.lookupName(ctx, fqdn)
		if len(addrs) > 0 {
			return addrs, nil
		}
		if err != nil && !isNotFound(err) {
			failure = err
		}
		if err != nil && !errors.Is(err, errServerFailed) && !isNotFound(err) {
			break // nobody answered, or ctx ended: asking for other names would take as long again
		}
	}
	if failure != nil {
		return nil, resolveError(ctx, host, failure)
	}
	return nil, notFound(host, "no such host")
}

// special resolves the names that are not to be asked for.
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

// names are the absolute names that name stands for, in the order in which they are tried.
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

// Forget empties the memory of answers, for instance after the network has changed. A look-up under way returns its
// answer to its callers, but that is not remembered either.
func (r *DNSResolver) Forget() { r.cache.Clear() }
