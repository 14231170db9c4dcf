package clients

import (
	"fmt"
	"net/netip"
)

// reserved lists the address ranges that are not public, in addition to those that netip.Addr recognizes and to IPv6
// addresses outside global: RFC 6890 and the registries of IANA.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers (CGNAT)
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and the broadcast address
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, such as Teredo, which contains an IPv4 address
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: contains an IPv4 address
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

// global is the range of IPv6 addresses that are assigned to networks (RFC 4291).
var global = netip.MustParsePrefix("2000::/3")

// translated is the range of IPv6 addresses that embed an IPv4 address in their last four bytes (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// PublicOnly is a Config.Allow that permits connections to public addresses only, for programs that connect to
// addresses supplied by others. It rejects loopback, private, link-local, shared (CGNAT), unique local, multicast,
// unspecified and reserved addresses, also in the IPv6 forms of IPv4 addresses. It checks each address right before
// connecting, so a name whose address changes in between (DNS rebinding) does not evade it.
func PublicOnly(to netip.AddrPort) error {
	a := to.Addr().WithZone("").Unmap()
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !isPublic(a) {
		return fmt.Errorf("clients: the address %s is not public", to.Addr())
	}
	return nil
}

func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
