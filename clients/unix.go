package clients

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unixfile"
)

// DialUnix connects to the Unix domain socket at path or, on Linux, to an abstract name, which starts with "@". It
// returns the connection, which the caller must close. While the server's backlog is full, it retries. cfg may be nil.
// ctx and errors are as in [DialTCP].
func DialUnix(ctx context.Context, path string, cfg *Config) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	ctx, cancel := within(ctx, cfg.timeout(), "no connection")
	defer cancel()
	connected := false
	c, err := cfg.connect(ctx, "", func(conn *chanio.ConnConfig) (*chanio.Conn, error) {
		nc, err := dialUnix(ctx, path)
		if err != nil {
			return nil, err
		}
		connected = true
		return chanio.NewConn(nc, conn), nil
	})
	if err == nil {
		return c, nil
	}
	if connected {
		return nil, explain(err)
	}
	err = dialError(ctx, "unix", err)
	return nil, fmt.Errorf("clients: %w%s", err, unixHint(path, err))
}

const (
	firstUnixPause = time.Millisecond // before the next attempt at a full backlog
	lastUnixPause  = 100 * time.Millisecond
)

// dialUnix connects. With a full backlog, where TCP would wait, a Unix socket returns EAGAIN.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	for pause := firstUnixPause; ; pause = min(2*pause, lastUnixPause) {
		nc, err := new(net.Dialer).DialContext(undated{ctx}, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// unixHint returns a suggested remedy for err, or "".
func unixHint(path string, err error) string {
	switch {
	case path == "":
		return `; the path is that of a socket's file, or "@name" on Linux`
	case errors.Is(err, syscall.EINVAL) && len(path) > unixfile.MaxPath-8:
		return fmt.Sprintf("; the path has %d bytes and may have %d at most: a relative one may be shorter", len(path), unixfile.MaxPath)
	case errors.Is(err, fs.ErrNotExist):
		return "; is the server running, and is this its path?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nobody listens there: is the server running?"
	case errors.Is(err, fs.ErrPermission):
		return "; connecting takes permission to write to the socket's file, which the server's Mode may give"
	}
	return ""
}
