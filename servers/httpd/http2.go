package httpd

import (
	"net/http"
	"strings"
	"time"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// StreamError is the error of an HTTP/2 stream that ended before its request or reply was complete, because the client
// reset it or the connection was lost. It is the [context.Cause] of the request's context, and the error of reading the
// body and writing the reply. Remote reports whether the client ended it, and Code the reason (RFC 9113 7).
type StreamError = http2.StreamError

// preface is the start of the connection preface: RFC 9113 3.4.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// protocols returns the enabled protocols.
func (cfg *Config) protocols() http.Protocols {
	if cfg.Protocols != nil {
		return *cfg.Protocols
	}
	var all http.Protocols
	all.SetHTTP1(true)
	all.SetHTTP2(true)
	all.SetUnencryptedHTTP2(true)
	return all
}

// alpn returns the protocol names for ALPN, in order of preference.
func (s *Server) alpn() (names []string) {
	if s.protocols.HTTP2() {
		names = append(names, "h2")
	}
	if s.protocols.HTTP1() {
		names = append(names, "http/1.1")
	}
	return names
}

// http2 returns the configuration of package http2.
func (cfg *Config) http2() *http2.Config {
	limits, c := cfg.limits(), cfg.HTTP2
	return &http2.Config{
		MaxStreams: c.MaxStreams, MaxFrame: c.MaxFrame, MaxBlocks: c.MaxContinuations, Limits: &limits,
		Window: c.Window, MaxWindow: c.MaxWindow, ConnWindow: c.ConnWindow, NoConnect: c.NoConnect,
		ResetBurst: c.ResetBurst, ResetRate: c.ResetRate, NoiseBurst: c.NoiseBurst, NoiseRate: c.NoiseRate,
		PrefaceTimeout: c.PrefaceTimeout, HeadTimeout: cfg.HeadTimeout, FrameTimeout: cfg.BodyTimeout,
		IdleTimeout: cfg.IdleTimeout, StallTimeout: cfg.WriteTimeout, PingAfter: c.PingAfter, PingTimeout: c.PingTimeout,
	}
}

// beginning is the number of bytes that identify the preface: no HTTP/1 request has this method (RFC 9113 3.4).
const beginning = len("PRI ")

// isHTTP2 reports whether the connection uses HTTP/2: by ALPN or, without TLS, by its first bytes. ok is false if the
// client sends nothing before HeadTimeout.
func (c *conn) isHTTP2() (is, ok bool) {
	p := c.srv.protocols
	switch {
	case c.secure != nil:
		return p.HTTP2() && c.secure.NegotiatedProtocol == "h2", true
	case !p.UnencryptedHTTP2():
		return false, true
	case !p.HTTP1():
		return true, true // anything else is a protocol error
	case !c.await():
		return false, false
	}
	return c.beginsPreface(), true
}

// beginsPreface reports whether the connection starts with the preface. Package http2 waits for the rest of it.
func (c *conn) beginsPreface() bool {
	for {
		p := c.src.Buffered()
		n := min(len(p), beginning)
		switch {
		case string(p[:n]) != preface[:n]:
			return false
		case n == beginning:
			return true
		case c.src.Fill(c.io, len(preface)) != nil:
			return false
		}
	}
}

// runHTTP2 serves the streams of a connection.
func (c *conn) runHTTP2() error {
	c.h2 = &streams{Conn: http2.NewServer(c.nc, c.src, (*streamServer)(c), c.srv.http2)}
	undrain := c.nc.OnDrain(func(error) {
		c.draining.Store(true)
		c.h2.Shutdown()
		c.endTunnels()
	})
	c.undrain()
	defer undrain()
	if err := c.h2.Serve(c.io); err != nil {
		c.srv.log.Debug("httpd: connection of HTTP/2 ended", "peer", c.remote, "err", err)
	}
	if c.h2.Left() {
		_ = c.nc.Out.Close() // a client may close the connection at the first GOAWAY: an error here would be reported
	}
	return nil
}

// streams is a connection that speaks HTTP/2.
type streams struct {
	*http2.Conn
	tunnels tunnels // on its streams
}

// streamServer is the http2.Server of a conn.
type streamServer conn

// Accept creates the handler of a stream.
func (s *streamServer) Accept(st *http2.Stream, head *http2.Request) http2.Handler {
	c := (*conn)(s)
	c.served++
	if cfg := &c.srv.cfg; cfg.CloseEach || cfg.MaxRequests > 0 && int(c.served) >= cfg.MaxRequests {
		c.h2.Shutdown()
	}
	w := &streamResponse{stream: st, refused: head.Refused}
	w.output = output{conn: c, via: w, length: -1}
	w.req, w.ctx = c.streamRequest(head, origin{on: c.lasting, arrived: time.Now(), serial: c.served, stream: st.ID()})
	w.isHead = w.req.Method == http.MethodHead
	w.rec = c.newRecord(&w.ctx.from)
	w.rec.about(w.req)
	if w.refused == 0 {
		w.refused = c.srv.precheck(w.req)
	}
	if !head.End {
		w.body = &streamBody{of: c.serving, resp: w}
		w.body.stream.Store(st)
		w.body.asked.expects = expectsOf(w.req.Header["Expect"]).toContinue
		w.body.configure(c.srv.cfg.MaxBody)
		w.req.Body = w.body
	}
	return w
}

// streamRequest creates the request for a head, and its context. Its URL is nil if the target is not a URL.
func (c *conn) streamRequest(h *http2.Request, from origin) (*http.Request, *requestContext) {
	g := newGiven(from)
	r := &g.req
	r.RemoteAddr, r.TLS = c.remote, c.secure
	r.Method, r.Host = h.Method, h.Authority
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	r.Body = http.NoBody
	switch {
	case h.Path == "" && h.Refused == 0: // CONNECT
		r.RequestURI = h.Authority
		r.URL = urlOf(http1.Authority, h.Authority)
	default:
		r.RequestURI = h.Path
		r.URL = urlOf(formOf(h.Path), h.Path)
	}
	r.Header = headerOfFields(r, h.Fields)
	if h.Protocol != "" {
		r.Header[":protocol"] = []string{h.Protocol} // as net/http does
	}
	if !h.End {
		r.ContentLength = h.Length
	}
	return r, &g.ctx
}

func formOf(path string) http1.Form {
	if strings.HasPrefix(path, "/") {
		return http1.Origin
	}
	return http1.Asterisk
}

// headerOfFields returns the fields in the form of net/http.
func headerOfFields(r *http.Request, fields []http2.Field) http.Header {
	header := make(http.Header, len(fields))
	values := make([]string, 0, len(fields))
	for i := range fields {
		f := &fields[i]
		known := http1.Lookup(f.Name)
		switch known {
		case http1.Host:
			continue
		case http1.Trailer:
			announceTrailers(r, f.Value)
			continue
		}
		name := canonical(f.Name, known)
		if old := header[name]; old != nil {
			header[name] = append(old, f.Value)
			continue
		}
		values = append(values, f.Value)
		last := len(values)
		header[name] = values[last-1 : last : last]
	}
	return header
}

func canonical(name string, known http1.Known) string {
	if known != http1.Unknown {
		return known.String()
	}
	return http1.Canonical([]byte(name), known)
}

// mergeStreamTrailers adds the received trailers to r, except those that are not allowed in trailers.
func mergeStreamTrailers(r *http.Request, fields []http2.Field) {
	for i := range fields {
		known := http1.Lookup(fields[i].Name)
		if !known.InTrailer() {
			continue
		}
		if r.Trailer == nil {
			r.Trailer = http.Header{}
		}
		name := canonical(fields[i].Name, known)
		r.Trailer[name] = append(r.Trailer[name], fields[i].Value)
	}
}
