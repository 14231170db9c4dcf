package tlsconf

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// reloadInterval is how often the files are looked at, at most.
const reloadInterval = time.Second

// reloader is a certificate in two files that may be replaced while the server runs.
type reloader struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	cert    *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

func newReloader(certFile, keyFile string, log *slog.Logger) (*reloader, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("CertFile and KeyFile go together: one of them is empty")
	}
	r := &reloader{certFile: certFile, keyFile: keyFile, log: log, checked: time.Now()}
	stamps, err := r.look()
	if err != nil {
		return nil, err
	}
	if r.cert, err = r.load(); err != nil {
		return nil, err
	}
	r.stamp = stamps
	return r, nil
}

// certificate returns the certificate in the files, or the last one that could be read.
func (r *reloader) certificate() *tls.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.checked) >= reloadInterval {
		r.checked = now
		r.refresh()
	}
	return r.cert
}

func (r *reloader) refresh() {
	stamps, err := r.look()
	if err == nil && stamps == r.stamp {
		return
	}
	var cert *tls.Certificate
	if err == nil {
		cert, err = r.load()
	}
	if err != nil {
		if r.log != nil {
			r.log.Warn("tls: cannot reload the certificate, the old one stays", "err", err)
		}
		return
	}
	r.cert, r.stamp = cert, stamps
}

func (r *reloader) look() (stamps [2]stamp, err error) {
	for i, name := range []string{r.certFile, r.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamps, unreadable("certificate", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

func (r *reloader) load() (*tls.Certificate, error) {
	cert, err := loadPair(r.certFile, r.keyFile)
	if err == nil {
		warnOfDates(r.log, cert)
	}
	return cert, err
}
