package httpd

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// RequestInfo is what a Server knows about a request beyond its [http.Request].
type RequestInfo struct {
	// Arrived is the time at which the head of the request arrived.
	Arrived time.Time

	// Protocol is HTTP/1.0, HTTP/1.1 or HTTP/2.0.
	Protocol string

	// StreamID is the number of the stream with HTTP/2, 0 with HTTP/1.
	StreamID uint32

	// Serial is the number of the request on its connection, starting with 1.
	Serial int

	// Client is the address of the client: that of the peer or, if the peer is one of Config.TrustedProxies, the one
	// that the proxies report. It is invalid for a peer without an IP address, such as one on a Unix socket.
	Client netip.Addr

	// Conn counts the bytes transferred on the connection so far, including those of other requests.
	Conn chanio.ConnStats
}

// origin describes where a request comes from.
type origin struct {
	on      *lasting
	arrived time.Time
	serial  int64
	stream  uint32
}

// origin returns the origin of the HTTP/1 request whose head has been read.
func (c *conn) origin() origin { return origin{on: c.lasting, arrived: time.Now(), serial: c.served} }

// infoKey is the key of the *requestContext in the context of a request.
type infoKey struct{}

// Info returns what the server knows about r, or about the request that middleware has copied it from. ok is false if r
// is not from a server of this package.
func Info(r *http.Request) (info RequestInfo, ok bool) {
	x, ok := r.Context().Value(infoKey{}).(*requestContext)
	if !ok {
		return RequestInfo{}, false
	}
	s := x.from.on.server
	info = x.from.info(r.Proto)
	info.Client = s.clientAddr(x.from.on.remote, r.Header[s.cfg.forwardedField()])
	return info, true
}

func (o *origin) info(proto string) RequestInfo {
	return RequestInfo{
		Arrived: o.arrived, Protocol: proto, StreamID: o.stream, Serial: int(o.serial), Conn: o.on.stats(),
	}
}

// Info returns what the server knows about the request besides its head. With HTTP/1 it must be called before the body
// is read.
func (x Exchange) Info() RequestInfo {
	e := x.valid()
	if e.over != nil {
		info, _ := Info(e.over.r)
		return info
	}
	h := x.head()
	info := e.from.info(protoOf(h.Minor))
	info.Client = e.conn.srv.clientAddr(e.conn.remote, e.conn.srv.forwardedIn(&h.Fields))
	return info
}

func protoOf(minor int) string {
	if minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// forwardedIn returns the values of ForwardedField.
func (s *Server) forwardedIn(f *http1.Fields) (values []string) {
	if len(s.cfg.TrustedProxies) == 0 {
		return nil
	}
	name := s.cfg.forwardedField()
	for i := range f.Len() {
		if equalFold(f.Name(i), name) {
			values = append(values, string(f.Value(i)))
		}
	}
	return values
}
