package servers_test

import (
	"crypto/x509"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// throughRelay serves an echo of frames over TLS and returns a client of it and the network in between.
func throughRelay(t *testing.T, f chaniotest.Faults, hooks *servers.Hooks) (*chaniotest.Relay, *chanio.Conn) {
	secure, config := signed(t)
	ln := listenTLS(t, secure, &servers.Config{Hooks: hooks})
	serveOn(t, t.Context(), ln, echo)
	r := chaniotest.NewRelay(t, ln.Addr())
	r.Set(f)
	c, err := clients.DialTLS(t.Context(), r.Addr().String(), &clients.TLSConfig{RootCAs: config.RootCAs}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Out.Abort(nil) })
	return r, c
}

func TestTLSSurvivesSlicesAndLatency(t *testing.T) {
	_, c := throughRelay(t, chaniotest.Faults{Slice: 1, Latency: time.Millisecond}, nil)
	frames := codec.Frame(c, codec.Prefixed(codec.Uint32, codec.String))
	for _, text := range []string{"", "a", "hello", string(make([]byte, 4000))} {
		require.NoError(t, frames.Out.Send(t.Context(), text))
		got, err := frames.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
	require.NoError(t, frames.Out.Close())
	for range frames.In.All(t.Context()) {
		require.Fail(t, "nothing more was sent")
	}
	require.NoError(t, frames.In.Err())
}

func TestG15TLSAResetSaysSoOnBothSides(t *testing.T) {
	causes := make(chan error, 1)
	hooks := &servers.Hooks{Closed: func(c *chanio.Conn) { causes <- c.Cause() }}
	r, c := throughRelay(t, chaniotest.Faults{}, hooks)
	require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
	_, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	r.Reset()
	for range c.In.C(t.Context()) {
		require.Fail(t, "nothing more was sent")
	}
	require.ErrorIs(t, c.In.Err(), syscall.ECONNRESET)
	require.ErrorIs(t, <-causes, syscall.ECONNRESET)
}

// An invalid server certificate is reported to the client, with a suggested remedy, and on the server by the hook.
func TestG15BothSidesAreToldOfABadCertificate(t *testing.T) {
	secure, config := signed(t)
	failed := make(chan error, 1)
	ln := listenTLS(t, secure, &servers.Config{
		Hooks: &servers.Hooks{HandshakeFailed: func(_ net.Addr, err error) { failed <- err }},
	})
	serveOn(t, t.Context(), ln, echo)
	other := &clients.TLSConfig{RootCAs: config.RootCAs, ServerName: "other.test"}
	_, err := clients.DialTLS(t.Context(), ln.Addr().String(), other, nil)
	require.True(t, errors.As(err, new(x509.HostnameError)))
	require.ErrorContains(t, err, "dial one of the names that its certificate has")
	require.ErrorContains(t, <-failed, "bad certificate")
}
