package servers_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"

	"github.com/weir-go/weir/servers"
)

// A listener that the program has created itself, with its own options.
func ExampleListen() {
	nl, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := servers.Listen(nl, &servers.Config{MaxConns: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ln.Addr() == nl.Addr(), ln.Close())
	// Output:
	// true <nil>
}

func ExampleListen_tls() {
	nl, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nl.Close()
	_, err = servers.Listen(nl, &servers.Config{TLS: &servers.TLSConfig{CertFile: "cert.pem"}})
	fmt.Println(err)
	// Output:
	// servers: tls: CertFile and KeyFile go together: one of them is empty
}

// A socket that another process has opened, passed on as a file.
func ExampleListenFile() {
	nl, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	f, err := nl.File() // a duplicate
	if err != nil {
		log.Fatal(err)
	}
	ln, err := servers.ListenFile(f, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ln.Addr().String() == nl.Addr().String(), ln.Close(), nl.Close())
	// Output:
	// true <nil> <nil>
}

// A program that systemd may start for the first connection, and that can also be started by hand.
func ExampleInherited() {
	files, err := servers.Inherited()
	if err != nil {
		log.Fatal(err)
	}
	var ln *servers.Listener
	if len(files) > 0 {
		ln, err = servers.ListenFile(files[0], nil)
	} else {
		ln, err = servers.ListenTCP("localhost:0", nil)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	fmt.Println(len(files), ln.Addr().Network())
	// Output:
	// 0 tcp
}

// On SIGHUP the program is replaced by the current version of its file. It starts as in the example of Inherited.
func ExampleHandOver() {
	restart := func(ctx context.Context, ln *servers.Listener) error {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, os.Interrupt) // syscall.SIGHUP where available
		select {
		case <-hup:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		successor := exec.Command(os.Args[0], os.Args[1:]...)
		successor.Stdout, successor.Stderr = os.Stdout, os.Stderr
		if err := servers.HandOver(successor, ln); err != nil {
			return err // or continue serving
		}
		return ln.Shutdown(ctx)
	}
	_ = restart
}
