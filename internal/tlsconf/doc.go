// Package tlsconf turns the TLS configurations of servers and clients into those of crypto/tls, with defaults that are
// safe: TLS 1.2 or later, the suites and curves of the standard library, verification of the peer.
package tlsconf
