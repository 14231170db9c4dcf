package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/socket"
)

// explain wraps err, and adds a suggested remedy for common mistakes. The result does not match io.EOF: a peer that has
// closed the connection during a dial is no end of a stream.
func explain(err error) error {
	err = eof.Unexpected(err)
	if h := hint(err); h != "" {
		return fmt.Errorf("clients: %w; %s", err, h)
	}
	var proxy *ProxyError
	if errors.As(err, &proxy) {
		return fmt.Errorf("clients: %w", err) // the error has a hint of its own
	}
	return socket.Explain("clients", err)
}

// hint returns a suggested remedy for an error of a lookup or a TLS handshake, or "".
func hint(err error) string {
	var (
		dns       *net.DNSError
		wrongHost x509.HostnameError
		unknown   x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		notTLS    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "" // cancelled by the caller
	case socket.IsUnknownService(err):
		return "" // socket adds the hint
	case errors.As(err, &dns) && dns.IsNotFound:
		return "is the name right? Names that are not in DNS go into /etc/hosts, or a StaticResolver before the others"
	case errors.As(err, &dns) && dns.Server != "":
		return "is that a name server, and is there a way to it?"
	case errors.As(err, &wrongHost):
		return "dial one of the names that its certificate has, or set TLSConfig.ServerName to one of them"
	case errors.As(err, &unknown):
		return "if you trust who signed the certificate, add that authority to the roots of the TLS configuration"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server needs a new certificate, or the clock of this machine is wrong"
	case isRemote(err):
		return "so says the server: does it know TLSConfig.ServerName, and accept this client's certificate, versions and ALPN?"
	case errors.As(err, &notTLS):
		return "what answers there does not speak TLS: is this the port for it?"
	}
	return ""
}

// isRemote reports whether err is an alert sent by the peer.
func isRemote(err error) bool {
	for op := (*net.OpError)(nil); errors.As(err, &op); err = op.Err {
		if op.Op == "remote error" {
			return true
		}
	}
	return false
}
