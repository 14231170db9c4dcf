package httpd

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-go/weir/internal/http1"
)

var errNoHTTP1 = errors.New("httpd: HTTP/1 is not spoken here")

// refuseHead answers a request with an invalid head.
func (c *conn) refuseHead(status int, err error) {
	rec := c.newRecord(&origin{arrived: time.Now()})
	c.refuse(status, false)
	rec.refused(status, err)
}

// precheck returns the status of a request that is refused without calling the handler, or 0. AllowedHosts applies to
// an extended CONNECT (RFC 8441) as to other methods, but not to a plain CONNECT, which names the target of the tunnel.
func (s *Server) precheck(r *http.Request) int {
	switch limit := s.cfg.MaxBody; {
	case r.URL == nil:
		return http.StatusBadRequest
	case r.ProtoAtLeast(1, 1) && expectsOf(r.Header["Expect"]).more:
		return http.StatusExpectationFailed
	case limit > 0 && r.ContentLength > limit:
		return http.StatusRequestEntityTooLarge
	case (r.Method != http.MethodConnect || r.Header[":protocol"] != nil) && !s.allowsHost(r.Host):
		return http.StatusMisdirectedRequest
	}
	return 0
}

// errRefused returns the reason why a request with a valid head was refused.
func errRefused(status int) error { return fmt.Errorf("httpd: refused: %s", http.StatusText(status)) }

// expectation is the content of the Expect fields of a request. They are lists. An empty list or member has no meaning:
// RFC 9110 10.1.1 and 5.6.1.
type expectation struct {
	toContinue bool
	more       bool // an unknown expectation
}

func (e *expectation) add(list string) {
	for member := range strings.SplitSeq(list, ",") {
		switch member = strings.Trim(member, " \t"); {
		case member == "":
		case http1.EqualFold(member, "100-continue"):
			e.toContinue = true
		default:
			e.more = true
		}
	}
}

func expectsOf(fields []string) (e expectation) {
	for _, list := range fields {
		e.add(list)
	}
	return e
}

// refuse answers a request without calling a handler. The connection is closed afterwards.
func (c *conn) refuse(status int, isHead bool) {
	_ = c.sink.End(c.io, c.appendRefusal(c.sink.Begin(), status, isHead), nil) // the client may have disconnected
}

// appendRefusal appends a complete reply that refuses a request.
func (c *conn) appendRefusal(p []byte, status int, isHead bool) []byte {
	text := http.StatusText(status) + "\n"
	p = http1.AppendStatusLine(p, status)
	if !c.srv.cfg.NoDate {
		p = appendDate(p)
	}
	p = http1.AppendField(p, "Connection", "close")
	p = http1.AppendField(p, "Content-Type", "text/plain; charset=utf-8")
	p = http1.AppendFraming(p, http1.Framing{Kind: http1.Sized, Length: int64(len(text))})
	p = http1.AppendHeadEnd(p)
	if !isHead {
		p = append(p, text...)
	}
	return p
}
