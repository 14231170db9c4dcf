// Dns is a DNS client and server over TCP with its own codec. It asks a name server for an address, or is a name
// server.
//
//	go run ./docs/examples/dns -ask 127.0.0.1:53 example.test.   # asks
//	go run ./docs/examples/dns -serve 127.0.0.1:5353             # serves until Ctrl-C; try
//	dig +tcp -p 5353 @127.0.0.1 weir.test
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/docs/examples/dns/message"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	server := flag.String("ask", "127.0.0.1:53", "ask the name server at `host:port` for the address of the argument")
	addr := flag.String("serve", "", "serve on `host:port` until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *addr != "" {
		err = serve(ctx, *addr, os.Stdout)
	} else {
		err = ask(ctx, *server, flag.Arg(0), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask prints the addresses of a name.
func ask(ctx context.Context, server, name string, out io.Writer) error {
	conn, err := clients.DialTCP(ctx, server, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	d := codec.Frame(conn, message.Framed)
	err = d.Out.Send(ctx, message.Message{
		ID: 1, Flags: message.Flags{Recurse: true},
		Questions: []message.Question{{Name: name, Type: message.TypeA, Class: message.ClassIN}},
	})
	if err != nil {
		return err
	}
	reply, err := d.In.Recv(ctx)
	if err != nil {
		return err
	}
	if reply.Flags.Code != 0 {
		return fmt.Errorf("%s: the server says code %d", name, reply.Flags.Code)
	}
	for _, r := range reply.Answers {
		if addr, ok := netip.AddrFromSlice(r.Data); ok && r.Type == message.TypeA {
			fmt.Fprintln(out, r.Name, addr)
		}
	}
	return nil
}

// zone holds the names that the server knows.
var zone = map[string]netip.Addr{
	"weir.test.": netip.MustParseAddr("192.0.2.7"), "www.weir.test.": netip.MustParseAddr("192.0.2.8"),
}

// serve answers queries. A client may send many without reading the answers.
func serve(ctx context.Context, addr string, out io.Writer) error {
	ln, err := servers.ListenTCP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln.Addr())
	return ln.Serve(ctx, func(ctx context.Context, conn *chanio.Conn) error {
		d := codec.Frame(conn, message.Framed)
		return pipeline.Connect(ctx, pipeline.Map(d.In, answer), d.Out)
	})
}

// answer returns the reply to a query.
func answer(query message.Message) message.Message {
	reply := message.Message{
		ID:        query.ID,
		Flags:     message.Flags{Response: true, Opcode: query.Flags.Opcode, Authority: true, Recurse: query.Flags.Recurse},
		Questions: query.Questions,
	}
	for _, q := range query.Questions {
		addr, known := zone[q.Name]
		switch {
		case !known:
			reply.Flags.Code = 3 // no such name
		case q.Type == message.TypeA && q.Class == message.ClassIN:
			reply.Answers = append(reply.Answers, message.A(q.Name, 60, addr))
		}
	}
	return reply
}
