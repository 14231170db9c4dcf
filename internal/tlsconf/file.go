package tlsconf

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// unreadable wraps the error of reading a file, with a suggested remedy for common mistakes.
func unreadable(what string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: is that the path? A relative one begins where the program was started", what, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: the user that the program runs as must be allowed to read it", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// loadPair reads a certificate and its key, each in PEM or DER.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("CertFile and KeyFile go together: one of them is empty")
	}
	cert, err := pairOf(certFile, keyFile)
	if err != nil {
		return nil, unreadable(fmt.Sprintf("certificate in %s with the key in %s", certFile, keyFile), err)
	}
	return &cert, nil
}

func pairOf(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := certsIn(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	if !isPEM(key) {
		key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	}
	return tls.X509KeyPair(cert, key)
}

var pemBegin = []byte("-----BEGIN")

func isPEM(p []byte) bool { return bytes.Contains(p, pemBegin) }

// isWhole reports whether each block that begins in p can be decoded. Package crypto/tls skips the others, such as the
// last one in a file that is being written.
func isWhole(p []byte) bool {
	blocks := bytes.Count(p, append([]byte("\n"), pemBegin...))
	if bytes.HasPrefix(p, pemBegin) {
		blocks++
	}
	for {
		block, rest := pem.Decode(p)
		if block == nil {
			return blocks <= 0
		}
		p, blocks = rest, blocks-1
	}
}

// certsIn returns the certificates in a file, in PEM.
func certsIn(file string) ([]byte, error) {
	p, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !isWhole(p) {
		return nil, fmt.Errorf("a PEM block in %s is damaged or cut off", file)
	}
	return certsInPEM(p), nil
}

// certsInPEM converts certificates in DER, one after the other, to PEM. It returns anything else unchanged.
func certsInPEM(p []byte) []byte {
	if isPEM(p) {
		return p
	}
	certs, err := x509.ParseCertificates(p)
	if err != nil {
		return p
	}
	var all []byte
	for _, c := range certs {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return all
}

// loadPool reads authorities, in PEM or DER.
func loadPool(file string) (*x509.CertPool, error) {
	certs, err := certsIn(file)
	if err != nil {
		return nil, unreadable("authorities", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certs) {
		return nil, fmt.Errorf("authorities: there is no certificate in %s", file)
	}
	return pool, nil
}
