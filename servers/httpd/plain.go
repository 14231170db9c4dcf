package httpd

import "bytes"

// plainReply is for a client that speaks plain HTTP where TLS is spoken. It is of HTTP/1.0, which every client reads.
const plainReply = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks HTTPS: the request was sent without TLS.\n"

// toPlain returns the answer to a client whose connection begins with first instead of a handshake of TLS: none, unless
// that looks like the beginning of a request.
func toPlain(first [5]byte) []byte {
	method, target, _ := bytes.Cut(first[:], []byte(" "))
	if len(method) < 3 || len(bytes.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) > 0 {
		return nil
	}
	if len(target) > 0 && target[0] != '/' && target[0] != '*' {
		return nil
	}
	return []byte(plainReply)
}
