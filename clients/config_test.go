package clients

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/datagram"
	"github.com/weir-go/weir/internal/tlsconf"
)

func TestUDPConfigReachesTheEngine(t *testing.T) {
	lo := &net.Interface{Name: "lo"}
	cfg := UDPConfig{
		Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true,
		ReadBuffer: 1, WriteBuffer: 2, TTL: 3, TOS: 4, Broadcast: true,
		MulticastInterface: lo, MulticastTTL: 5, MulticastNoLoopback: true,
	}
	require.Equal(t, datagram.Config{
		Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true,
	}, cfg.datagram())
	require.Equal(t, datagram.Options{
		ReadBuffer: 1, WriteBuffer: 2, TTL: 3, TOS: 4, Broadcast: true,
		MulticastInterface: lo, MulticastTTL: 5, MulticastNoLoopback: true,
	}, cfg.options())
}

func TestTLSConfigSetsTheOldestVersion(t *testing.T) {
	for set, want := range map[uint16]uint16{0: tls.VersionTLS12, tls.VersionTLS10: tls.VersionTLS12, tls.VersionTLS13: tls.VersionTLS13} {
		cfg, _, err := (*tlsconf.Client)(&TLSConfig{MinVersion: set}).Config("a.test")
		require.NoError(t, err)
		require.Equal(t, want, cfg.MinVersion)
	}
}
