package chanio_test

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// cryptoTLSPair returns two ends of a crypto/tls connection wrapped by NewConn. A write that is interrupted there
// cannot be resumed.
func cryptoTLSPair(t testing.TB) (near, far *chanio.Conn) { return wrap(cryptoTLSConns(t)) }

func cryptoTLSConns(t testing.TB) (client, server net.Conn) {
	x, y := socketPair(t, "tcp", "127.0.0.1:0")
	serverConfig, clientConfig := selfSigned()
	a, b := tls.Client(x, clientConfig), tls.Server(y, serverConfig)
	shaken := make(chan error, 1)
	go func() { shaken <- a.HandshakeContext(t.Context()) }()
	require.NoError(t, b.HandshakeContext(t.Context()))
	require.NoError(t, <-shaken)
	return a, b
}

func TestConformanceOfCryptoTLSUnderNewConn(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: cryptoTLSPair, Facts: chaniotest.Facts{Linger: linger}})
}
