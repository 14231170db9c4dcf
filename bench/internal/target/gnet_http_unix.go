//go:build linux || darwin || freebsd || dragonfly || netbsd || openbsd

package target

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// gnet has no HTTP server. Its own benchmarks use this in place of a parser: it looks for the ends of heads, and
// answers each with the same reply. It shows the limit of an event loop and is not a server.

var endOfHead = []byte("\r\n\r\n")

func gnetHTTP(c gnet.Conn) gnet.Action {
	scratch := replies.Get().(*[]byte)
	defer replies.Put(scratch)
	dst := (*scratch)[:0]
	p, _ := c.Peek(-1)
	rest := p
	for {
		at := bytes.Index(rest, endOfHead)
		if at < 0 {
			break
		}
		dst = appendHello(dst, rest[:at])
		rest = rest[at+len(endOfHead):]
	}
	*scratch = dst
	if len(dst) == 0 {
		return gnet.None
	}
	if _, err := c.Write(dst); err != nil {
		return gnet.Close
	}
	_, _ = c.Discard(len(p) - len(rest)) // it was peeked at
	return gnet.None
}

// appendHello appends the reply to a request, with the same head as the other servers.
func appendHello(dst, head []byte) []byte {
	if !bytes.HasPrefix(head, []byte("GET /hello HTTP/1.1\r\n")) {
		return append(dst, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"...)
	}
	dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	return fmt.Appendf(dst, "\r\nContent-Length: %d\r\n\r\n%s", len(hello), hello)
}
