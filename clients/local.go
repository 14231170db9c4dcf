package clients

import (
	"context"
	"net"
	"net/netip"
)

// resolveLocal returns the address for a LocalAddr, which the system resolves. Its IP is invalid if addr has no host. A
// name with addresses of both families means an IPv4 one, as in package net.
func resolveLocal(ctx context.Context, network, addr string) (netip.Addr, int, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil || host == "" {
		return netip.Addr{}, port, err
	}
	addrs, err := lookup(ctx, nil, host)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	for _, a := range addrs {
		if a.Is4() {
			return a, port, nil
		}
	}
	return addrs[0], port, nil
}
