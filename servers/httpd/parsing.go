package httpd

import (
	"net/http"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/pool"
)

// parsing is the memory that a connection needs for a request of HTTP/1 and its reply.
type parsing struct {
	head   http1.RequestHead
	body   http1.Body
	writer http1.Writer

	asked    *http.Request // the current request
	reply    *response
	exchange exchange // of a native server, instead of these two

	lines []byte   // field lines of the reply's header, as of WriteHeader
	tail  []byte   // field lines of the reply's trailers, of a native handler
	names []string // field names of the reply

	room [unflushed]byte // for output.buf
}

// maxKept limits the bytes of field lines, and the number of names, in a parsing that is reused.
const maxKept = 4 << 10

var parsings = pool.Pool[parsing]{New: func() *parsing { return new(parsing) }}

// idle returns the parsing to its pool. The head has been discarded, and no goroutine reads the body or writes any
// more.
func (c *conn) idle() {
	p := c.parsing
	if p == nil {
		return
	}
	c.parsing = nil
	p.body.Reset(nil, http1.Framing{}, nil)
	p.writer.Reset(nil, http1.Framing{})
	p.asked, p.reply = nil, nil
	p.exchange.forget()
	clear(p.names[:cap(p.names)])
	p.lines, p.tail = p.lines[:0], p.tail[:0]
	if cap(p.lines) > maxKept || cap(p.tail) > maxKept || cap(p.names) > maxKept {
		p.lines, p.tail, p.names = nil, nil, nil
	}
	parsings.Put(p)
}
