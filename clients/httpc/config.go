package httpc

import (
	"cmp"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/http1"
)

// Config configures a [Client]. A nil *Config and the zero value use the defaults. A Client copies its Config.
//
// For a limit or a duration, 0 means the default given in its comment, and a negative value means none: no limit, no
// timeout.
type Config struct {
	// Connect configures the connections. Its Timeout limits resolving, connecting, the proxy and TLS together; 0 means
	// 30 s. Its TLS is used for https URLs and may be nil. Its Proxy must be nil: use Proxy below.
	Connect clients.Config

	// Dial, if not nil, replaces clients.DialTCP, for example to connect through an SSH tunnel or in memory. It
	// connects without TLS, which the Client adds. The resolver, addresses and socket options in Connect are then not
	// used.
	Dial clients.DialFunc

	// Protocols are the enabled protocols. HTTP/2 is used over TLS if the server supports it; with UnencryptedHTTP2 and
	// without HTTP1 also for http URLs, from the first byte. nil means HTTP/1 and HTTP/2. A TLS configuration with its
	// own ALPN must be consistent with it.
	Protocols *http.Protocols

	// Unix, if not "", is the path of a Unix domain socket that all requests use, regardless of the host of their URL.
	Unix string

	// Proxy returns the proxy of a request, or nil for a direct connection, as in [http.Transport]; http.ProxyURL and
	// http.ProxyFromEnvironment can be used. The schemes of proxies are http, https, socks5, socks5h, socks4 and
	// socks4a. nil means the environment at the time the Client was created: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and
	// NO_PROXY. Use [Direct] for no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyHeader is sent to HTTP proxies, with CONNECT and with plain requests that they forward. ProxyTLS is used for
	// https proxies. TunnelAlways uses CONNECT for http URLs as well; requests for another protocol, such as
	// WebSockets, always use it. A Proxy-Authorization of a request is not sent through a tunnel, unless the request is
	// a CONNECT.
	ProxyHeader  http.Header
	ProxyTLS     *clients.TLSConfig
	TunnelAlways bool

	// CoalesceHosts lets a request use an HTTP/2 connection to another host where RFC 9113 9.1.1 permits it: the host
	// of the request resolves to the address of the connection, and the certificate of its server is valid for the
	// host. It does not apply through a proxy, or with Dial, a client certificate, another server name,
	// InsecureSkipVerify, or a Base with its own verification. A host whose server answers 421 gets its own connection.
	CoalesceHosts bool

	// MaxPerHost limits the connections to one host, MaxConns all connections, and MaxWaiters the requests for one host
	// that wait for a connection or for a stream of one, without those that a connection being opened may serve, 100 if
	// it may be HTTP/2; they go on waiting if it serves fewer. Further requests fail with [ErrBusy]. A host counts once
	// for each scheme, port, proxy and [Route], as in [HostStats]; its HTTP/2 connections that take no more requests do
	// not count. A host that is always busy keeps other hosts waiting for a place among MaxConns for about 100 ms, but
	// without a bound if its connections are HTTP/2. 0 means 64, 1,024 and 1,024.
	MaxPerHost, MaxConns, MaxWaiters int

	// IdleTimeout is how long an idle connection is kept, or less if its server says so (Keep-Alive: timeout=5). 0 means
	// 60 s.
	IdleTimeout time.Duration

	// MaxLifetime is the age from which a connection is not used for further requests, less a random part of up to a
	// tenth. 0 means no limit.
	MaxLifetime time.Duration

	// HeldTimeout is how long a connection is held for a response body that is neither read nor closed. 0 means 5
	// minutes.
	HeldTimeout time.Duration

	// PoolTimeout limits how long a request waits for a connection, including the dial; HeadTimeout the time from the
	// end of the request to the end of the response's head; and BodyTimeout how long a read of a body waits for a byte.
	// 0 means no limit. The error is a [*TimeoutError].
	PoolTimeout, HeadTimeout, BodyTimeout time.Duration

	// AttemptTimeout limits each attempt of a request, and Timeout all attempts and redirects together, in both cases
	// until the end of the response body. 0 means no limit. They apply to Do and the methods based on it, not to
	// RoundTrip.
	AttemptTimeout, Timeout time.Duration

	// ExpectTimeout is how long a request with "Expect: 100-continue" waits before it sends its body anyway. 0 means 1
	// s.
	ExpectTimeout time.Duration

	// MaxHead limits the length of the head of a response together with informational ones before it, MaxFields the
	// number of its fields, and MaxInformational the number of informational responses. 0 means 256 KiB, 256 and 32.
	MaxHead, MaxFields, MaxInformational int

	// MaxDrain limits how much of a body that was closed early is read and dropped, within 100 ms, to reuse its
	// connection. 0 means 256 KiB.
	MaxDrain int64

	// MaxBody limits the length of a body read by Text, Bytes and Into. 0 means 10 MiB.
	MaxBody int64

	// KeepBodies turns decompression off: no Accept-Encoding is added, and bodies are returned as received.
	KeepBodies bool

	// Codings lists content codings to request and decode in addition to gzip, in order of preference.
	Codings []Coding

	// UserAgent is the User-Agent of requests that set none. "" means "weir-httpc"; "-" means to send none.
	UserAgent string

	// Header is added to every request of Do, except fields that the request sets.
	Header http.Header

	// Auth, if not nil, authenticates the requests of Do that have no Auth of their own. It is used for every host that
	// a request names, but not for hosts that a redirect leads to.
	Auth Auth

	// Jar stores cookies, by the Host of a request if it has one. nil means that cookies are not stored; see [NewJar]. The
	// jars of net/http and NewJar store none for http+unix URLs, which have no host; they do with Unix above.
	Jar http.CookieJar

	// MaxRedirects limits the redirects followed. 0 means 10; negative means none, so that the redirect is the
	// response.
	MaxRedirects int

	// AllowDowngrade follows redirects from https to http, which are errors by default.
	AllowDowngrade bool

	// SensitiveHeaders names fields that are not sent after a redirect to another origin, in addition to Authorization,
	// Proxy-Authorization, Cookie and Referer.
	SensitiveHeaders []string

	// Retry, if not nil, repeats requests that failed or whose status asks for it; see [RetryPolicy]. nil means that
	// only requests that were certainly not executed, or may safely be executed twice, are sent again over a new
	// connection, once.
	Retry *RetryPolicy

	// StatusErrors makes a response with a status of 400 or more an error of Do, a [*StatusError].
	StatusErrors bool

	// ShowSecrets turns off the redaction of credentials and cookies in dumps, in Wire, and in curl commands.
	ShowSecrets bool

	// Wire, if not nil, receives as text a copy of what is transferred on each connection, above TLS: bytes in hex, and
	// for HTTP/2 the frames, with header blocks as fields. The values of Authorization, Proxy-Authorization, Cookie,
	// Set-Cookie and of SensitiveHeaders are masked, also at the start of a line of an HTTP/1 body; all else in bodies
	// and URLs is shown. Each Write is one event, made under a lock: it must not use the Client. Wire is for debugging,
	// and slow. A connection that is handed out then reports no TLS state.
	Wire io.Writer

	// Logger logs errors that no call returns. nil means no logging.
	Logger *slog.Logger
}

// Direct is a Config.Proxy that never uses a proxy.
func Direct(*http.Request) (*url.URL, error) { return nil, nil }

// defaultAgent is the default of Config.UserAgent.
const defaultAgent = "weir-httpc"

// complete returns cfg with the defaults in place of zeros.
func (cfg *Config) complete() Config {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	limits := http1.ClientLimits()
	c.MaxPerHost = cmp.Or(c.MaxPerHost, 64)
	c.MaxConns = cmp.Or(c.MaxConns, 1024)
	c.MaxWaiters = cmp.Or(c.MaxWaiters, 1024)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Minute)
	c.HeldTimeout = cmp.Or(c.HeldTimeout, 5*time.Minute)
	c.ExpectTimeout = cmp.Or(c.ExpectTimeout, time.Second)
	c.MaxHead = cmp.Or(c.MaxHead, limits.Head)
	c.MaxFields = cmp.Or(c.MaxFields, limits.Fields)
	c.MaxInformational = cmp.Or(c.MaxInformational, 32)
	c.MaxDrain = cmp.Or(c.MaxDrain, 256<<10)
	if c.MaxDrain < 0 {
		c.MaxDrain = math.MaxInt64
	}
	c.MaxBody = cmp.Or(c.MaxBody, 10<<20)
	c.MaxRedirects = cmp.Or(c.MaxRedirects, 10)
	c.UserAgent = cmp.Or(c.UserAgent, defaultAgent)
	if c.Proxy == nil {
		c.Proxy = environmentProxy()
	}
	c.own()
	return c
}

// own replaces what c shares with the Config of the caller, who may change it for another Client.
func (c *Config) own() {
	c.Header, c.ProxyHeader = canonical(c.Header), canonical(c.ProxyHeader)
	c.SensitiveHeaders, c.Codings = slices.Clone(c.SensitiveHeaders), slices.Clone(c.Codings)
	c.Connect.TLS, c.ProxyTLS = copied(c.Connect.TLS), copied(c.ProxyTLS)
	if c.Retry = copied(c.Retry); c.Retry != nil {
		c.Retry.Statuses = slices.Clone(c.Retry.Statuses)
	}
}

// canonical returns a copy of h with its names in canonical form.
func canonical(h http.Header) http.Header {
	if h == nil {
		return nil
	}
	c := make(http.Header, len(h))
	addFields(c, h)
	return c
}

// addFields adds from to a header with names in canonical form.
func addFields(to, from http.Header) {
	for name, values := range from {
		key := http.CanonicalHeaderKey(name)
		to[key] = append(to[key], values...)
	}
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// limits returns the limits of the parser.
func (cfg *Config) limits() http1.Limits {
	l := http1.ClientLimits()
	l.Head, l.Fields = cfg.MaxHead, cfg.MaxFields
	if l.Head < 0 {
		l.Head = unlimited
	}
	if l.Fields < 0 {
		l.Fields = unlimited
	}
	l.Field = l.Head
	return l
}

// unlimited stands for no limit of a head. A sum of it and a short length is no overflow in 32 bits.
const unlimited = 1 << 30

// within returns the deadline d from now, or none unless d is positive.
func within(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
