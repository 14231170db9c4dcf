package servers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/datagram"
)

func TestUDPConfigReachesTheEngine(t *testing.T) {
	cfg := UDPConfig{Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true}
	require.Equal(t, datagram.Config{
		Coalesce: time.Hour, Linger: time.Minute, MaxDatagram: 1000, KeepTruncated: true, NoOffload: true, Shutdown: ErrShutdown,
	}, cfg.datagram())
}
