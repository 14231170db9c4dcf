package websocket

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"
)

// Version is the version of the protocol; RFC 6455, 4.1.
const Version = "13"

// NewKey returns a Sec-WebSocket-Key for a handshake; RFC 6455, 4.1.
func NewKey() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// ValidKey reports whether key is a valid Sec-WebSocket-Key: 16 bytes in Base64.
func ValidKey(key string) bool {
	p, err := base64.StdEncoding.Strict().DecodeString(key)
	return err == nil && len(p) == 16
}

// AcceptKey returns the Sec-WebSocket-Accept for key; RFC 6455, 4.2.2.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ChooseSubprotocol returns the first of the server's subprotocols among the Sec-WebSocket-Protocol values offered by a
// client, or "".
func ChooseSubprotocol(server, offered []string) string {
	for _, name := range server {
		if slices.Contains(Tokens(offered), name) {
			return name
		}
	}
	return ""
}

// Tokens returns the elements of list-valued fields, such as Sec-WebSocket-Protocol.
func Tokens(values []string) (tokens []string) {
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.Trim(token, " \t"); token != "" {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}
