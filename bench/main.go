// Command bench runs the benchmark suite of weir beside hand-written loops and its peers:
//
//	go run ./bench            the short suite, within five minutes
//	go run ./bench -quick     a first impression, within one minute
//	go run ./bench -full      more rounds, more sizes, more connections
//	go run ./bench -run raw   only the groups whose name matches
//
//	go run ./bench load URL             the load generator, against any echo server
//	go run ./bench compare OLD NEW      two reports side by side
//
// Every server and the load generator have their own processes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/suite"
)

func main() {
	child.Main(suite.Roles())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "load":
		return runLoad(ctx, args[1:], stdout, stderr)
	case "compare":
		return runCompare(args[1:], stdout, stderr)
	}
	return runSuite(ctx, args, stdout, stderr)
}
