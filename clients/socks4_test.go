package clients

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// startSOCKS4 answers each request of n bytes with a code.
func startSOCKS4(t *testing.T, n int, reply ...byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(nc, make([]byte, n))
			_, _ = nc.Write(reply)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func TestSOCKS4RefusalIsAProxyError(t *testing.T) {
	const request = 2 + 2 + 4 + 1
	for code, want := range map[byte]error{91: syscall.ECONNREFUSED, 93: nil} {
		p := &SOCKS4{Addr: startSOCKS4(t, request, 0, code, 0, 0, 0, 0, 0, 0)}
		_, err := DialTCP(t.Context(), "192.0.2.1:80", &Config{Proxy: p})
		var refused *ProxyError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, int(code), refused.Code)
		if want != nil {
			require.ErrorIs(t, err, want)
		} else {
			require.NotEmpty(t, refused.Hint)
		}
	}
	p := &SOCKS4{Addr: startSOCKS4(t, request, 5, 0, 0, 0, 0, 0, 0, 0)}
	_, err := DialTCP(t.Context(), "192.0.2.1:80", &Config{Proxy: p})
	require.ErrorContains(t, err, "does not speak SOCKS 4")
}

// Hints about a server dialled from here do not apply to one that a proxy could not reach.
func TestARefusalByAProxyIsExplainedByNobodyElse(t *testing.T) {
	p := &SOCKS4{Addr: startSOCKS4(t, 2+2+4+1, 0, 91, 0, 0, 0, 0, 0, 0)}
	_, err := DialTCP(t.Context(), "192.0.2.1:80", &Config{Proxy: p})
	var refused *ProxyError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotContains(t, err.Error(), "nothing listens there")
	require.True(t, strings.HasSuffix(err.Error(), refused.Error()), err)
}

func TestSOCKS4RefusesWhatItCannotAskFor(t *testing.T) {
	for addr, p := range map[string]*SOCKS4{
		"[2001:db8::1]:80": {}, "192.0.2.1:80": {User: "a\x00b"}, "a.example:80": {Resolver: mustStatic(t, "2001:db8::1")},
	} {
		p.Addr = "127.0.0.1:1"
		_, err := DialTCP(t.Context(), addr, &Config{Proxy: p})
		require.Error(t, err, addr)
		require.NotErrorIs(t, err, syscall.ECONNREFUSED, "before the proxy is dialled")
	}
}

func TestSOCKS4TellsWhyTheLookUpFailed(t *testing.T) {
	cause := errors.New("no name server answers")
	p := &SOCKS4{Addr: "127.0.0.1:1", Resolver: ResolverFunc(func(context.Context, string) ([]netip.Addr, error) { return nil, cause })}
	_, err := DialTCP(t.Context(), "a.example:80", &Config{Proxy: p})
	require.ErrorIs(t, err, cause)
}

func TestSOCKS4NeedsAnIPv4Address(t *testing.T) {
	p := &SOCKS4{Addr: "127.0.0.1:1", Resolver: mustStatic(t, "::1")}
	_, err := DialTCP(t.Context(), "a.example:80", &Config{Proxy: p})
	require.ErrorContains(t, err, "host a.example has no IPv4 address, which SOCKS 4 needs")
}

func mustStatic(t *testing.T, addr string) Resolver {
	t.Helper()
	r, err := NewStaticResolver(map[string][]string{"*": {addr}})
	require.NoError(t, err)
	return r
}

func TestSOCKS4UserHas255BytesAtMost(t *testing.T) {
	for size, want := range map[int]string{255: "", 256: "more than 255 bytes"} {
		p := &SOCKS4{Addr: startSOCKS4(t, 2+2+4+size+1, 0, socks4Granted, 0, 0, 0, 0, 0, 0), User: strings.Repeat("u", size)}
		c, err := DialTCP(t.Context(), "192.0.2.1:80", &Config{Proxy: p})
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		c.Abort(nil)
	}
}
