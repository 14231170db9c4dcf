package servers

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/deadline"
)

// isOfPeer reports whether err was caused by the peer of c. An error of another connection, such as one to a backend,
// is the handler's own.
//
// Some errors name no connection. One that the handler ends c with, such as an error of a database, is the handler's. A
// SendTimeout counts as the peer's if the sink is c.Out or a codec on it, a timeout of a stage if the stage has ended
// c.In, and a deadline of a single call always, because handlers set those for their peers.
func (o *observer) isOfPeer(c *chanio.Conn, err error) bool {
	cause := c.Cause()
	var op *net.OpError
	var stuck interface{ Of(*chanio.End) bool } // the error of a SendTimeout of package pipeline
	switch {
	case errors.As(err, &stuck):
		return stuck.Of(c.Out.End())
	case errors.As(err, &op) && !o.isAbout(c, op):
		return false
	case op != nil && (cause != nil && errors.Is(err, cause) || isDisconnect(err) || op.Op == "tls handshake"):
		return true
	case !errors.Is(err, os.ErrDeadlineExceeded) && !isIncomplete(err):
		return false
	}
	return op != nil || deadline.Ended(c.In.Done()) || chanio.Resumable(context.Background(), err)
}

// isAbout reports whether op is about c: it names the addresses of c. If it cannot, because it is a TLS alert, of a close,
// or of a net.Conn with addresses of its own, it must be the error that ended c.
func (o *observer) isAbout(c *chanio.Conn, op *net.OpError) bool {
	nc := c.NetConn()
	unnamed := op.Source == nil && op.Addr == nil
	var own *net.OpError
	switch {
	case (unnamed || isForeign(nc)) && errors.As(c.Cause(), &own) && own == op:
		return true
	case unnamed:
		return false
	case isBetween(op, c.LocalAddr(), c.RemoteAddr()):
		return true
	case nc == nil:
		return false
	}
	local, remote := o.addrs(nc) // behind a balancer c has other addresses
	return isBetween(op, local, remote)
}

func isBetween(op *net.OpError, local, remote net.Addr) bool {
	return isSame(op.Source, local) && isSame(op.Addr, remote)
}

func isSame(a, b net.Addr) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Network() == b.Network() && a.String() == b.String()
}

// isDisconnect reports whether err says that a connection was lost.
func isDisconnect(err error) bool {
	for _, of := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN, syscall.ETIMEDOUT, io.ErrUnexpectedEOF} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// isIncomplete reports whether err says that received bytes are no value or not a whole one.
func isIncomplete(err error) bool {
	var malformed *codec.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &malformed) && malformed.Offset >= 0
}
