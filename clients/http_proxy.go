package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpguts"

	"github.com/weir-go/weir/chanio"
)

// HTTPProxy is a proxy that opens tunnels by the CONNECT method of HTTP/1.1 (RFC 9110, section 9.3.6), optionally with
// TLS to the proxy.
type HTTPProxy struct {
	// Addr is the address of the proxy, in the form host:port.
	Addr string

	// User and Password are sent as Basic credentials (RFC 7617) if User is not empty. Without TLS they are readable on
	// the network.
	User, Password string

	// Header holds further fields sent to the proxy, such as a Proxy-Authorization of another scheme. Host,
	// Content-Length and Transfer-Encoding are rejected: the Host of a CONNECT request is its target, and it has no
	// body.
	Header map[string][]string

	// TLS, if not nil, secures the connection to the proxy.
	TLS *TLSConfig

	// MaxResponse limits the header of the proxy's response, in bytes. 0 means 16 KiB.
	MaxResponse int
}

// DialThrough is [Proxy.DialThrough]. A refusal is a [*ProxyError] with the status code and the header of the response.
func (p *HTTPProxy) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	request, err := p.request(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: proxyAddr(p.Addr), Err: err}
	}
	c, err := p.connect(ctx, conn, direct)
	if err != nil {
		return nil, err
	}
	err = through(ctx, p.Addr, c, func(r *received) error {
		if err := r.send(ctx, request); err != nil {
			return err
		}
		return p.readResponse(ctx, r, addr)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connect connects to the proxy.
func (p *HTTPProxy) connect(ctx context.Context, conn *chanio.ConnConfig, direct DialFunc) (*chanio.Conn, error) {
	if p.TLS == nil {
		return direct(ctx, p.Addr, conn)
	}
	return secured(ctx, p.Addr, p.TLS, conn, func() (*chanio.Conn, error) {
		return direct(ctx, p.Addr, layerBelow(conn))
	})
}

// request returns the request for a tunnel to addr.
func (p *HTTPProxy) request(ctx context.Context, addr string) ([]byte, error) {
	host, port, err := splitTarget(ctx, addr)
	if err != nil {
		return nil, err
	}
	target := net.JoinHostPort(host, strconv.Itoa(int(port)))
	b := fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target)
	if b, err = p.appendCredentials(b); err != nil {
		return nil, err
	}
	return p.appendHeader(b)
}

// appendCredentials appends User and Password.
func (p *HTTPProxy) appendCredentials(b []byte) ([]byte, error) {
	if p.User == "" && p.Password != "" {
		return nil, errors.New("HTTPProxy has a Password but no User: set both or neither")
	}
	if p.User != "" {
		if strings.Contains(p.User, ":") {
			return nil, errors.New("the User of HTTPProxy has a colon, which Basic credentials cannot carry (RFC 7617)")
		}
		credentials := base64.StdEncoding.EncodeToString([]byte(p.User + ":" + p.Password))
		b = fmt.Appendf(b, "Proxy-Authorization: Basic %s\r\n", credentials)
	}
	return b, nil
}

// appendHeader appends Header and the empty line.
func (p *HTTPProxy) appendHeader(b []byte) ([]byte, error) {
	for name, values := range p.Header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, fmt.Errorf("HTTPProxy has a Header %q that HTTP does not allow: is there a line break in it?", name)
			}
			if !p.maySend(name) {
				return nil, fmt.Errorf("HTTPProxy has a Header %q, which is sent or left out by itself: remove it", name)
			}
			b = fmt.Appendf(b, "%s: %s\r\n", name, v)
		}
	}
	return append(b, "\r\n"...), nil
}

// maySend reports whether a field of Header is allowed in the request: CONNECT has one Host and no body.
func (p *HTTPProxy) maySend(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding":
		return false
	case "Proxy-Authorization":
		return p.User == ""
	}
	return true
}

// readResponse reads responses up to the final one. Bytes after its header belong to the tunnel, whatever length the
// header gives.
func (p *HTTPProxy) readResponse(ctx context.Context, r *received, addr string) error {
	most := p.MaxResponse
	if most <= 0 {
		most = 16 << 10
	}
	for limit := most; limit > 0; {
		head, err := readHead(ctx, r, limit, most)
		if err != nil {
			return fmt.Errorf("the response of the proxy: %w", err)
		}
		limit -= len(head)
		code, reason, header, err := parseHead(head)
		switch {
		case err != nil:
			return fmt.Errorf("the response of the proxy: %w", err)
		case code >= 200 && code < 300:
			return nil
		case code >= 200:
			return p.refusal(addr, code, reason, header)
		}
	}
	return errors.New("the response of the proxy: only interim responses")
}

// httpVersion is the start of every response.
const httpVersion = "HTTP/1."

func notHTTP(b []byte) error {
	return fmt.Errorf("it is not HTTP, it begins with %.40q: is this an HTTP proxy?", b)
}

// readHead returns the header of a response, including the empty line at its end. most is the limit of all headers, and
// limit what is left of it.
func readHead(ctx context.Context, r *received, limit, most int) ([]byte, error) {
	for scanned := 0; ; {
		b := r.bytes.Buffered()
		if end := headEnd(b, scanned); end > 0 && end <= limit {
			return r.need(ctx, end)
		}
		if start := b[:min(len(b), len(httpVersion))]; !strings.HasPrefix(httpVersion, string(start)) {
			return nil, notHTTP(b)
		}
		if len(b) >= limit {
			return nil, fmt.Errorf("its header is longer than %d bytes; is this an HTTP proxy? MaxResponse allows more", most)
		}
		scanned = len(b)
		if err := r.more(ctx, len(b)+1); err != nil {
			return nil, err
		}
	}
}

// headEnd returns the offset after the first empty line of b, or 0. No empty line ends within the first scanned bytes.
func headEnd(b []byte, scanned int) int {
	for i := max(scanned-3, 0); i < len(b); i++ {
		if b[i] != '\n' {
			continue
		}
		rest := bytes.TrimPrefix(b[i+1:], []byte("\r"))
		if len(rest) > 0 && rest[0] == '\n' {
			return len(b) - len(rest) + 1
		}
	}
	return 0
}

func parseHead(head []byte) (code int, reason string, header textproto.MIMEHeader, err error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	line, err := r.ReadLine()
	if err != nil {
		return 0, "", nil, err
	}
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, httpVersion) {
		return 0, "", nil, notHTTP([]byte(line))
	}
	digits, _, _ := strings.Cut(status, " ")
	if code, err = strconv.Atoi(digits); err != nil || len(digits) != 3 || code < 100 {
		return 0, "", nil, fmt.Errorf("it has the status %.40q", status)
	}
	header, err = r.ReadMIMEHeader()
	return code, printable(status), header, err
}

// printable returns s, which the proxy has sent, without control characters.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

func (p *HTTPProxy) refusal(addr string, code int, reason string, header map[string][]string) error {
	e := &ProxyError{Proxy: p.Addr, Addr: addr, Code: code, Reason: reason, Header: header}
	switch code {
	case 407:
		e.Hint = "it wants credentials: set User and Password, or a Proxy-Authorization in Header"
		if p.User != "" {
			e.Hint = "it does not accept these credentials"
		}
	case 403, 405:
		e.Hint = "its rules do not allow a tunnel to that host and port"
	case 502, 503, 504:
		e.Hint = "it cannot reach that host: is the name right, and does the server run?"
	}
	return e
}
