package chanio

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"time"

	"github.com/weir-go/weir/internal/stream"
)

// TLSServer performs the server's side of a TLS handshake over c, which it owns from then on, and returns the secured
// connection. It blocks until the handshake is complete, for 10 s at most if ctx has no deadline. If ctx ends first, c
// is aborted. If the handshake fails, the peer is sent the alert that says why, and c is closed. cfg is not modified.
// conn configures the new Conn as in [NewConn] and may be nil.
//
// Bytes that c.In has already received are part of the handshake, so STARTTLS takes two steps: receive the last line,
// then call TLSServer. The line may have been received through codec.Decode or codec.Frame, provided that nothing
// receives there any more, not even a loop whose body calls TLSServer; those stages end and cannot be used again.
// Contexts, deadlines and an IdleTimeout used with c before do not affect the new connection; c's WriteTimeout still
// applies to the encrypted data. Values still in channels of c.Out are sent before the handshake.
//
// Records are written to c's buffer, so neither they nor alerts make a Recv wait for a peer that does not read. Closing
// Out sends close_notify and leaves the other direction open. If the peer closes without close_notify, In ends with
// io.ErrUnexpectedEOF, unless conn.AcceptTruncation is set.
func TLSServer(ctx context.Context, c *Conn, cfg *tls.Config, conn *ConnConfig) (*Conn, error) {
	return secure(ctx, c, cfg, conn, stream.TLSServer)
}

// TLSClient is [TLSServer] for the client's side. cfg must name the server or disable verification.
func TLSClient(ctx context.Context, c *Conn, cfg *tls.Config, conn *ConnConfig) (*Conn, error) {
	return secure(ctx, c, cfg, conn, stream.TLSClient)
}

type shakeHands func(context.Context, stream.Lower, *tls.Config, bool) (*stream.TLS, error)

func secure(ctx context.Context, c *Conn, cfg *tls.Config, conn *ConnConfig, shake shakeHands) (*Conn, error) {
	ctx, cancel := withinHandshakeTimeout(ctx)
	defer cancel()
	up, err := takeOver(ctx, c.In)
	if err != nil {
		c.Abort(err)
		return nil, err
	}
	if err := c.Out.End().Settle(ctx); err != nil {
		c.Abort(err)
		return nil, err
	}
	low := stream.Lower{
		In: up.Bytes(), Out: BytesTo(c.Out), Flush: c.Out.Flush, Close: c.Close, Abort: c.Abort,
		LocalAddr: c.LocalAddr(), RemoteAddr: c.RemoteAddr(), Progress: c.Out.End().Progress,
	}
	if c.low != nil {
		low.Stream, low.Close = c.low, c.low.CloseWaited
	} else {
		_ = c.SetReadDeadline(time.Time{}) // fails if it has none
		_ = c.SetWriteDeadline(time.Time{})
	}
	t, err := shake(ctx, low, cfg, conn != nil && conn.AcceptTruncation)
	if err != nil {
		return nil, err
	}
	secured := NewConn(t, conn)
	if secured.info == nil {
		secured.info = new(connInfo)
	}
	secured.info.secured = c
	return secured, nil
}

// handshakeTimeout bounds a handshake whose ctx has no deadline, because a silent peer would hold it for ever.
const handshakeTimeout = 10 * time.Second

func withinHandshakeTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return ctx, func() {}
	}
	late := fmt.Errorf("not over within %v: %w", handshakeTimeout, os.ErrDeadlineExceeded)
	return context.WithTimeoutCause(ctx, handshakeTimeout, late)
}

// takeOver makes TLS the consumer of in, also if a stage that yields has it.
func takeOver(ctx context.Context, in *Source[[]byte]) (Upstream[[]byte], error) {
	in.mu.Lock()
	yield := in.yield
	in.mu.Unlock()
	if yield != nil {
		if err := yield(ctx); err != nil {
			return Upstream[[]byte]{}, err
		}
	}
	return own(ctx, in, nil, "TLS")
}

// TLS returns the state of the TLS session, or nil if the connection is not secured. It also works for a [*tls.Conn]
// passed to [NewConn].
func (c *Conn) TLS() *tls.ConnectionState {
	if c.low == nil {
		return c.info.TLS
	}
	below := c.low.NetConn()
	for a, ok := below.(*activity); ok; a, ok = below.(*activity) {
		below = a.Conn
	}
	if nc, ok := below.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := nc.ConnectionState()
		if c.info != nil && c.info.tlsState != nil {
			c.info.tlsState(&state)
		}
		return &state
	}
	return nil
}
