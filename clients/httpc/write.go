package httpc

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// appendHead appends the head of the request.
func (c *conn) appendHead(p []byte, x *exchange) []byte {
	p = http1.AppendRequestLine(p, x.method, x.uri)
	p = c.field(p, x, "Host", x.host)
	var forProxy http.Header
	if x.forward {
		forProxy = x.t.cfg.ProxyHeader
	}
	if c.proxy != "" && !has(x.header, "Proxy-Authorization") && !has(forProxy, "Proxy-Authorization") {
		p = c.field(p, x, "Proxy-Authorization", c.proxy)
	}
	for name, values := range forProxy {
		if has(x.header, name) {
			continue
		}
		for _, v := range values {
			p = c.field(p, x, name, v)
		}
	}
	if agent := x.t.cfg.UserAgent; agent != "-" && !has(x.header, "User-Agent") && !has(forProxy, "User-Agent") {
		p = c.field(p, x, "User-Agent", agent)
	}
	p = c.appendFields(p, x)
	if x.asksCoding {
		p = c.field(p, x, "Accept-Encoding", x.t.codings)
	}
	if x.req.Close && !saysClose(x.header) {
		p = c.field(p, x, "Connection", "close")
	}
	p = c.appendFraming(p, x)
	return http1.AppendHeadEnd(p)
}

func has(h http.Header, name string) bool {
	_, ok := h[name]
	return ok
}

func saysClose(h http.Header) bool {
	for _, v := range h["Connection"] {
		if http1.HasToken([]byte(v), "close") {
			return true
		}
	}
	return false
}

// appendFields appends the header fields, sorted by name, except those that are derived from other fields of the Request.
func (c *conn) appendFields(p []byte, x *exchange) []byte {
	c.names = c.names[:0]
	for name := range x.header {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	for _, name := range c.names {
		if x.omits(http1.Lookup(name)) {
			continue
		}
		for _, v := range x.header[name] {
			if name == "User-Agent" && v == "" {
				continue // suppresses the field, as in net/http
			}
			p = c.field(p, x, name, strings.Trim(v, " \t"))
		}
	}
	return p
}

// omits reports whether a field of the request is not sent, over either version. Behind a tunnel, only another proxy
// may see credentials for proxies (RFC 9110 11.7.2).
func (x *exchange) omits(known http1.Known) bool {
	switch known {
	case http1.Expect:
		return !x.expects
	case http1.ProxyAuthorization:
		return x.proxy != nil && !x.forward && x.method != http.MethodConnect
	}
	return isDerived(known)
}

// isDerived reports whether a field is not taken from the header of a request, but derived from its other fields.
func isDerived(known http1.Known) bool {
	switch known {
	case http1.Host, http1.ContentLength, http1.TransferEncoding, http1.Trailer:
		return true
	}
	return false
}

func (c *conn) appendFraming(p []byte, x *exchange) []byte {
	f := x.framing
	p = http1.AppendFraming(p, f)
	if f.Kind == http1.Chunked && len(x.req.Trailer) > 0 {
		p = c.field(p, x, "Trailer", strings.Join(sortedKeys(x.req.Trailer), ", "))
	}
	if trace := x.trace; trace != nil && trace.WroteHeaderField != nil {
		switch f.Kind {
		case http1.Sized:
			trace.WroteHeaderField("Content-Length", []string{strconv.FormatInt(f.Length, 10)})
		case http1.Chunked:
			trace.WroteHeaderField("Transfer-Encoding", []string{"chunked"})
		}
	}
	return p
}

func sortedKeys(h http.Header) []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// field appends a field line and calls WroteHeaderField of the trace.
func (c *conn) field(p []byte, x *exchange, name, value string) []byte {
	if trace := x.trace; trace != nil && trace.WroteHeaderField != nil {
		trace.WroteHeaderField(name, []string{value})
	}
	return http1.AppendField(p, name, value)
}

// smallMax is the length up to which a body in memory is written together with the head.
const smallMax = 32 << 10

// smallBody reports whether the body is in memory and at most smallMax long. It returns its bytes if they are accessible.
func (x *exchange) smallBody() (piece []byte, ok bool) {
	if x.framing.Kind != http1.Sized || x.framing.Length > smallMax {
		return nil, false
	}
	if own, ok := x.body.(*bytesBody); ok {
		return own.rest(), true
	}
	return nil, inMemory(x.body)
}

// readSmall reads a body in memory and checks its length.
func (x *exchange) readSmall(piece []byte) ([]byte, error) {
	x.bodyRead = true
	if piece == nil {
		piece = make([]byte, x.framing.Length)
		if n, err := io.ReadFull(x.body, piece); err != nil && x.framing.Length > 0 {
			return nil, bodyShort(n, x.framing.Length, err)
		}
		var one [1]byte
		if n, _ := x.body.Read(one[:]); n > 0 {
			return nil, http1.ErrBodyTooLong
		}
	}
	switch n := int64(len(piece)); {
	case n > x.framing.Length:
		return nil, http1.ErrBodyTooLong
	case n < x.framing.Length:
		return nil, http1.ErrBodyTooShort
	}
	return piece, nil
}

func bodyShort(n int, want int64, err error) error {
	if (err == io.EOF || err == io.ErrUnexpectedEOF) && int64(n) < want {
		return http1.ErrBodyTooShort
	}
	return err
}

// The types that io.NopCloser returns, which http.NewRequest uses for readers in memory.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(io.MultiReader()))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(struct {
		io.Reader
		io.WriterTo
	}{}))
)

// inMemory reports whether reading body never blocks.
func inMemory(body io.Reader) bool {
	switch reflect.TypeOf(body) {
	case nopCloser, nopCloserWriterTo:
		body, _ = reflect.ValueOf(body).Field(0).Interface().(io.Reader)
	}
	switch body.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}
