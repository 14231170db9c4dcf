package stream_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// failing is a net.Conn that takes nothing.
type failing struct{ net.Conn }

func (failing) TryWrite([]byte) (int, error)    { return 0, errTest }
func (failing) WaitWrite(context.Context) error { return errTest }

// A call whose bytes are lost in the write that it makes returns the reason, whichever way they take.
func TestASendWhoseBytesAreLostFails(t *testing.T) {
	for name, send := range map[string]func(w *stream.Writer) error{
		"scratch": func(w *stream.Writer) error { return w.End(bg, append(w.Begin(), "lost"...), nil) },
		"body":    func(w *stream.Writer) error { return w.End(bg, nil, []byte("lost")) },
		"both":    func(w *stream.Writer) error { return w.End(bg, append(w.Begin(), "lo"...), []byte("st")) },
		"large":   func(w *stream.Writer) error { return w.End(bg, nil, data(100<<10)) },
		"TryEnd": func(w *stream.Writer) error {
			ok, err := w.TryEnd(append(w.Begin(), "lost"...), nil)
			require.False(t, ok)
			return err
		},
		"SendAll": func(w *stream.Writer) error {
			_, err := w.SendAll(bg, [][]byte{[]byte("lo"), []byte("st")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := memconn.Pipe(0)
			s := stream.New(failing{p}, config(nil))
			defer s.Abort(nil)
			err := send(&s.Out)
			require.ErrorIs(t, err, errTest)
			require.Equal(t, s.Out.Ending().Err(), err)
		})
	}
}
