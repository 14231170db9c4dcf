package main

import (
	"crypto/tls"
	"testing"
)

// Start runs the proxy in front of to, with TLS if there is a certificate, and returns its address.
func Start(t *testing.T, to, cert, key string) string {
	return start(t, settings{to: to, cert: cert, key: key})
}

// Certificate returns files with a certificate for the loopback address, and the pool that trusts it.
func Certificate(t *testing.T) (cert, key string, config *tls.Config) { return certificate(t) }
