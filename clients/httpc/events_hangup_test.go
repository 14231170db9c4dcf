package httpc

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestServerThatHangsUpIsNotTheEndOfEvents uses a server that closes each connection at once, and a Dial that returns
// io.EOF, neither of which means 204.
func TestServerThatHangsUpIsNotTheEndOfEvents(t *testing.T) {
	s := raw(t, func(net.Conn, *bufio.Reader) {})
	for name, k := range map[string]struct {
		url string
		cfg *Config
	}{
		"plain": {s.url, nil},
		"TLS":   {"https" + strings.TrimPrefix(s.url, "http"), nil},
		"Dial": {s.url, &Config{Dial: func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
			return nil, io.EOF
		}}},
		"Auth": {s.url, &Config{Auth: endedAuth{}}},
	} {
		_, err := newClient(t, k.cfg).Events(t.Context(), k.url, nil)
		require.Error(t, err, name)
	}
}

// endedAuth is an Auth that fails with io.EOF.
type endedAuth struct{}

func (endedAuth) Authorize(*http.Request) error { return io.EOF }
