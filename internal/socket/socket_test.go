package socket

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExplainSaysWhatToDoAndStaysMatchable(t *testing.T) {
	for _, c := range []struct {
		err  error
		hint string
	}{
		{syscall.EADDRINUSE, "choose another port"},
		{syscall.EADDRNOTAVAIL, "no interface of this machine"},
		{syscall.EACCES, "ports below 1024"},
		{syscall.ECONNREFUSED, "nothing listens there"},
		{&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, "is the name right?"},
		{&net.AddrError{Err: "missing port in address", Addr: "x"}, "an address is host:port"},
	} {
		inner := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", c.err)}
		err := Explain("servers", inner)
		require.ErrorIs(t, err, c.err)
		require.Regexp(t, "^servers: listen tcp: .*; .*"+c.hint, err.Error())
		var op *net.OpError
		require.True(t, errors.As(err, &op))
	}
	require.ErrorIs(t, Explain("x", syscall.EACCES), fs.ErrPermission)
	noFile := &fs.PathError{Op: "open", Path: "key.pem", Err: syscall.EACCES}
	require.EqualError(t, Explain("servers", noFile), "servers: open key.pem: permission denied", "that is no port")
	require.EqualError(t, Explain("servers", errors.New("rare")), "servers: rare", "nothing to say")
}

func TestOptionsAreHandedOn(t *testing.T) {
	refusal := errors.New("no")
	o := Options{KeepAlive: time.Minute, Control: func(string, string, syscall.RawConn) error { return refusal }}
	require.Equal(t, time.Minute, o.ListenConfig().KeepAlive)
	require.Equal(t, time.Minute, o.Dialer().KeepAlive)
	require.Equal(t, refusal, o.ListenConfig().Control("", "", nil))
	require.Equal(t, refusal, o.Dialer().Control("", "", nil))
}

func TestHintsAreAboutWhatIsWrong(t *testing.T) {
	for addr, want := range map[string]string{
		"localhost:nosuch":         "name of a service that this machine knows",
		"[fe80::1]:0":              "needs its interface",
		"no.such.host.invalid.:80": "is the name right?",
		"localhost":                "an address is host:port",
	} {
		_, err := net.Listen("tcp", addr)
		require.Error(t, err)
		require.ErrorContains(t, Explain("x", err), want, addr)
	}
}
