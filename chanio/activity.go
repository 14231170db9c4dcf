package chanio

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"

	"github.com/weir-go/weir/internal/stream"
)

// LogActivity returns a net.Conn that behaves like nc and logs its traffic at level: one line for each read and write
// that returned and for each close, with the number of bytes, the error if any, and the first dump bytes in hexadecimal
// and ASCII; 0 dumps none. It is for finding out what a peer really sends.
//
// If log is not enabled for level at the time of the call, LogActivity returns nc itself at no cost. Otherwise a [Conn]
// over the result is slower even apart from the logging: it holds a buffer while it waits and writes in a goroutine.
// Below TLS the log shows TLS records.
func LogActivity(nc net.Conn, log *slog.Logger, level slog.Level, dump int) net.Conn {
	if !log.Enabled(context.Background(), level) {
		return nc
	}
	a := &activity{Conn: nc, level: level, dump: dump}
	a.log = log.With("local", text(nc.LocalAddr()), "peer", text(nc.RemoteAddr()))
	a.tell("opened", nil, nil)
	return a
}

// text returns addr as text; it may be nil.
func text(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	return addr.String()
}

// activity is a net.Conn whose calls are logged.
type activity struct {
	net.Conn
	log   *slog.Logger
	level slog.Level
	dump  int
}

func (a *activity) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	a.tell("read", p[:n], err)
	return n, err
}

func (a *activity) Write(p []byte) (int, error) {
	n, err := a.Conn.Write(p)
	a.tell("wrote", p[:n], err)
	return n, err
}

func (a *activity) Close() error {
	err := a.Conn.Close()
	a.tell("closed", nil, err)
	return err
}

// CloseWrite half-closes, where that can be done.
func (a *activity) CloseWrite() error {
	nc, ok := a.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	err := nc.CloseWrite()
	a.tell("half-closed", nil, err)
	return err
}

// Abort turns the following Close into a reset, for [Conn].
func (a *activity) Abort() {
	stream.Reset(a.Conn)
	a.tell("aborted", nil, nil)
}

// tell logs one line.
func (a *activity) tell(what string, p []byte, err error) {
	var attrs []slog.Attr
	if len(p) > 0 {
		attrs = append(attrs, slog.Int("bytes", len(p)))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	if shown := p[:min(len(p), max(a.dump, 0))]; len(shown) > 0 {
		attrs = append(attrs, slog.String("dump", "\n"+hex.Dump(shown)))
	}
	a.log.LogAttrs(context.Background(), a.level, "chanio: "+what, attrs...)
}
