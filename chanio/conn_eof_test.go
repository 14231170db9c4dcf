package chanio_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// failing is a net.Conn whose calls fail.
type failing struct {
	net.Conn
	fail func() error
}

func (f failing) Read([]byte) (int, error)  { return 0, f.fail() }
func (f failing) Write([]byte) (int, error) { return 0, f.fail() }

// Only io.EOF itself, from a Read, is the end of a stream.
func TestG1AnErrorOfANetConnThatMatchesEOFIsNoCleanEnd(t *testing.T) {
	forged := errors.New("forged")
	for name, fail := range map[string]func() error{
		"wrapped":  func() error { return fmt.Errorf("%w: %w", forged, io.EOF) },
		"joined":   func() error { return errors.Join(io.EOF, forged) },
		"op error": func() error { return &net.OpError{Op: "read", Err: errors.Join(io.EOF, forged)} },
	} {
		t.Run(name, func(t *testing.T) {
			nc, _ := net.Pipe()
			c := chanio.NewConn(failing{nc, fail}, nil)
			_, err := c.In.Recv(t.Context())
			for _, err := range []error{err, c.In.Err(), c.Cause()} {
				require.ErrorIs(t, err, forged)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NotErrorIs(t, err, io.EOF)
			}
			c.Abort(nil)
		})
	}
	for name, fail := range map[string]func() error{
		"bare":    func() error { return io.EOF },
		"wrapped": func() error { return fmt.Errorf("write: %w", io.EOF) },
	} {
		t.Run("write, "+name, func(t *testing.T) {
			nc, _ := net.Pipe()
			c := chanio.NewConn(failing{nc, fail}, nil)
			require.NoError(t, c.Out.Send(t.Context(), []byte("a")))
			for _, err := range []error{c.Out.Flush(t.Context()), c.Out.Err(), c.Out.Close()} {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NotErrorIs(t, err, io.EOF)
			}
			c.Abort(nil)
		})
	}
}
