package clients_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/weir-go/weir/clients"
)

func ExampleHTTPProxy() {
	proxy := &clients.HTTPProxy{Addr: "proxy.example:3128", User: "me", Password: "secret"}
	conn, err := clients.DialTCP(context.Background(), "db.example:5432", &clients.Config{Proxy: proxy})
	if refusal := (*clients.ProxyError)(nil); errors.As(err, &refusal) {
		log.Fatalf("the proxy answers %d: %v", refusal.Code, refusal.Header)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

func ExampleSOCKS5() {
	proxy := &clients.SOCKS5{Addr: "localhost:9050"} // names are resolved by the proxy
	conn, err := clients.DialTCP(context.Background(), "example.org:80", &clients.Config{Proxy: proxy})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

func ExampleEnvironmentProxy() {
	proxy, err := clients.EnvironmentProxy() // HTTPS_PROXY, ALL_PROXY, NO_PROXY
	if err != nil {
		log.Fatal(err)
	}
	conn, err := clients.DialTCP(context.Background(), "example.org:443", &clients.Config{Proxy: proxy})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}

func ExampleParseProxy() {
	for _, text := range []string{
		"proxy.example:3128", "https://me:secret@proxy.example", "socks5://localhost", "ftp://proxy.example",
	} {
		proxy, err := clients.ParseProxy(text)
		switch p := proxy.(type) {
		case *clients.HTTPProxy:
			fmt.Println("HTTP", p.Addr, p.User, p.TLS != nil)
		case *clients.SOCKS5:
			fmt.Println("SOCKS", p.Addr)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// HTTP proxy.example:3128  false
	// HTTP proxy.example:443 me true
	// SOCKS localhost:1080
	// clients: the proxy "ftp://proxy.example" has a scheme that is not known: it may be http, https, socks5, socks5h, socks4 or socks4a
}

func ExampleProxyChain() {
	bastion := &clients.SOCKS5{Addr: "bastion.example:1080"}
	inner := &clients.HTTPProxy{Addr: "10.0.0.1:3128"} // only the bastion reaches it
	conn, err := clients.DialTCP(context.Background(), "db.internal:5432", &clients.Config{
		Proxy: clients.ProxyChain{bastion, inner},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
