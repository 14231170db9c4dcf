package httpc

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/http1"
)

// Config says how a [Client] behaves. The zero value, and nil, mean the defaults. It is copied when a Client is made of
// it.
//
// For a limit or a duration, 0 means the default that its comment gives, and negative that there is none: no limit, no
// timeout.
type Config struct {
	// Connect is how connections are made and how they behave. Its Timeout bounds looking up, connecting, the proxy and TLS
	// together: 30 s if it is 0. Its TLS is for https URLs, and may be nil. Its Proxy must be nil: see Proxy below.
	Connect clients.Config

	// Dial, if not nil, connects in the place of clients.DialTCP, without TLS, which is added: through an SSH tunnel, or in
	// memory. The resolver, the addresses and the options of the socket in Connect are then its business.
	Dial clients.DialFunc

	// Protocols says which versions of HTTP are spoken: HTTP/2 over TLS where the server knows it, or with
	// UnencryptedHTTP2 and without HTTP1 for http URLs as well, from the first byte on. Nil means HTTP/1 and HTTP/2. A TLS
	// configuration with an ALPN of its own must fit.
	Protocols *http.Protocols

	// Unix, if not "", is the path of the Unix domain socket that all requests go to, whatever host their URL names.
	Unix string

	// Proxy returns the proxy of a request, or nil if it goes straight, as in [http.Transport]: http.ProxyURL and
	// http.ProxyFromEnvironment fit. The schemes of proxies are http, https, socks5, socks5h, socks4 and socks4a. Nil means
	// what the environment said when the Client was made: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. Use [Direct] for
	// no proxy at all.
	Proxy func(*http.Request) (*url.URL, error)

	// ProxyHeader is sent to HTTP proxies besides what they need: with CONNECT, and with plain requests that they pass on.
	// ProxyTLS is for https proxies. TunnelAlways uses CONNECT for http URLs as well; requests for another protocol, such as
	// those of WebSockets, use it in any case.
	ProxyHeader  http.Header
	ProxyTLS     *clients.TLSConfig
	TunnelAlways bool

	// Coalesce lets a request go over a connection of HTTP/2 to another host if RFC 9113 9.1.1 permits it: the host of the
	// request has the address that the connection leads to, and the certificate that its server has shown is valid for it.
	// It is not done through a proxy, with Dial, a client certificate, another server name, InsecureSkipVerify or a Base
	// that verifies by itself. A host whose server answers 421 gets a connection of its own.
	Coalesce bool

	// MaxPerHost is how many HTTP/1 connections there may be for one host, MaxConns how many in all, and MaxWaiters how many
	// requests for one host may wait for a connection. A request beyond that fails with [ErrBusy]. 0 means 64, 1,024 and
	// 1,024.
	MaxPerHost, MaxConns, MaxWaiters int

	// IdleTimeout is how long a connection is kept that nobody uses. 0 means 60 s.
	IdleTimeout time.Duration

	// MaxLifetime is how long after it was made a connection is used for further requests, less a random part of up to a
	// tenth. 0 means that there is no limit.
	MaxLifetime time.Duration

	// HeldTimeout is how long a connection is kept for a response body that nobody reads or closes. 0 means 5 minutes.
	HeldTimeout time.Duration

	// PoolTimeout is how long a request waits for a connection, dialling included. HeadTimeout is how long the head of the
	// response may take once the request has been sent. BodyTimeout is how long a read of a body waits for a byte. 0 means
	// no limit. What they end is a [*TimeoutError].
	PoolTimeout, HeadTimeout, BodyTimeout time.Duration

	// AttemptTimeout bounds each attempt of a request and Timeout all of them together, with redirects, in either case to
	// the end of the response body. 0 means no limit. They hold for Do and what is built on it, and not for RoundTrip.
	AttemptTimeout, Timeout time.Duration

	// ExpectTimeout is how long a request with "Expect: 100-continue" waits before its body is sent anyway. 0 means 1 s.
	ExpectTimeout time.Duration

	// MaxHead is how long the head of a response may be, with the informational ones before it, and MaxFields how many
	// fields it may have. MaxInformational is how many informational responses there may be. 0 means 256 KiB, 256 and 32.
	MaxHead, MaxFields, MaxInformational int

	// MaxDrain is how much of a body that was closed early is read and dropped, for 100 ms at most, so that its connection
	// can be used again. 0 means 256 KiB.
	MaxDrain int64

	// MaxBody is how long a body may be that Text, Bytes and Into read. 0 means 10 MiB.
	MaxBody int64

	// KeepBodies turns decompression off: no Accept-Encoding is added, and bodies come as they are.
	KeepBodies bool

	// Codings are content codings that are asked for and undone besides gzip, the preferred first.
	Codings []Coding

	// UserAgent is the User-Agent of requests that have none. "" means "weir-httpc"; "-" means that none is sent.
	UserAgent string

	// Header is added to every request of Do that does not have the same name.
	Header http.Header

	// Auth, if not nil, is how requests of Do authenticate that do not say so themselves. It is for any host they go to, but
	// not for those that a redirect leads to.
	Auth Auth

	// Jar keeps cookies. Nil means that none are kept: see [NewJar].
	Jar http.CookieJar

	// MaxRedirects is how many redirects are followed. 0 means 10, negative none: the redirect is the response.
	MaxRedirects int

	// AllowDowngrade follows redirects from https to http, which are otherwise refused.
	AllowDowngrade bool

	// SensitiveHeaders are names of fields that a redirect to another origin does not take along, besides Authorization,
	// Proxy-Authorization, Cookie and Referer.
	SensitiveHeaders []string

	// Retry, if not nil, repeats requests that fail or whose status asks for it; see [RetryPolicy]. Nil means that only what
	// has certainly not been carried out, or may safely be carried out twice, is sent again over a new connection, once.
	Retry *RetryPolicy

	// StatusErrors makes a response with a status of 400 or more an error of Do, a [*StatusError].
	StatusErrors bool

	// ShowSecrets turns off the redaction of credentials and cookies in dumps, in what Wire gets, and in as-curl text.
	ShowSecrets bool

	// Wire, if not nil, gets a copy of what goes over each connection, above TLS, as text: bytes in hex, and for HTTP/2 the
	// frames, with header blocks as fields. The values of Authorization, Proxy-Authorization, Cookie, Set-Cookie and of
	// SensitiveHeaders are masked, also at the begin of a line of an HTTP/1 body; what else bodies and URLs have is shown. Each
	// Write is one event, and is made under a lock: it must not use the Client. It is for finding faults, and slow; a
	// connection that is handed out does not tell its TLS state.
	Wire io.Writer

	// Logger gets the errors that no call returns. Nil means silence.
	Logger *slog.Logger
}

// Direct is a Config.Proxy that never uses a proxy.
func Direct(*http.Request) (*url.URL, error) { return nil, nil }

// complete returns cfg with the defaults in the place of zeros.
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
	c.MaxBody = cmp.Or(c.MaxBody, 10<<20)
	c.MaxRedirects = cmp.Or(c.MaxRedirects, 10)
	c.UserAgent = cmp.Or(c.UserAgent, "weir-httpc")
	if c.Proxy == nil {
		c.Proxy = environmentProxy()
	}
	return c
}

// limits returns the limits of the parser.
func (cfg *Config) limits() http1.Limits {
	l := http1.ClientLimits()
	l.Head, l.Field, l.Fields = cfg.MaxHead, cfg.MaxHead, cfg.MaxFields
	return l
}

// within returns the deadline d from now, or none unless d is positive.
func within(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
