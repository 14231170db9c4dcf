package httpd

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/weir-go/weir/internal/guard"
)

// Hooks observe the requests of a Server, for metrics and access logs. Any of them may be nil. They run on the
// goroutine that handles the event, several at once, so they must return quickly. A panic in a hook is logged at Error
// and has no other effect.
type Hooks struct {
	// Began is called when the head of a request has arrived, before its handler, Config.Rejected or Config.Continue is
	// called. Fields that are not known yet are zero.
	Began func(Access)

	// Ended is called once for each exchange at its end. That includes requests that were not passed to a handler, for
	// which Began was not called and whose Kind is [Refused]. HTTP/2 streams that are reset because their head is
	// malformed or because there are too many are not exchanges.
	Ended func(Access)
}

// AccessKind is the outcome of a request.
type AccessKind uint8

// The kinds of exchanges. Use Plain ones for a distribution of durations; the durations of the others depend on their
// handlers and clients.
const (
	Plain    AccessKind = iota // it has been answered
	Streamed                   // its handler has flushed the reply before the end, or sent it as a stream
	Tunneled                   // its connection or stream has become a WebSocket or a tunnel
	Refused                    // it was answered before any handler was called
)

// String returns the name of the kind in lower case.
func (k AccessKind) String() string {
	switch k {
	case Plain:
		return "plain"
	case Streamed:
		return "streamed"
	case Tunneled:
		return "tunneled"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Access describes an exchange to [Hooks]. It holds copies and nothing of the request itself.
type Access struct {
	Kind AccessKind

	// Arrived is the time at which the head of the request arrived. Latency is the time from then until the head of the
	// reply was written, or 0 if it was not. Duration is the time until the end of the exchange; a tunnel ends when it
	// is closed.
	Arrived           time.Time
	Latency, Duration time.Duration

	// Protocol is HTTP/1.0, HTTP/1.1 or HTTP/2.0, and StreamID the number of the stream for HTTP/2. They and the fields
	// below, except Remote and Client, are zero if the head could not be read.
	Protocol string
	StreamID uint32

	// Method, Target and Host are as the client sent them. Pattern is the matching pattern of http.ServeMux, provided
	// that the mux was given the server's request and not a copy made by middleware.
	Method, Target, Host, Pattern string

	// UserAgent and Referer are the fields of these names. A user name and password in Referer are removed unless
	// Config.ShowSecrets is set.
	UserAgent, Referer string

	// Remote is the address of the peer, and Client that of the client; see [RequestInfo].
	Remote string
	Client netip.Addr

	// Status is the status of the reply. It is 0 if the head was never written, and for a hijacked connection other
	// than a WebSocket.
	Status int

	// Received is the number of bytes read from the request's body, and Sent the number written to the reply's; error
	// replies of the server itself do not count. For a tunnel they are the bytes that passed through it.
	Received, Sent int64

	// Err is the reason why the reply is incomplete or may not have been received: [ErrClientGone] if the client has
	// disconnected meanwhile and Done of the request's context was called, or Err more than once, a [*StreamError], a
	// [*chanio.PanicError] of the handler, a connection error, or what was wrong with the head. It is nil if the exchange
	// succeeded.
	Err error
}

// AccessLog returns a [Hooks].Ended that logs one line for each exchange, at Info, or at Warn for a status of 500 and
// above. The handlers of slog quote text that clients have sent.
func AccessLog(log *slog.Logger) func(Access) {
	log = guard.Logger(log)
	return func(a Access) {
		level := slog.LevelInfo
		if a.Status >= 500 {
			level = slog.LevelWarn
		}
		if log.Enabled(context.Background(), level) {
			log.LogAttrs(context.Background(), level, "request", a.attrs()...)
		}
	}
}

func (a *Access) attrs() []slog.Attr {
	all := []slog.Attr{
		slog.String("peer", a.Remote), slog.String("method", a.Method), slog.String("target", a.Target),
		slog.String("host", a.Host), slog.String("protocol", a.Protocol), slog.String("kind", a.Kind.String()),
		slog.Int("status", a.Status), slog.Int64("received", a.Received), slog.Int64("sent", a.Sent),
		slog.Duration("latency", a.Latency), slog.Duration("duration", a.Duration),
		slog.String("user_agent", a.UserAgent), slog.String("referer", a.Referer),
	}
	if a.Client.IsValid() {
		all = append(all, slog.String("client", a.Client.String()))
	}
	if a.Pattern != "" {
		all = append(all, slog.String("pattern", a.Pattern))
	}
	if a.Err != nil {
		all = append(all, slog.String("err", a.Err.Error()))
	}
	return all
}
