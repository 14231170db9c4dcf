package clients_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

func TestDNSKnowsWhereARouteIsMissing(t *testing.T) {
	require.True(t, clients.HasRoute(netip.MustParseAddr("127.0.0.1")))
	require.False(t, clients.HasRoute(netip.MustParseAddr("fe80::1%lo")), "loopback has no link-local addresses")
}
