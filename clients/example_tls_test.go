package clients_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log"

	"github.com/weir-go/weir/clients"
)

func ExampleDialTLS() {
	secure := &clients.TLSConfig{ALPN: []string{"http/1.1"}}
	conn, err := clients.DialTLS(context.Background(), "example.org:443", secure, nil)
	if wrong := (x509.HostnameError{}); errors.As(err, &wrong) {
		log.Fatalf("the certificate is for %v", wrong.Certificate.DNSNames)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.TLS().NegotiatedProtocol)
}

func ExampleUpgradeTLS() {
	ctx := context.Background()
	conn, err := clients.DialTCP(ctx, "mail.example.org:25", nil)
	if err != nil {
		log.Fatal(err)
	}
	// ... EHLO, STARTTLS, "220 go ahead" ...
	conn, err = clients.UpgradeTLS(ctx, conn, "mail.example.org", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
