// Proxy relays TCP connections to another address; on Linux the bytes do not enter the process. With a certificate it
// terminates TLS.
//
//	go run ./docs/examples/proxy -addr :7000 -to localhost:8080
//	go run ./docs/examples/proxy -addr :7443 -to localhost:8080 -cert cert.pem -key key.pem
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

// settings holds the flags.
type settings struct {
	addr, to  string
	cert, key string // files; "" means no TLS
	log       *slog.Logger
}

func main() {
	s := settings{log: slog.Default()}
	flag.StringVar(&s.addr, "addr", "localhost:7000", "listen on `host:port`")
	flag.StringVar(&s.to, "to", "localhost:8080", "pass connections on to `host:port`")
	flag.StringVar(&s.cert, "cert", "", "speak TLS with the certificate in this `file`")
	flag.StringVar(&s.key, "key", "", "and the private key in this `file`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run proxies until ctx ends.
func run(ctx context.Context, s settings, out io.Writer) error {
	ln, err := s.listen()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, func(ctx context.Context, client *chanio.Conn) error {
		server, err := clients.DialTCP(ctx, s.to, nil)
		if err != nil {
			client.Abort(err) // so that it does not look like an empty reply
			return err
		}
		defer server.Close()
		return chanio.Relay(ctx, client, server)
	})
}

func (s *settings) listen() (*servers.Listener, error) {
	cfg := &servers.Config{Logger: s.log}
	if s.cert == "" && s.key == "" {
		return servers.ListenTCP(s.addr, cfg)
	}
	return servers.ListenTLS(s.addr, &servers.TLSConfig{CertFile: s.cert, KeyFile: s.key}, cfg)
}
