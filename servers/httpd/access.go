package httpd

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/weir-go/weir/internal/guard"
)

// Hooks are told of the requests of a [Server]: they are for metrics and for logs of access. Each may be nil and costs nothing
// then. They are called where it happens, several at once, so they must neither block nor take long. A panic of theirs is an
// error of the Logger and changes nothing else.
type Hooks struct {
	// Began is called when the head of a request has arrived and its handler is about to be called, Config.Rejected and
	// Config.Continue included. What is known only later is zero.
	Began func(Access)

	// Ended is called once for each exchange, when it is over: for one that Began was told of, however it ended, and for one
	// that no handler has seen, whose Kind is [Refused]. HTTP/2 resets a stream whose head is malformed, or that is one too
	// many, on its own: there is no exchange then.
	Ended func(Access)
}

// AccessKind is what became of a request.
type AccessKind uint8

// The kinds of an exchange. A distribution of durations is one of those that are Plain: how long the others last is up to
// their handlers and clients.
const (
	Plain    AccessKind = iota // it has had a reply
	Streamed                   // it has had a reply that its handler flushed before the end, or sent as a stream
	Tunneled                   // its connection, or its stream, has become something else: a WebSocket, a tunnel
	Refused                    // no handler has seen it
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

// Access is what [Hooks] are told of an exchange. It has nothing of the request but copies.
type Access struct {
	Kind AccessKind

	// Arrived is when the head of the request had arrived. Latency is the time from then until the head of the reply was
	// handed over, 0 if it never was. Duration is the time until the exchange was over: for a tunnel, that it was closed.
	Arrived           time.Time
	Latency, Duration time.Duration

	// Protocol is HTTP/1.0, HTTP/1.1 or HTTP/2.0, and StreamID the number of the stream with the latter. They, and what
	// follows, are zero where the head could not be read, but for Remote and Client.
	Protocol string
	StreamID uint32

	// Method, Target and Host are as the client sent them. Pattern is the one of http.ServeMux that has matched, where the
	// mux was given the very request of the server, not a copy by middleware.
	Method, Target, Host, Pattern string

	// UserAgent and Referer are the fields of these names. A user name and password in the latter are left out unless
	// Config.ShowSecrets is set.
	UserAgent, Referer string

	// Remote is the address of the peer, and Client that of the client, as [RequestInfo] has it.
	Remote string
	Client netip.Addr

	// Status is that of the reply, 0 if its head was never handed over, and of a hijacked connection but a WebSocket's.
	Status int

	// Received and Sent are how many bytes of the request's body were read, and of the reply's were handed over; what the
	// server itself says of an error does not count. For a tunnel they are what has passed through it.
	Received, Sent int64

	// Err is why the reply is not complete, or why nobody may have had it: [ErrClientGone] if the client has ended its side
	// meanwhile, as far as somebody has asked for Done of the request's context, a [*StreamError], a [*chanio.PanicError] of
	// the handler, an error of the connection, or what was wrong with the head. It is nil if all is well.
	Err error
}

// AccessLog returns an Ended of [Hooks] that writes a line about each exchange to log: Info, and Warn for a status of 500
// and more. Handlers of slog quote what clients have sent.
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
		slog.String("remote", a.Remote), slog.String("method", a.Method), slog.String("target", a.Target),
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
