package httpd

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// A client without requests may close the connection as soon as it has read the first GOAWAY of a shutdown.
func TestClientThatLeavesAtTheFirstGoAwayIsNotReported(t *testing.T) {
	said := newLockedBuffer()
	addr, srv := startServer(t, http.NotFoundHandler(), &Config{Logger: slog.New(slog.NewTextHandler(said, nil))})
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, frames.ClientPreface)
	require.NoError(t, err)
	fr := frames.NewFramer(nc, nc)
	require.NoError(t, fr.WriteSettings())
	ended := make(chan error, 1)
	begun := false
	for {
		f, err := fr.ReadFrame()
		require.NoError(t, err)
		if s, ok := f.(*frames.SettingsFrame); ok && s.IsAck() && !begun {
			begun = true
			go func() { ended <- srv.Shutdown(t.Context()) }() // the test waits for it
		}
		if _, ok := f.(*frames.GoAwayFrame); ok {
			break
		}
	}
	require.NoError(t, nc.(*net.TCPConn).SetLinger(0)) // a close with unread input resets too
	require.NoError(t, nc.Close())
	require.NoError(t, <-ended)
	require.Empty(t, said.String())
}
