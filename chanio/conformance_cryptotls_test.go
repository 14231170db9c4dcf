package chanio_test

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// cryptoTLSPair returns two ends of a crypto/tls connection wrapped by NewConn. A write that is interrupted there
// cannot be resumed.
func cryptoTLSPair(t testing.TB) (near, far *chanio.Conn) {
	x, y := socketPair(t, "tcp", "127.0.0.1:0")
	server, client := selfSigned()
	a, b := tls.Client(x, client), tls.Server(y, server)
	shaken := make(chan error, 1)
	go func() { shaken <- a.HandshakeContext(t.Context()) }()
	require.NoError(t, b.HandshakeContext(t.Context()))
	require.NoError(t, <-shaken)
	return wrap(a, b)
}

func TestConformanceOfCryptoTLSUnderNewConn(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: cryptoTLSPair, Facts: chaniotest.Facts{Linger: linger}})
}
