package httpc

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// roundTrip makes one attempt of x on c. It releases or ends c, unless the body of the response takes c over.
func (c *conn) roundTrip(x *exchange) (*http.Response, *attemptError) {
	reused := c.used
	c.used, x.reused = true, reused
	c.limits, x.began = c.t.limits, false
	before := c.nc.Stats().BytesIn
	sent, unsent := c.writeHead(x)
	if unsent != nil && (!sent || !c.ended() || x.ctx.Err() != nil) {
		return nil, c.lost(nil, &attemptError{err: c.why(x, unsent), sent: sent, stale: reused})
	}
	var s *sender
	var err error
	if unsent == nil {
		s, err = c.begin(x)
	} else { // the server may have answered before it closed the connection
		c.headWithin(c.t.cfg.lastWords())
	}
	if err == nil {
		err = c.readFinal(x, &s, x.expects && unsent == nil)
	}
	if err != nil {
		arrived := c.nc.Stats().BytesIn != before || len(c.src.Buffered()) > 0
		if failure := cmp.Or(unsent, s.failure()); failure != nil && !arrived && x.ctx.Err() == nil {
			err = failure // such as an error of the request body
		}
		return nil, c.lost(s, &attemptError{err: c.why(x, early(err)), sent: true, stale: reused && !arrived})
	}
	c.gotHead(x, s)
	if unsent != nil {
		c.headWithin(0)
		x.closeBody()
		x.wrote(unsent)
	}
	resp, err := c.response(x, s)
	if err != nil {
		return nil, c.lost(s, &attemptError{err: err, sent: true})
	}
	return resp, nil
}

// lastWords returns how long to wait for a response after a write has failed.
func (c *Config) lastWords() time.Duration {
	if c.HeadTimeout > 0 {
		return min(c.HeadTimeout, chanio.DefaultLinger)
	}
	return chanio.DefaultLinger
}

// gotHead lifts the deadline of the head, so that it does not bound the body.
func (c *conn) gotHead(x *exchange, s *sender) {
	if s == nil && (x.expects || c.t.cfg.HeadTimeout > 0) {
		c.headWithin(0)
	}
	s.gotHead()
}

// early converts io.EOF before the end of a head to io.ErrUnexpectedEOF.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lost ends c after a failure.
func (c *conn) lost(s *sender, failure *attemptError) *attemptError {
	s.halt()
	c.t.pool.remove(c, false)
	c.abort(failure.err)
	return failure
}

func (c *conn) abandon(x *exchange) { _ = c.lost(x.sender, &attemptError{}) }

// begin starts sending the body, unless it has been sent or must wait, and sets the deadline of the head of the response.
func (c *conn) begin(x *exchange) (*sender, error) {
	switch {
	case !x.hasBody(), x.bodyRead && !x.expects:
		x.closeBody()
		x.wrote(nil)
		if d := c.t.cfg.HeadTimeout; d > 0 {
			_ = c.nc.SetReadDeadline(within(d))
		}
		return nil, nil
	case x.expects:
		return nil, c.awaitContinue(x)
	}
	return send(x, c), nil
}

// awaitContinue sets the deadline of the 100 response.
func (c *conn) awaitContinue(x *exchange) error {
	if trace := x.trace; trace != nil && trace.Wait100Continue != nil {
		trace.Wait100Continue()
	}
	return c.nc.SetReadDeadline(within(c.t.cfg.ExpectTimeout))
}

// readFinal reads heads until one is final or switches protocols. If the body is waiting, it starts the sender after a
// 100 response or ExpectTimeout.
func (c *conn) readFinal(x *exchange, s **sender, waiting bool) error {
	for informed := 0; ; {
		err := c.readHead(x)
		if err != nil && waiting && isTime(x, err) {
			waiting = false
			_ = c.nc.SetReadDeadline(time.Time{})
			*s = send(x, c)
			continue
		}
		if err != nil {
			return err
		}
		status := c.head.Status
		if status >= 200 || status == http.StatusSwitchingProtocols {
			return nil
		}
		if informed++; informed > c.t.cfg.MaxInformational && c.t.cfg.MaxInformational >= 0 {
			return errInformational
		}
		if err := c.inform(x, status); err != nil {
			return err
		}
		if waiting && status == http.StatusContinue {
			waiting = false
			_ = c.nc.SetReadDeadline(time.Time{})
			*s = send(x, c)
		}
	}
}

var errInformational = errors.New("httpc: too many informational responses")

// isTime reports whether err means only that a deadline has passed.
func isTime(x *exchange, err error) bool {
	return x.ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(x.ctx, err)
}

// readHead reads a head, and calls GotFirstResponseByte of the trace.
func (c *conn) readHead(x *exchange) error {
	if trace := x.trace; trace != nil && trace.GotFirstResponseByte != nil && !x.began {
		if len(c.src.Buffered()) == 0 {
			if err := c.src.Fill(x.ctx, 1); err != nil {
				return err
			}
		}
		x.began = true
		trace.GotFirstResponseByte()
	}
	return c.head.Read(x.ctx, c.src, &c.limits)
}

// inform records an informational response and passes it to the trace.
func (c *conn) inform(x *exchange, status int) error {
	c.limits.Head -= c.head.Len()
	if x.call != nil {
		header, _ := headerOf(&c.head.Fields, string(c.head.Bytes()), false)
		x.call.inform(status, header)
	}
	if trace := x.trace; trace != nil { // in the order of net/http
		if status == http.StatusContinue && trace.Got100Continue != nil {
			trace.Got100Continue()
		}
		if trace.Got1xxResponse != nil {
			header, _ := headerOf(&c.head.Fields, string(c.head.Bytes()), false)
			if err := trace.Got1xxResponse(status, textproto.MIMEHeader(header)); err != nil {
				return err
			}
		}
	}
	c.head.Discard(c.src)
	return nil
}

// response converts the final head to a response.
func (c *conn) response(x *exchange, s *sender) (*http.Response, error) {
	h := &c.head
	framing, reuse, err := h.Framing(x.method)
	if err != nil {
		return nil, err
	}
	text := string(h.Bytes())
	r := &http.Response{
		StatusCode: h.Status, Status: statusText(h.Status, h.Reason()), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: h.Minor,
		Request: x.req, TLS: c.secure,
	}
	if h.Minor == 0 {
		r.Proto = "HTTP/1.0"
	}
	r.Header, r.Trailer = headerOf(&h.Fields, text, framing.Kind == http1.Chunked)
	if h.Close && h.Minor > 0 {
		delete(r.Header, "Connection") // Close reports it, as in net/http
	}
	r.Close = !reuse && h.Status != http.StatusSwitchingProtocols
	reuse = reuse && !c.ended() && !x.closes && (!x.hasBody() || x.bodyRead) && c.takeHint(r.Header["Keep-Alive"])
	r.ContentLength = lengthOf(h, framing, x.method)
	tidyLength(r.Header, framing, h.DeclaredLength())
	if framing.Kind == http1.Chunked {
		r.TransferEncoding = []string{"chunked"}
	}
	c.body.Reset(c.src, framing, &c.t.limits)
	h.Discard(c.src)
	if h.Status == http.StatusSwitchingProtocols {
		return r, c.switchOver(x, s, r)
	}
	if x.method == http.MethodConnect && h.Status < 300 {
		return r, c.handOver(x, s, r)
	}
	if h.Status > 299 && !s.isDone() {
		s.halt() // the server does not want the rest of the body
	}
	c.attach(x, s, r, reuse)
	return r, nil
}

// statusText returns the code and the reason, as in net/http.
func statusText(status int, reason []byte) string {
	if known := http.StatusText(status); known == string(reason) {
		if text, ok := statusTexts[status]; ok {
			return text
		}
	}
	if len(reason) == 0 {
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + string(reason)
}

// statusTexts holds the texts of frequent codes, to avoid an allocation.
var statusTexts = map[int]string{
	200: "200 OK", 201: "201 Created", 204: "204 No Content", 206: "206 Partial Content", 302: "302 Found",
	304: "304 Not Modified", 404: "404 Not Found",
}

func lengthOf(h *http1.ResponseHead, f http1.Framing, method string) int64 {
	switch {
	case f.Kind == http1.Sized:
		return f.Length
	case f.Kind == http1.NoBody && method == http.MethodHead:
		return h.DeclaredLength()
	case f.Kind == http1.NoBody:
		return 0
	}
	return -1
}

// tidyLength removes a Content-Length that is not that of the body, and repetitions, so that code that passes the
// fields on does not pass on two framings (RFC 9112 6.3).
func tidyLength(h http.Header, f http1.Framing, declared int64) {
	switch lengths := h["Content-Length"]; {
	case len(lengths) == 0:
	case f.Kind == http1.Chunked, f.Kind == http1.UntilClose:
		delete(h, "Content-Length")
	case declared >= 0 && (len(lengths) > 1 || strings.Contains(lengths[0], ",")):
		h["Content-Length"] = []string{strconv.FormatInt(declared, 10)}
	}
}

// headerOf returns the fields as net/http does, and the names of announced trailers if the message may have trailers.
func headerOf(f *http1.Fields, text string, trailers bool) (header, trailer http.Header) {
	header = f.Map(text, func(k http1.Known, i int) bool {
		if k == http1.Trailer && trailers {
			trailer = announce(trailer, f.ValueIn(text, i))
			return true
		}
		return k == http1.TransferEncoding
	})
	return header, trailer
}

// announce adds the names of a Trailer field, without values.
func announce(trailer http.Header, list string) http.Header {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, " \t")
		if !http1.ValidToken(name) || !http1.Lookup(name).InTrailer() {
			continue
		}
		if trailer == nil {
			trailer = http.Header{}
		}
		trailer[http.CanonicalHeaderKey(name)] = nil
	}
	return trailer
}
