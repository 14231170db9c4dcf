package chanio_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// logbook is a log whose lines a test can read.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// logger omits what differs from run to run.
func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "local" || a.Key == "peer" || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func loggedPair(t testing.TB) (near, far *chanio.Conn) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	var log logbook
	return wrap(chanio.LogActivity(a, log.logger(), slog.LevelInfo, 8), chanio.LogActivity(b, log.logger(), slog.LevelInfo, 0))
}

func TestLoggedConnectionsConform(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{Connect: loggedPair, Facts: chaniotest.Facts{Linger: linger}})
}

func TestActivityIsLogged(t *testing.T) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	var log logbook
	nc := chanio.LogActivity(a, log.logger(), slog.LevelInfo, 4)
	_, err := io.WriteString(nc, "hello")
	require.NoError(t, err)
	_, err = io.ReadFull(b, make([]byte, 5))
	require.NoError(t, err)
	_, err = io.WriteString(b, "abc")
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, b.Close())
	_, err = nc.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, nc.(closeWriter).CloseWrite())
	require.NoError(t, nc.Close())
	lines := strings.Split(log.String(), "\n")
	require.Equal(t, `msg="chanio: opened"`, lines[0])
	require.Equal(t, `msg="chanio: wrote" bytes=5 dump="\n00000000  68 65 6c 6c                                       |hell|\n"`, lines[1])
	require.Equal(t, `msg="chanio: read" bytes=3 dump="\n00000000  61 62 63                                          |abc|\n"`, lines[2])
	require.Contains(t, lines[3], `msg="chanio: read" err=`)
	require.Equal(t, []string{`msg="chanio: half-closed"`, `msg="chanio: closed"`, ""}, lines[4:])
}

func TestNothingIsWrappedForALoggerThatIsOff(t *testing.T) {
	a, b := chaniotest.Pipe(0)
	require.Same(t, a, chanio.LogActivity(a, slog.New(slog.DiscardHandler), slog.LevelError, 8))
	var log logbook
	_, ok := chanio.LogActivity(struct{ net.Conn }{b}, log.logger(), slog.LevelInfo, 0).(closeWriter)
	require.True(t, ok)
	err := chanio.LogActivity(struct{ net.Conn }{b}, log.logger(), slog.LevelInfo, 0).(closeWriter).CloseWrite()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestG5AnAbortUnderTheLogIsNotACleanEndOfTLS(t *testing.T) {
	x, y := cryptoTLSConns(t)
	var log logbook
	near := chanio.NewConn(chanio.LogActivity(x, log.logger(), slog.LevelInfo, 0), nil)
	far := chanio.NewConn(y, nil)
	abortAfter(t, near, far)
	require.NotNil(t, near.TLS())
	require.Equal(t, uint16(tls.VersionTLS13), near.TLS().Version)
	require.NoError(t, near.Out.Send(t.Context(), []byte("half of it")))
	require.NoError(t, near.Out.Flush(t.Context()))
	near.Abort(nil)
	var err error
	for err == nil {
		_, err = far.In.Recv(t.Context())
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}
