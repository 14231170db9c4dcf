package clients

import "net/netip"

// SetHasRoute makes r believe f about the routes of this machine.
func (r *DNSResolver) SetHasRoute(f func(netip.Addr) bool) { r.hasRoute = f }

// HasRoute reports whether this machine has a route to an address.
var HasRoute = hasRoute
