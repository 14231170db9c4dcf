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
)

// UnixConfig says how a connection to a Unix domain socket is made and how it behaves. The zero value, and nil, mean
// the defaults.
type UnixConfig struct {
	// Conn is how the connection behaves: its linger bound, coalescing, idle and write timeouts.
	Conn chanio.ConnConfig

	// Timeout is how long dialling may take, which is waiting for a server that is slow to accept. 0 means 30 s,
	// negative no limit but ctx's.
	Timeout time.Duration
}

// DialUnix connects to the Unix domain socket at path, or, on Linux, of the abstract name that begins with "@", and
// returns the connection, which the caller closes. While the server's backlog is full it tries again. cfg may be nil.
// ctx bounds the dialling only, as in [DialTCP], and the error is as there.
func DialUnix(ctx context.Context, path string, cfg *UnixConfig) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &UnixConfig{}
	}
	ctx, cancel := within(ctx, orElse(cfg.Timeout, defaultTimeout))
	defer cancel()
	nc, err := dialUnix(ctx, path)
	if err != nil {
		err = dialError(ctx, "unix", err)
		return nil, fmt.Errorf("clients: %w%s", err, unixHint(err))
	}
	return chanio.NewConn(nc, &cfg.Conn), nil
}

const (
	firstUnixPause = time.Millisecond // before the next attempt at a full backlog
	lastUnixPause  = 100 * time.Millisecond
)

// dialUnix connects. Where a full backlog makes TCP wait, a Unix socket says EAGAIN.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	for pause := firstUnixPause; ; pause = min(2*pause, lastUnixPause) {
		nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
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

// unixHint says what to do about err, or nothing.
func unixHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; is the server running, and is this its path?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; nobody listens there: is the server running?"
	case errors.Is(err, fs.ErrPermission):
		return "; connecting takes permission to write to the socket's file, which the server's Mode may give"
	}
	return ""
}
