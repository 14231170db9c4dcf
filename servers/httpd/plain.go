package httpd

import "bytes"

// plainReply is sent to a client that speaks plain HTTP on a TLS listener. It is HTTP/1.0, which every client
// understands.
const plainReply = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks HTTPS: the request was sent without TLS.\n"

// toPlain returns the reply to a client that starts with first instead of a TLS handshake. It returns nil unless first
// looks like the start of a request.
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
