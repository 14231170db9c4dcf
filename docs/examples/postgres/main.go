// Postgres is a client of a real PostgreSQL server. It logs in, with a clear-text password if the server asks for one,
// and runs simple queries. Its codecs are in protocol.go.
//
//	go run ./docs/examples/postgres -addr localhost:5432 -user postgres -password secret
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func main() {
	addr := flag.String("addr", "localhost:5432", "`host:port` of a server")
	user := flag.String("user", "postgres", "`name` of the user, and of the database")
	password := flag.String("password", "", "if the server asks for one in clear text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *user, *password, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the example.
func run(ctx context.Context, addr, user, password string, out io.Writer) error {
	s, err := login(ctx, addr, user, password)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, sql := range []string{
		"CREATE TEMPORARY TABLE pets (name text, age int)",
		"INSERT INTO pets VALUES ('Rex', 7), ('Mia', NULL), ('', 0)",
		"SELECT name, age FROM pets ORDER BY name; SELECT 1 AS one WHERE false",
		"",
	} {
		if err := s.query(ctx, sql, out); err != nil {
			return err
		}
	}
	var failure Failure
	if err := s.query(ctx, "SELECT 1/0", out); !errors.As(err, &failure) {
		return fmt.Errorf("a division by zero gives %w", err)
	}
	fmt.Fprintln(out, failure)
	if err := s.query(ctx, "SELECT 'still here'", out); err != nil {
		return err
	}
	return s.Out.Send(ctx, Terminate{})
}

// session is a connection to a server.
type session struct {
	*chanio.Duplex[Message, Message]
}

// login connects and waits until the server is ready.
func login(ctx context.Context, addr, user, password string) (*session, error) {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	s := &session{codec.FrameBoth(conn, backend, frontend)}
	if err = codec.Send(ctx, conn.Out, startup, Startup{{First: "user", Second: user}}); err == nil {
		err = s.ready(ctx, password)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// ready answers the server until it is ready for queries.
func (s *session) ready(ctx context.Context, password string) error {
	for {
		m, err := s.In.Recv(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case Authentication:
			switch m.Kind {
			case 0:
			case 3:
				err = s.Out.Send(ctx, Password(password))
			default:
				err = fmt.Errorf("the server wants authentication of kind %d", m.Kind)
			}
		case Failure:
			err = m
		case ReadyForQuery:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// query prints the rows of all statements. If one fails it returns the Failure; the session stays usable.
func (s *session) query(ctx context.Context, sql string, out io.Writer) error {
	if err := s.Out.Send(ctx, Query(sql)); err != nil {
		return err
	}
	var failure error
	for {
		m, err := s.In.Recv(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case RowDescription:
			for _, c := range m {
				fmt.Fprintf(out, "%s\t", c.Name)
			}
			fmt.Fprintln(out)
		case DataRow:
			for _, v := range m {
				if v == nil {
					fmt.Fprint(out, "NULL\t")
				} else {
					fmt.Fprintf(out, "%q\t", *v)
				}
			}
			fmt.Fprintln(out)
		case CommandComplete:
			fmt.Fprintln(out, m)
		case EmptyQuery:
			fmt.Fprintln(out, "nothing to do")
		case Failure:
			failure = m
		case ReadyForQuery:
			return failure
		}
	}
}
