// Tour starts servers on free ports, drives them with clients, and prints what happened.
//
//	go run ./docs/examples/tour       # stays up until Ctrl-C, for you to try the servers
//	go run ./docs/examples/tour -once # runs through and exits
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

func main() {
	once := flag.Bool("once", false, "run through and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *once); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stops lists the parts of the tour in order.
var stops = []struct {
	title string
	visit func(ctx context.Context, t *tour) error
}{
	{"Echo: pipeline.Connect(ctx, c.In, c.Out)", visitEcho},
	{"Typed values: codec.Frame(c, protocol)", visitIncrement},
	{"Channels and select: <-a.In.C(ctx), <-b.In.C(ctx)", visitTelephone},
	{"A cancelled Recv has taken nothing", visitPatience},
	{"Graceful shutdown: ln.Shutdown(ctx)", visitShutdown},
	{"A panic ends its own connection", visitPanic},
	{"HTTP and WebSocket: httpd.New(handler, nil), httpd.WebSocket(visit, nil)", visitPage},
}

// tour is one run.
type tour struct {
	out   io.Writer
	group *errgroup.Group // the servers
	up    []string        // their names and addresses
}

// run visits all stops. Then it waits until ctx ends, unless once is set. It returns when the servers have ended.
func run(ctx context.Context, out io.Writer, once bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	t := &tour{out: &sharedWriter{w: out}, group: group}
	group.Go(func() error {
		defer cancel()
		for i, stop := range stops {
			t.printf("%d. %s\n", i+1, stop.title)
			if err := stop.visit(ctx, t); err != nil {
				return fmt.Errorf("stop %d: %w", i+1, err)
			}
			t.printf("\n")
		}
		if !once {
			t.stay(ctx)
		}
		return nil
	})
	return group.Wait()
}

// stay waits until ctx ends.
func (t *tour) stay(ctx context.Context) {
	t.printf("The servers are still up:\n")
	for _, line := range t.up {
		t.printf("   %s\n", line)
	}
	t.printf("Ctrl-C ends the tour.\n")
	<-ctx.Done()
}

// serve starts a server that runs until the tour ends, and returns its address.
func (t *tour) serve(ctx context.Context, name string, handle func(context.Context, *chanio.Conn) error) (addr string, err error) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return "", err
	}
	t.announce(name, ln)
	t.group.Go(func() error { return ln.Serve(ctx, handle) })
	return ln.Addr().String(), nil
}

// announce prints that a server is up, and remembers that for stay.
func (t *tour) announce(name string, ln *servers.Listener) {
	t.say("server", "%v", ln)
	t.up = append(t.up, fmt.Sprintf("%-10s nc 127.0.0.1 %d", name, ln.Addr().(*net.TCPAddr).Port))
}

// say prints what a participant did.
func (t *tour) say(who, format string, args ...any) {
	t.printf("   %-8s"+format+"\n", append([]any{who}, args...)...)
}

func (t *tour) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// sharedWriter is shared by the tour and the logs of its servers.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
