package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/guard"
)

const (
	firstPause = 5 * time.Millisecond // after a temporary failure of accept
	lastPause  = time.Second          // the pauses double up to this
	calm       = time.Minute          // time without failures after which the next one is logged
)

// acceptor accepts from a net.Listener, one call at a time. After a temporary failure it waits, so it never spins.
type acceptor struct {
	nl      net.Listener
	addr    net.Addr
	limit   deadline.Deadline // interrupts an accept; without a net.Listener that has deadlines, ctx applies only between accepts
	limited bool              // it has
	closing <-chan struct{}
	log     *slog.Logger
	failed  func(error) // called with each temporary failure
	trouble time.Time   // when accept last failed
}

func (a *acceptor) init(nl net.Listener, addr net.Addr, closing <-chan struct{}, log *slog.Logger) {
	a.nl, a.addr, a.closing, a.log = nl, addr, closing, log
	a.failed = func(error) {}
	var socket deadline.Socket
	if socket, a.limited = nl.(deadline.Socket); a.limited {
		a.limit.Init(deadline.Func(func(t time.Time) error {
			return guard.Call(func() { _ = socket.SetDeadline(t) })
		}))
	}
}

// stopped is called when the net.Listener has been closed.
func (a *acceptor) stopped() { a.limit.Close(net.ErrClosed) }

// accept returns the next connection. It returns io.EOF if accepting has been stopped, the cause of ctx if ctx ended
// first, and otherwise a permanent error.
func (a *acceptor) accept(ctx context.Context) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		nc, err := a.acceptOnce(ctx)
		if err == nil || !isTemporary(err) {
			return nc, err
		}
		if ctx.Err() != nil { // err may be its cause: context.DeadlineExceeded calls itself temporary
			return nil, chanio.Cause(ctx)
		}
		a.failed(err)
		a.warn(err)
		if err := a.wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (a *acceptor) acceptOnce(ctx context.Context) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, chanio.Cause(ctx)
	}
	nc, err := a.acceptWithin(ctx)
	switch {
	case err == nil && isNil(nc):
		return nil, errors.New("servers: the net.Listener returned neither a connection nor an error")
	case err == nil:
		return nc, nil
	case a.isStopped():
		return nil, io.EOF
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, chanio.Cause(ctx)
	case errors.Is(err, io.EOF): // the end of a multiplexer; it is not that of the Listener
		return nil, fmt.Errorf("servers: the net.Listener has ended: %w", eof.Unexpected(err))
	case errors.Is(err, net.ErrClosed): // the error would suggest that it was closed here
		return nil, fmt.Errorf("servers: the net.Listener was closed by other code: %v", err)
	}
	return nil, err
}

// acceptWithin interrupts acceptOf when ctx ends.
func (a *acceptor) acceptWithin(ctx context.Context) (net.Conn, error) {
	if !a.limited {
		return a.acceptOf()
	}
	if err := a.limit.Enter(ctx, time.Time{}); err != nil {
		return nil, err
	}
	defer a.limit.Leave()
	return a.acceptOf()
}

// acceptOf calls Accept of a listener that may be user code.
func (a *acceptor) acceptOf() (nc net.Conn, err error) {
	if isStandard(a.nl) {
		return a.nl.Accept()
	}
	panicked := guard.Call(func() {
		nc, err = a.nl.Accept()
		_, _ = isTemporary(err), errors.Is(err, io.EOF) // the methods of err may panic too
	})
	if panicked != nil {
		return nil, panicked
	}
	return nc, err
}

func isStandard(nl net.Listener) bool {
	switch nl.(type) {
	case *net.TCPListener, *net.UnixListener, interface{ leaveFile() }:
		return true
	}
	return false
}

// wait sleeps for d, or until ctx ends or accepting stops.
func (a *acceptor) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-a.closing:
		return io.EOF
	}
}

// warn logs err, once for each series of failures.
func (a *acceptor) warn(err error) {
	now := time.Now()
	if now.Sub(a.trouble) > calm {
		a.log.Warn("servers: cannot accept for now, will try again", "addr", a.addr.String(), "err", err)
	}
	a.trouble = now
}

func (a *acceptor) isStopped() bool { return deadline.Ended(a.closing) }

// isTemporary reports whether a later accept may succeed: the process or the machine lacks a resource, the error
// concerns only the connection being accepted (see accept(2) for Linux), or the listener reports it as Temporary, which
// net/http honors too.
func isTemporary(err error) bool {
	var temporary interface{ Temporary() bool }
	if errors.As(err, &temporary) && temporary.Temporary() && !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPERM, syscall.EPROTO,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT:
		return true
	}
	return false
}
