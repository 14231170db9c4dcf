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

// Config says how a Server behaves. The zero value, and nil, mean the defaults. It is copied when a Server is made of it.
//
// For a limit or a duration, 0 means the default that its comment gives. A negative duration, and a negative MaxDrain,
// MaxBody, MaxRequests or MaxConcurrent, means none: no timeout, no drain, no limit.
type Config struct {
	// Listen is how the listeners behave that ListenAndServe opens, and those given to Serve as a plain net.Listener. A
	// *servers.Listener behaves as it was made.
	Listen servers.Config

	// MaxRequestLine is how long a request line may be. A longer one is answered 414. 0 means 8 KiB.
	MaxRequestLine int

	// MaxHead is how long a request line with all fields may be, MaxField how long one field line, and MaxFields how many
	// there may be. What exceeds them is answered 431. 0 means 64 KiB, 16 KiB and 100.
	MaxHead, MaxField, MaxFields int

	// MaxTrailer is how long the trailers of a body may be, and MaxTrailerFields how many. 0 means 8 KiB and 32.
	MaxTrailer, MaxTrailerFields int

	// MaxBody is how long the body of a request may be. One that announces more is answered 413 before the handler is
	// called; one that turns out longer is an error of Read that is [chanio.ErrTooLarge]. 0 means no limit.
	MaxBody int64

	// MaxDrain is how much of a body that a handler has not read is read and dropped, for DrainTimeout at most, so that
	// the connection can go on. Otherwise it is closed after the reply. 0 means 256 KiB and 1 s.
	MaxDrain     int64
	DrainTimeout time.Duration

	// HeadTimeout is how long the head of a request may take: the first one from when the connection was accepted, others
	// from their first byte. 0 means 30 s.
	HeadTimeout time.Duration

	// BodyTimeout is how long a Read of a body waits for a byte with HTTP/1, unless the handler has set a deadline of its
	// own; a request that was not answered yet is then answered 408. A body of HTTP/2 may be silent for as long as its client
	// lives, for which there is HTTP2Config.PingAfter; there it bounds how long a frame that has begun may take. 0 means 60 s.
	BodyTimeout time.Duration

	// MinBodyRate is how many bytes a second a client of HTTP/1 must send of a body on average, while a Read waits for them.
	// It counts from the sixth second of waiting, is not asked of a handler that has called EnableFullDuplex or has set a
	// deadline of its own, and ends a Read as BodyTimeout does. 0 means any rate.
	MinBodyRate int

	// IdleTimeout is how long a connection may be idle between requests. 0 means 75 s.
	IdleTimeout time.Duration

	// WriteTimeout is how long a client may take nothing of a reply, or less than 240 bytes a second on average, before the
	// connection is aborted. It does not bound a reply that makes progress. It is for the connections of listeners made
	// with Listen, where Listen.Conn.WriteTimeout is 0. 0 means 30 s.
	WriteTimeout time.Duration

	// ShutdownTimeout bounds the Shutdown that the end of the ctx of Serve and ListenAndServe begins. 0 means 15 s.
	ShutdownTimeout time.Duration

	// Protocols is what is spoken; nil means HTTP/1 and HTTP/2, the latter over TLS by ALPN and otherwise to clients that
	// begin with it (h2c with prior knowledge; `Upgrade: h2c` is ignored, RFC 9113 3.1). A listener with TLS whose
	// configuration names no application protocols offers those of them.
	Protocols *http.Protocols

	// HTTP2 is about connections of HTTP/2.
	HTTP2 HTTP2Config

	// MaxRequests is how many requests a connection may carry. A few more are served with HTTP/2, which are on their way when
	// the client is told. 0 means no limit.
	MaxRequests int

	// MaxConcurrent is how many requests may be served at once. One more is given to Rejected. 0 means no limit.
	MaxConcurrent int

	// Rejected answers the requests beyond MaxConcurrent. Nil means 503 with Retry-After: 1.
	Rejected http.Handler

	// CloseEach closes every connection after one request.
	CloseEach bool

	// HalfClose keeps the context of a request when the client ends its side of the connection, which otherwise counts as
	// its leaving. The reply is sent in either case. With HTTP/2, where a client says which requests have ended, the end of the
	// connection ends them all.
	HalfClose bool

	// NoDate leaves out the Date field. ServerName, if not "", is sent as the Server field of replies that have none.
	NoDate     bool
	ServerName string

	// Error, if not nil, answers a request whose handler, one of Reply, Stream, Files or another form of this package, failed
	// with err before a reply had begun. Nil means 500, or the status that err stands for, and a line in the log.
	Error func(w http.ResponseWriter, r *http.Request, err error)

	// Continue, if not nil, is asked before the handler is called for a request that expects 100-continue. If it returns
	// false it has answered, and the body that was announced is never read; without an answer of its own the client gets
	// 417.
	Continue func(w http.ResponseWriter, r *http.Request) bool

	// AllowedHosts are the hosts that requests may be for, whatever the port, in any case of letters: names, addresses, IPv6
	// in brackets, and "*.example.com" for every name below example.com. One with a port, such as "localhost:8080", allows
	// that port alone. Requests for others, and for none, are answered 421: so nobody reaches the server by a name of theirs
	// that they point at it (DNS rebinding). CONNECT is not restricted, but for WebSockets. Empty means every host.
	AllowedHosts []string

	// TrustedProxies are where proxies are that tell the address of the client in ForwardedField; [Info] has what they say.
	// The rightmost address that is not one of theirs counts: what stands before it anybody may have written. A peer
	// without an IP address, as on a Unix socket, is trusted if this is not empty. Empty means that no field is believed.
	TrustedProxies []netip.Prefix

	// ForwardedField is the field that TrustedProxies set: "X-Forwarded-For", or "Forwarded" (RFC 7239). No other is looked
	// at, since a proxy that does not know it passes on what a client has written. "" means X-Forwarded-For.
	ForwardedField string

	// Hooks, if not nil, are told of requests, for metrics and logs of access.
	Hooks *Hooks

	// ShowSecrets leaves what Hooks are told as it is. Otherwise there are no user names and passwords of URLs in it.
	ShowSecrets bool

	// BaseContext, if not nil, returns the context that those of the requests of a listener are made from, and ConnContext
	// changes it for one connection, as in [http.Server]. c is the net.Conn as it was accepted: it is for its options and
	// addresses.
	BaseContext func(net.Listener) context.Context
	ConnContext func(ctx context.Context, c net.Conn) context.Context

	// Logger is told of panics of handlers, and of their mistakes, such as a second WriteHeader. Nil means silence.
	Logger *slog.Logger
}

// HTTP2Config is about connections of HTTP/2 (RFC 9113). The limits, durations and handlers of [Config] hold for their
// requests as well. The zero value means the defaults.
type HTTP2Config struct {
	// MaxStreams is how many requests a client may have open on one connection. 0 means 128.
	MaxStreams int

	// MaxFrame is how long the payload of a frame may be that a client sends, at least 16 KiB. 0 means 16 KiB.
	MaxFrame int

	// MaxContinuations is how many CONTINUATION frames a head may have. 0 means 8.
	MaxContinuations int

	// Window is how much of a body a client may send before the handler reads, and MaxWindow what that grows to while the
	// handler keeps up. 0 means 64 KiB and 1 MiB. ConnWindow is how much all the bodies of a connection may send within one
	// round trip, whether they are read or not. 0 means 1 MiB.
	Window, MaxWindow, ConnWindow int

	// NoConnect does not offer extended CONNECT (RFC 8441), by which WebSockets run over HTTP/2.
	NoConnect bool

	// ResetBurst is how many streams a client may reset, or have reset by what it sends, in a row, and ResetRate how many a
	// second in the long run, before its connection ends with ENHANCE_YOUR_CALM. 0 means 1,000 and 33. A client that resets
	// more than 20 whose handlers still run is refused others meanwhile.
	ResetBurst, ResetRate int

	// NoiseBurst and NoiseRate are the same for frames that carry nothing: PRIORITY, PRIORITY_UPDATE, empty DATA, unknown
	// ones, WINDOW_UPDATE beyond ten for each DATA frame sent, acknowledgements of what was not sent, GOAWAY behind another
	// one, and what comes for streams that ended so long ago that they are forgotten. 0 means 1,000 and 33.
	NoiseBurst, NoiseRate int

	// PrefaceTimeout is how long a client may take for its connection preface, and then for its SETTINGS. Where HTTP/1 is
	// spoken too and ALPN has not decided, it counts from when the client has begun the preface: one that says nothing has
	// HeadTimeout. 0 means 10 s.
	PrefaceTimeout time.Duration

	// PingAfter is how long a client with open requests may be silent before it is asked whether it lives, and PingTimeout
	// how long it may take to answer. 0 means never, and 15 s.
	PingAfter, PingTimeout time.Duration
}

// complete returns cfg with the defaults in the place of zeros.
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
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
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

// earlier returns the earlier of two deadlines, of which either may be none.
func earlier(a, b time.Time) time.Time {
	switch {
	case a.IsZero():
		return b
	case b.IsZero():
		return a
	case a.Before(b):
		return a
	}
	return b
}

func busy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
