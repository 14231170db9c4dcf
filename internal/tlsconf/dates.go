package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"
)

// dates logs when clients refuse a certificate because of its dates. A server may serve it nevertheless: some clients do
// not check, and this machine's clock may be wrong.
type dates struct {
	leaf *x509.Certificate // nil if there is nothing to log
	log  *slog.Logger

	mu   sync.Mutex
	said validity // the state logged last
}

// validity is the state of a certificate at some time.
type validity int

const (
	valid validity = iota
	early
	expired
)

// datesOf returns the dates of cert and logs them if clients will refuse it. log may be nil.
func datesOf(log *slog.Logger, cert *tls.Certificate) *dates {
	d := &dates{log: log}
	if log == nil || len(cert.Certificate) == 0 {
		return d
	}
	if d.leaf = cert.Leaf; d.leaf == nil {
		d.leaf, _ = x509.ParseCertificate(cert.Certificate[0]) // handshakes report an error
	}
	d.check()
	return d
}

// check logs that the certificate is not valid now, once for each reason. A certificate may expire while the server
// runs.
func (d *dates) check() {
	switch d.news() {
	case expired:
		d.log.Warn("tls: the certificate has expired, and clients will refuse it: renew it",
			"names", d.leaf.DNSNames, "expired", d.leaf.NotAfter)
	case early:
		d.log.Warn("tls: the certificate is not valid yet, and clients will refuse it: is the clock right?",
			"names", d.leaf.DNSNames, "from", d.leaf.NotBefore)
	}
}

// news returns the state of the certificate if that has to be logged, and valid otherwise.
func (d *dates) news() validity {
	if d.leaf == nil {
		return valid
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := validityAt(time.Now(), d.leaf)
	if now == valid || now == d.said {
		return valid
	}
	d.said = now
	return now
}

func validityAt(now time.Time, leaf *x509.Certificate) validity {
	switch {
	case now.After(leaf.NotAfter):
		return expired
	case now.Before(leaf.NotBefore):
		return early
	}
	return valid
}
