package clients_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

// says dials through p. Its peer sends answer and ends, whatever the request.
func says(t *testing.T, p clients.Proxy, answer []byte) (*chanio.Conn, error) {
	near, far := chaniotest.Pipe(1 << 20)
	_, err := far.Write(answer)
	require.NoError(t, err)
	require.NoError(t, far.(interface{ CloseWrite() error }).CloseWrite())
	t.Cleanup(func() { _ = far.Close() })
	direct := func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
		return chanio.NewConn(near, nil), nil
	}
	return p.DialThrough(t.Context(), "a.test:80", nil, direct)
}

// judge checks that a proxy's answer leads to a connection or to an error of the right form, and returns the rest of
// the answer, which belongs to the connection.
func judge(t *testing.T, c *chanio.Conn, err error) []byte {
	if err != nil {
		require.Nil(t, c)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		return nil
	}
	defer c.Out.Abort(nil)
	var rest []byte
	for chunk := range c.In.All(t.Context()) {
		rest = append(rest, chunk...)
	}
	require.NoError(t, c.In.Err())
	return rest
}

// FuzzHTTPProxy checks that no response makes the client panic, hang, read beyond its limit, or lose what follows.
func FuzzHTTPProxy(f *testing.F) {
	for _, seed := range []string{
		okResponse + "rest", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\n\nrest",
		"HTTP/1.1 407 Auth\r\nX: y\r\n z\r\n\r\n", "\r\n\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 1<<20 {
			return
		}
		c, err := says(t, &clients.HTTPProxy{Addr: "proxy:1", MaxResponse: 256}, answer)
		var refusal *clients.ProxyError
		if errors.As(err, &refusal) {
			require.True(t, refusal.Code >= 200 && refusal.Code < 1000, refusal.Code)
			require.False(t, refusal.Code < 300, refusal.Code)
		}
		rest := judge(t, c, err)
		if err == nil {
			require.LessOrEqual(t, len(answer)-len(rest), 256)
			require.Equal(t, string(answer[len(answer)-len(rest):]), string(rest))
		}
	})
}

// FuzzSOCKS5 checks the same for the replies of a SOCKS proxy.
func FuzzSOCKS5(f *testing.F) {
	for _, seed := range []string{
		"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00rest", "\x05\x02\x01\x00\x05\x00\x00\x03\x01a\x00\x00",
		"\x05\xff", "\x05\x00\x05\x05", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 1<<20 {
			return
		}
		c, err := says(t, &clients.SOCKS5{Addr: "proxy:1", User: "me"}, answer)
		rest := judge(t, c, err)
		if err == nil {
			require.LessOrEqual(t, len(answer)-len(rest), 2+2+4+1+255+2)
			require.Equal(t, string(answer[len(answer)-len(rest):]), string(rest))
			return
		}
		require.NotErrorIs(t, err, io.EOF, "an end within a reply is not a clean one")
	})
}
