package httpd

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/weir-go/weir/internal/guard"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// Config configures a Server. A nil *Config and the zero value use the defaults. A Server copies its Config.
//
// For a limit or a duration, 0 means the default given in its comment. A negative duration, and a negative MaxDrain,
// MaxBody, MaxRequests or MaxConcurrent, means none: no timeout, no drain, no limit.
type Config struct {
	// Listen configures the listeners that ListenAndServe opens, and a plain net.Listener passed to Serve. A
	// *servers.Listener keeps its own configuration.
	Listen servers.Config

	// MaxRequestLine limits the length of a request line. A longer one is answered 414. 0 means 8 KiB.
	MaxRequestLine int

	// MaxHead limits the length of a request line with all fields, MaxField that of one field line, and MaxFields the
	// number of fields. A head that exceeds them is answered 431. 0 means 64 KiB, 16 KiB and 100. Over HTTP/2 a head above
	// 128 KiB also needs a larger HTTP2Config.MaxContinuations.
	MaxHead, MaxField, MaxFields int

	// MaxTrailer limits the length of the trailers of a body, and MaxTrailerFields their number. 0 means 8 KiB and 32.
	MaxTrailer, MaxTrailerFields int

	// MaxBody limits the length of a request body. A request that announces more is answered 413 before the handler is
	// called; if a body turns out longer, Read fails with an error that matches [chanio.ErrTooLarge]. 0 means no limit.
	MaxBody int64

	// MaxDrain limits how much of a body that a handler has not read is read and dropped, within DrainTimeout, to keep
	// the connection usable. Beyond that the connection is closed after the reply. 0 means 256 KiB and 1 s.
	MaxDrain     int64
	DrainTimeout time.Duration

	// HeadTimeout limits the time for the head of a request: the first one counts from the accept, others from their
	// first byte. 0 means 30 s.
	HeadTimeout time.Duration

	// BodyTimeout limits how long a Read of an HTTP/1 body waits for a byte, unless the handler has set its own
	// deadline. If the request has no reply yet, it is then answered 408. A body of HTTP/2 may pause for as long as its
	// client is alive, which is checked only if HTTP2Config.PingAfter is set; there BodyTimeout limits the wait for
	// the next byte of a frame. 0 means 60 s.
	BodyTimeout time.Duration

	// MinBodyRate is the average number of bytes per second that an HTTP/1 client must send of a body while a Read
	// waits for them. It applies from the sixth second of waiting, and not to a handler that has called
	// EnableFullDuplex or set its own deadline. A slower body ends the Read as BodyTimeout does. 0 means any rate.
	MinBodyRate int

	// IdleTimeout limits how long a connection may be idle between requests. 0 means 75 s.
	IdleTimeout time.Duration

	// WriteTimeout is how long a client may read none of a reply, or less than 240 bytes per second on average, before
	// the connection is aborted. It does not limit a reply that makes progress. It applies to listeners configured by
	// Listen, unless Listen.Conn.WriteTimeout is set. 0 means 30 s.
	WriteTimeout time.Duration

	// ShutdownTimeout limits the Shutdown that starts when the ctx of Serve or ListenAndServe ends. 0 means 15 s.
	ShutdownTimeout time.Duration

	// Protocols are the enabled protocols. nil means HTTP/1 and HTTP/2, the latter over TLS by ALPN and otherwise with
	// clients that start with it (h2c with prior knowledge; `Upgrade: h2c` is ignored, RFC 9113 3.1). A TLS listener
	// whose configuration names no application protocols offers those.
	Protocols *http.Protocols

	// HTTP2 configures HTTP/2 connections.
	HTTP2 HTTP2Config

	// MaxRequests limits the requests on a connection. With HTTP/2 a few more are served, which the client sent before
	// it learned of the limit. 0 means no limit.
	MaxRequests int

	// MaxConcurrent limits the requests served at once. Further ones are passed to Rejected. 0 means no limit.
	MaxConcurrent int

	// Rejected answers the requests beyond MaxConcurrent. nil means 503 with Retry-After: 1.
	Rejected http.Handler

	// CloseEach closes every connection after one request.
	CloseEach bool

	// HalfClose keeps the context of a request alive when the client half-closes the connection, which by default
	// counts as a disconnect. The reply is sent in either case. With HTTP/2, where a client signals the end of each
	// request, the end of the connection ends them all.
	HalfClose bool

	// NoDate omits the Date field. ServerName, if not "", is the Server field of replies that have none.
	NoDate     bool
	ServerName string

	// Error, if not nil, answers a request whose handler, a Reply, Stream, Files or other form of this package, failed
	// with err before a reply had started. nil means 500, or the status that err defines, and a line in the log.
	Error func(w http.ResponseWriter, r *http.Request, err error)

	// Continue, if not nil, is called before the handler for a request that expects 100-continue. If it returns false,
	// it has answered and the announced body is never read; if it wrote no answer, the client gets 417.
	Continue func(w http.ResponseWriter, r *http.Request) bool

	// AllowedHosts lists the hosts that requests may be for, ignoring case and port: names, addresses, IPv6 addresses
	// in brackets, and "*.example.com" for every name below example.com. An entry with a port, such as
	// "localhost:8080", allows only that port. Requests for other hosts, or for none, are answered 421. This prevents
	// access through a name that an attacker points at the server (DNS rebinding). It does not apply to CONNECT, except
	// for WebSockets. Empty means every host.
	AllowedHosts []string

	// TrustedProxies lists the networks of proxies that report the address of the client in ForwardedField; [Info]
	// returns it. The rightmost address outside these networks counts, because a client can forge everything before it.
	// A peer without an IP address, as on a Unix socket, is trusted if the list is not empty. Empty means that the
	// field is ignored.
	TrustedProxies []netip.Prefix

	// ForwardedField is the field that TrustedProxies set: "X-Forwarded-For" or "Forwarded" (RFC 7239). The other one
	// is ignored, because a proxy that does not know it passes on what the client has written. "" means
	// X-Forwarded-For.
	ForwardedField string

	// Hooks, if not nil, observe requests, for metrics and access logs.
	Hooks *Hooks

	// ShowSecrets keeps user names and passwords in the URLs passed to Hooks. By default they are removed.
	ShowSecrets bool

	// BaseContext, if not nil, returns the parent context of the requests of a listener, and ConnContext modifies it
	// for one connection, as in [http.Server]. The end of the former ends neither connections nor Serve. c is the
	// accepted net.Conn; only its options and addresses may be used.
	BaseContext func(net.Listener) context.Context
	ConnContext func(ctx context.Context, c net.Conn) context.Context

	// Logger logs panics and mistakes of handlers, such as a second WriteHeader. nil means no logging.
	Logger *slog.Logger
}

// HTTP2Config configures HTTP/2 connections (RFC 9113). The limits, timeouts and handlers of [Config] also apply to
// their requests. The zero value means the defaults.
type HTTP2Config struct {
	// MaxStreams limits the requests that a client may have open on one connection. 0 means 128.
	MaxStreams int

	// MaxFrame limits the payload of frames from the client; it is at least 16 KiB. 0 means 16 KiB.
	MaxFrame int

	// MaxContinuations limits the CONTINUATION frames of a head. 0 means 8.
	MaxContinuations int

	// Window is how much of a body a client may send before the handler reads, and MaxWindow what that grows to while
	// the handler keeps up. 0 means 64 KiB and 1 MiB. ConnWindow is how much all bodies of a connection may send within
	// one round trip, read or not. 0 means 1 MiB.
	Window, MaxWindow, ConnWindow int

	// NoConnect disables extended CONNECT (RFC 8441), which carries WebSockets over HTTP/2.
	NoConnect bool

	// ResetBurst is how many streams a client may reset, or cause to be reset, in a row, and ResetRate how many per
	// second in the long run, before its connection ends with ENHANCE_YOUR_CALM. 0 means 1,000 and 33. While more than
	// 20 reset streams of a client still have running handlers, its further streams are refused.
	ResetBurst, ResetRate int

	// NoiseBurst and NoiseRate apply the same limit to frames without effect: PRIORITY, PRIORITY_UPDATE, empty DATA,
	// SETTINGS after the first, unknown frames, WINDOW_UPDATE beyond ten for each DATA frame sent and two for each
	// stream, acknowledgements of nothing sent, repeated GOAWAY, and frames for streams that ended so long ago that
	// they are forgotten. 0 means 1,000 and 33.
	NoiseBurst, NoiseRate int

	// PrefaceTimeout limits the time for the connection preface, and then for the client's SETTINGS. If HTTP/1 is
	// enabled too and ALPN has not decided, it counts from the first byte of the preface; until then HeadTimeout
	// applies. 0 means 10 s.
	PrefaceTimeout time.Duration

	// PingAfter is how long a client with open requests may be silent before the server sends it a PING, and
	// PingTimeout how long it may take to answer. 0 means never, and 15 s.
	PingAfter, PingTimeout time.Duration
}

// complete returns cfg with defaults in place of zeros.
func (cfg *Config) complete() Config {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	limits := http1.ServerLimits()
	c.MaxRequestLine = cmp.Or(c.MaxRequestLine, limits.StartLine)
	c.MaxHead = cmp.Or(c.MaxHead, limits.Head)
	c.MaxField = cmp.Or(c.MaxField, limits.Field)
	c.MaxFields = cmp.Or(c.MaxFields, limits.Fields)
	c.MaxTrailer = cmp.Or(c.MaxTrailer, limits.Trailer)
	c.MaxTrailerFields = cmp.Or(c.MaxTrailerFields, limits.TrailerFields)
	c.MaxDrain = cmp.Or(c.MaxDrain, 256<<10)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, time.Second)
	c.HeadTimeout = cmp.Or(c.HeadTimeout, 30*time.Second)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, defaultWriteTimeout)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 15*time.Second)
	c.Listen.Conn.WriteTimeout = cmp.Or(c.Listen.Conn.WriteTimeout, c.WriteTimeout)
	c.Listen.Conn.CloseWait = cmp.Or(c.Listen.Conn.CloseWait, 500*time.Millisecond)
	if c.Listen.Logger == nil {
		c.Listen.Logger = c.Logger
	}
	c.Logger = guard.Logger(c.Logger)
	if c.Rejected == nil {
		c.Rejected = http.HandlerFunc(busy)
	}
	return c
}

// limits returns the limits of the parser.
func (cfg *Config) limits() http1.Limits {
	l := http1.ServerLimits()
	l.StartLine, l.Head, l.Field, l.Fields = cfg.MaxRequestLine, cfg.MaxHead, cfg.MaxField, cfg.MaxFields
	l.Trailer, l.TrailerFields = cfg.MaxTrailer, cfg.MaxTrailerFields
	return l
}

func busy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
