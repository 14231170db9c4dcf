// Dnsmap connects to a host, sends one line, and prints the answer. It looks the host up in a table, and asks DNS
// servers of your choice for names that are not there.
//
//	go run ./docs/examples/echo -addr :7000
//	go run ./docs/examples/dnsmap -map '*.test=127.0.0.1' -server 1.1.1.1 echo.test:7000 hello
//	go run ./docs/examples/dnsmap -map '*.test=127.0.0.1' -server 1.1.1.1 example.org:80 'HEAD / HTTP/1.0'
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	table := map[string][]string{}
	flag.Func("map", "`name=address,address...` of a host, or of *.domain; may be repeated", func(entry string) error {
		return add(table, entry)
	})
	servers := flag.String("server", "1.1.1.1", "ask these DNS `servers`, separated by commas, for all other names")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: dnsmap [flags] host:port line")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	resolver, err := mapElse(table, strings.Split(*servers, ","))
	if err == nil {
		err = talk(ctx, resolver, flag.Arg(0), flag.Arg(1), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// add adds an entry such as "db.test=10.0.0.1,10.0.0.2" to the table.
func add(table map[string][]string, entry string) error {
	name, addrs, ok := strings.Cut(entry, "=")
	if !ok {
		return fmt.Errorf("%q is not of the form name=address", entry)
	}
	table[name] = append(table[name], strings.Split(addrs, ",")...)
	return nil
}

// mapElse resolves the names in table, and asks servers for others. It caches answers for their TTL and uses the
// addresses of a host in turn.
func mapElse(table map[string][]string, servers []string) (clients.Resolver, error) {
	static, err := clients.NewStaticResolver(table)
	if err != nil {
		return nil, err
	}
	dns, err := clients.NewDNSResolver(&clients.DNSConfig{Servers: servers})
	if err != nil {
		return nil, err
	}
	return clients.RoundRobin(clients.FirstOf(static, dns)), nil
}

// talk sends line and an empty line to addr, half-closes, and copies the answer to out.
func talk(ctx context.Context, r clients.Resolver, addr, line string, out io.Writer) error {
	conn, err := clients.DialTCP(ctx, addr, &clients.Config{Resolver: r})
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(out, addr, "is", conn.RemoteAddr())
	if err := conn.Out.Send(ctx, []byte(line+"\r\n\r\n")); err != nil {
		return err
	}
	if err := conn.Out.Close(); err != nil {
		return err
	}
	return pipeline.Connect(ctx, conn.In, chanio.ToWriter(out))
}
