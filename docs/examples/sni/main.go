// Sni shows a server with several host names at one address: each name has its own certificate.
//
//	go run ./docs/examples/sni
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts the server and connects with several names, and with none.
func run(ctx context.Context, out io.Writer) error {
	secure, roots, err := hosts()
	if err != nil {
		return err
	}
	ln, err := servers.ListenTLS("127.0.0.1:0", secure, nil)
	if err != nil {
		return err
	}
	ask := func(ctx context.Context) error {
		for _, name := range []string{"shop.test", "www.blog.test", "elsewhere.test", ""} {
			said, err := visit(ctx, ln.Addr().String(), name, roots)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%q: %s\n", name, said)
		}
		return nil
	}
	return chanio.Race(ctx, func(ctx context.Context) error { return ln.Serve(ctx, answer) }, ask)
}

// hosts returns the server's configuration: for shop.test, for all names below blog.test, and the default for all
// others. Each could request different client certificates, too.
func hosts() (*servers.TLSConfig, *x509.CertPool, error) {
	roots := x509.NewCertPool()
	certs := map[string][]tls.Certificate{}
	for _, name := range []string{"shop.test", "*.blog.test", "default.test"} {
		cert, _, err := servers.SelfSigned(name)
		if err != nil {
			return nil, nil, err
		}
		certs[name] = []tls.Certificate{cert}
		roots.AddCert(cert.Leaf)
	}
	return &servers.TLSConfig{
		Certificates: certs["default.test"],
		Hosts: map[string]*servers.TLSConfig{
			"shop.test":   {Certificates: certs["shop.test"]},
			"*.blog.test": {Certificates: certs["*.blog.test"]},
		},
	}, roots, nil
}

// answer sends the client the name that it asked for.
func answer(ctx context.Context, c *chanio.Conn) error {
	return c.Out.Send(ctx, []byte(fmt.Sprintf("you asked for %q", c.TLS().ServerName)))
}

// visit connects to addr with a name and returns the server's answer and the host of its certificate. For an unknown
// name the server presents the default certificate, so the client verifies that name and sends no SNI.
func visit(ctx context.Context, addr, name string, roots *x509.CertPool) (string, error) {
	secure := &clients.TLSConfig{RootCAs: roots, ServerName: name}
	if name == "" {
		secure.ServerName, secure.HideServerName = "default.test", true
	}
	conn, err := clients.DialTLS(ctx, addr, secure, nil)
	if err != nil {
		return err.Error(), nil
	}
	defer conn.Close()
	said, err := conn.In.Recv(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, I am %s", said, conn.TLS().PeerCertificates[0].Subject.CommonName), nil
}
