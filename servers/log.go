package servers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// report logs why a connection ended, unless err is nil.
func (o *observer) report(c *chanio.Conn, err error) {
	if err == nil {
		return
	}
	attrs := []slog.Attr{slog.String("local", text(c.LocalAddr())), slog.String("peer", text(c.RemoteAddr()))}
	stack := stackOf(err)
	switch {
	case stack != "":
		attrs = append(attrs, slog.Any("err", err), slog.String("stack", stack))
		o.log(slog.LevelError, "servers: handler failed", attrs...)
	case o.isOfPeer(c, err):
		o.reportPeer("servers: connection failed", c.Stats().BytesIn > 0, append(attrs, slog.Any("err", err))...)
	default:
		o.log(slog.LevelWarn, "servers: handler failed", append(attrs, slog.Any("err", err))...)
	}
}

// reportUndrained logs that a peer did not read everything that was sent to it, unless err is nil.
func (o *observer) reportUndrained(c *chanio.Conn, err error) {
	if err != nil {
		o.reportPeer("servers: peer did not take all that was sent", c.Stats().BytesIn > 0,
			slog.String("local", text(c.LocalAddr())), slog.String("peer", text(c.RemoteAddr())), slog.Any("err", err))
	}
}

// stackOf returns the stack of a panic, or "" if err is not a panic.
func stackOf(err error) string {
	var panicked *chanio.PanicError
	if !errors.As(err, &panicked) {
		return ""
	}
	return string(panicked.Stack)
}

// reportPeer logs an action of a peer. heard reports whether the peer has sent anything; a peer that has not is usually
// a health check.
func (o *observer) reportPeer(msg string, heard bool, attrs ...slog.Attr) {
	level := slog.LevelInfo
	if !heard {
		level = slog.LevelDebug
	}
	if !o.cfg.Logger.Enabled(context.Background(), level) {
		return
	}
	ok, skipped := o.peerLines.take(time.Now())
	if !ok {
		return
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Uint64("skipped", skipped))
	}
	o.log(level, msg, attrs...)
}

func (o *observer) log(level slog.Level, msg string, attrs ...slog.Attr) {
	o.cfg.Logger.LogAttrs(context.Background(), level, msg, attrs...)
}

// text returns addr as text. It allows for a foreign net.Conn without an address.
func text(addr net.Addr) string {
	if addr == nil {
		return "unknown"
	}
	return addr.String()
}

// lines rate-limits log lines about peers, so that a peer cannot fill a disk.
type lines struct {
	mu      sync.Mutex
	left    int
	since   time.Time // start of the second that left is for
	skipped uint64
}

const (
	linesAtOnce    = 20 // after a quiet period
	linesPerSecond = 2
)

// take reports whether a line may be logged at now, and how many were omitted since the last one.
func (l *lines) take(now time.Time) (ok bool, skipped uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.left, l.since = linesAtOnce, now
	}
	if seconds := int(min(now.Sub(l.since)/time.Second, linesAtOnce)); seconds > 0 {
		l.left, l.since = min(l.left+seconds*linesPerSecond, linesAtOnce), now
	}
	if l.left == 0 {
		l.skipped++
		return false, 0
	}
	l.left--
	skipped, l.skipped = l.skipped, 0
	return true, skipped
}

// muted returns a Logger that logs to log once unmute has been called.
func muted(log *slog.Logger) (_ *slog.Logger, unmute func()) {
	h := &mutedHandler{Handler: log.Handler()}
	return slog.New(h), func() { h.heard.Store(true) }
}

type mutedHandler struct {
	slog.Handler
	heard atomic.Bool
}

func (h *mutedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.heard.Load() && h.Handler.Enabled(ctx, level)
}
