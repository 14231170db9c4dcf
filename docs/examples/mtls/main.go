// Mtls shows mutual TLS: the server accepts only clients whose certificate its authority has signed, and reads their
// name from it.
//
//	go run ./docs/examples/mtls
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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

// party is a certificate and the authority that signed it.
type party struct {
	cert      tls.Certificate
	authority *x509.CertPool
}

func newParty(name string) (p party, err error) {
	p.cert, p.authority, err = servers.SelfSigned(name)
	return p, err
}

// run starts a server that trusts alice's authority, and connects as alice, as mallory, and without a certificate.
func run(ctx context.Context, out io.Writer) error {
	server, err1 := newParty("127.0.0.1")
	alice, err2 := newParty("alice")
	mallory, err3 := newParty("mallory")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{
		Certificates: []tls.Certificate{server.cert},
		ClientCAs:    alice.authority, // the trusted authority; it makes a certificate mandatory
	}, nil)
	if err != nil {
		return err
	}
	visit := func(ctx context.Context) error {
		visits := []struct {
			who   string
			certs []tls.Certificate
		}{{"alice", []tls.Certificate{alice.cert}}, {"mallory", []tls.Certificate{mallory.cert}}, {"nobody", nil}}
		for _, v := range visits {
			fmt.Fprintf(out, "%s: %s\n", v.who, ask(ctx, ln.Addr().String(), &clients.TLSConfig{
				RootCAs: server.authority, Certificates: v.certs,
			}))
		}
		return nil
	}
	return chanio.Race(ctx, func(ctx context.Context) error { return ln.Serve(ctx, greet) }, visit)
}

// greet serves one connection. The peer's certificate has been verified before it is called.
func greet(ctx context.Context, c *chanio.Conn) error {
	peer := c.TLS().VerifiedChains[0][0]
	return c.Out.Send(ctx, []byte("welcome "+peer.Subject.CommonName))
}

// ask returns the server's message to a client. In TLS 1.3 a client finishes its handshake before the server has seen
// its certificate, so the first Recv reports a refusal.
func ask(ctx context.Context, addr string, secure *clients.TLSConfig) string {
	conn, err := clients.DialTLS(ctx, addr, secure, nil)
	if err != nil {
		return "refused"
	}
	defer conn.Close()
	said, err := conn.In.Recv(ctx)
	if err != nil {
		return "refused"
	}
	return string(said)
}
