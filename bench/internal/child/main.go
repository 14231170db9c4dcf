package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// Server executes the operations of a role in a child.
type Server interface {
	// Handle executes op and returns the result for the parent.
	Handle(op string, args json.RawMessage) (any, error)

	// Close ends what the role started and waits for it.
	Close() error
}

// Role starts a Server with the args of [Start].
type Role func(args json.RawMessage) (Server, error)

// Main runs the role of this process and does not return, if the process is a child. Otherwise it returns at once. It
// must be the first call of a main function or TestMain. A child ignores Ctrl-C, which the parent handles.
func Main(roles map[string]Role) {
	name := os.Getenv(roleVar)
	if name == "" {
		return
	}
	signal.Ignore(os.Interrupt) // a terminal sends it to all processes of the group
	role := roles[name]
	if role == nil {
		fmt.Fprintf(os.Stderr, "child: no role %q\n", name)
		os.Exit(2)
	}
	if err := run(role, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run answers requests until the input ends.
func run(role Role, in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var first request
	if err := dec.Decode(&first); err != nil {
		return err
	}
	server, err := role(first.Args)
	if err := enc.Encode(replyOf(nil, err)); err != nil {
		return err
	}
	if err != nil {
		return nil // the reply reports it
	}
	for {
		var req request
		if err := dec.Decode(&req); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, server.Close())
		}
		if err := enc.Encode(replyOf(server.Handle(req.Op, req.Args))); err != nil {
			return errors.Join(err, server.Close())
		}
	}
}

func replyOf(result any, err error) reply {
	if err != nil {
		return reply{Error: err.Error()}
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Result: raw}
}
