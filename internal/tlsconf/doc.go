// Package tlsconf converts the TLS configurations of servers and clients to those of crypto/tls, with safe defaults:
// TLS 1.2 or later, the suites and curves of the standard library, and verification of the peer.
package tlsconf
