package http1

import "strings"

// Known is a well-known field name, as an index; 0 is any other name.
type Known uint8

// The names that have a meaning for messages and connections.
const (
	Unknown Known = iota
	Host
	ContentLength
	TransferEncoding
	Connection
	Expect
	Upgrade
	Trailer
	Date
	Server
	ContentType
	ContentEncoding
	KeepAlive
	TE
	ProxyConnection
	Authorization
	Cookie
	SetCookie
	ContentRange
	MaxForwards
	CacheControl
	Range
	WWWAuthenticate
	ProxyAuthenticate
	ProxyAuthorization
	AuthenticationInfo
	ProxyAuthenticationInfo
	lastNamed
)

// names are the canonical forms, in the order of the constants first.
var names = [...]string{
	"", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "Trailer", "Date", "Server",
	"Content-Type", "Content-Encoding", "Keep-Alive", "Te", "Proxy-Connection", "Authorization", "Cookie", "Set-Cookie",
	"Content-Range", "Max-Forwards", "Cache-Control", "Range", "Www-Authenticate", "Proxy-Authenticate",
	"Proxy-Authorization", "Authentication-Info", "Proxy-Authentication-Info",

	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges",
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Access-Control-Request-Headers", "Access-Control-Request-Method", "Age", "Allow", "Alt-Svc", "Content-Disposition",
	"Content-Language", "Content-Location", "Content-Security-Policy", "Dnt", "Etag", "Expires", "Forwarded", "From",
	"Grpc-Encoding", "Grpc-Message", "Grpc-Status", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match",
	"If-Range", "If-Unmodified-Since", "Last-Event-Id", "Last-Modified", "Link", "Location", "Origin", "Pragma",
	"Prefer", "Priority", "Referer", "Referrer-Policy", "Retry-After", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile",
	"Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc",
	"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol",
	"Sec-Websocket-Version", "Server-Timing", "Strict-Transport-Security", "Traceparent", "Tracestate",
	"Upgrade-Insecure-Requests", "User-Agent", "Vary", "Via", "X-Content-Type-Options", "X-Forwarded-For",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Frame-Options", "X-Real-Ip", "X-Request-Id", "X-Requested-With",
}

// String returns the canonical form of the name, as net/http has it in a Header; "" for Unknown.
func (k Known) String() string { return names[k] }

// Lower returns the name in lower case, as HTTP/2 has it; "" for Unknown.
func (k Known) Lower() string { return lowered[k] }

var lowered = makeLowered()

func makeLowered() (t [len(names)]string) {
	for k := range names {
		t[k] = strings.ToLower(names[k])
	}
	return t
}

// index finds a name by its hash; the next slots hold those of the same hash.
var index = makeIndex()

const slots = 512

func makeIndex() (t [slots]Known) {
	for k := 1; k < len(names); k++ {
		at := hash(names[k])
		for t[at] != 0 {
			at = (at + 1) % slots
		}
		t[at] = Known(k)
	}
	return t
}

func hash[T string | []byte](name T) uint {
	n := len(name)
	h := uint(n)*31 + uint(name[0]|0x20)
	h = h*31 + uint(name[n/2]|0x20)
	h = h*31 + uint(name[n-1]|0x20)
	return h % slots
}

// Lookup returns which well-known name the token is, in any letter case. A token is not empty.
func Lookup[T string | []byte](name T) Known {
	for at := hash(name); ; at = (at + 1) % slots {
		k := index[at]
		if k == 0 || string(name) == names[k] || sameName(name, names[k]) {
			return k
		}
	}
}

// sameName reports whether two tokens differ in letter case at most. known has only letters, digits and hyphens, which
// no other character of a token turns into when bit 5 is set.
func sameName[T string | []byte](name T, known string) bool {
	if len(name) != len(known) {
		return false
	}
	for i := range len(known) {
		if name[i]|0x20 != known[i]|0x20 {
			return false
		}
	}
	return true
}

// Canonical returns the name as net/http has it in a Header: well-known names without an allocation.
func Canonical(name []byte, k Known) string {
	if k != Unknown {
		return names[k]
	}
	upper := true
	own := make([]byte, len(name))
	for i, c := range name {
		switch {
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !upper:
			c = lower(c)
		}
		own[i] = c
		upper = c == '-'
	}
	return string(own)
}

// isCanonical reports whether a token is spelled as Canonical would.
func isCanonical(name string) bool {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}

// OfConnection reports whether a field is about one connection of HTTP/1, so that messages of HTTP/2 have none: RFC 9113
// 8.2.2. TE, which a request may have for its trailers, is not among them.
func (k Known) OfConnection() bool {
	switch k {
	case Connection, KeepAlive, ProxyConnection, TransferEncoding, Upgrade:
		return true
	}
	return false
}

// InTrailer reports whether a field may be sent after a body: none that frames, routes, authenticates or describes the
// message may (RFC 9110 6.5.1).
func (k Known) InTrailer() bool {
	switch k {
	case Host, ContentLength, TransferEncoding, Connection, Expect, Upgrade, Trailer, ContentType, ContentEncoding,
		KeepAlive, TE, ProxyConnection, Authorization, Cookie, SetCookie, ContentRange, MaxForwards, CacheControl, Range,
		WWWAuthenticate, ProxyAuthenticate, ProxyAuthorization, AuthenticationInfo, ProxyAuthenticationInfo:
		return false
	}
	return true
}
