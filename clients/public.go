package clients

import (
	"fmt"
	"net/netip"
)

// reserved lists the address ranges that are not public, in addition to those that netip.Addr recognizes: RFC 6890, RFC
// 6598, RFC 6052.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers (CGNAT)
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and the broadcast address
	netip.MustParsePrefix("64:ff9b:1::/48"),  // local translation to IPv4
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/32"),       // Teredo: contains an IPv4 address
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: contains an IPv4 address
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

// translated lists the IPv6 ranges that embed an IPv4 address in their last four bytes (RFC 6052).
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
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return !a.Is6() || !isCompatible(a)
}

// isCompatible reports whether a has the obsolete form ::a.b.c.d.
func isCompatible(a netip.Addr) bool {
	b := a.As16()
	return [12]byte(b[:12]) == [12]byte{}
}
