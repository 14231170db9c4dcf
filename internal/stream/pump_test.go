package stream_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/stream"
)

// trickle is a net.Conn whose Write takes at most n bytes, without an error.
type trickle struct {
	halfClosing
	n int
}

func (c trickle) Write(p []byte) (int, error) {
	if c.n == 0 {
		return 0, nil
	}
	return c.halfClosing.Write(p[:min(len(p), c.n)])
}

func TestANetConnThatTakesALittleAtATimeLosesNothing(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(trickle{halfClosing{hidden{p}}, 1000}, config(nil))
	y := stream.New(q, config(nil))
	large := data(300 << 10)
	ctx, cancel := context.WithTimeout(bg, time.Millisecond)
	defer cancel()
	sent := make(chan error, 1)
	var accepted []byte
	go func() {
		for _, v := range [][]byte{[]byte("small"), large, []byte("small"), large} {
			if err := x.Out.Send(ctx, v); err == nil {
				accepted = append(accepted, v...)
			}
		}
		sent <- x.Out.Close()
	}()
	got, err := readAll(y)
	require.NoError(t, err)
	require.NoError(t, <-sent)
	require.True(t, bytes.Equal(accepted, got), "%d of %d bytes", len(got), len(accepted))
	require.Equal(t, int64(len(got)), x.BytesOut())
	require.NoError(t, y.Close())
	require.NoError(t, x.Close())
}

func TestANetConnThatTakesNothingWithoutAnErrorEndsOut(t *testing.T) {
	p, _ := tcpPair(t)
	x := stream.New(trickle{halfClosing{hidden{p}}, 0}, config(nil))
	err := x.Out.Send(bg, []byte("x"))
	if err == nil {
		err = x.Out.Flush(bg)
	}
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, x.Out.Ending().Err(), io.ErrShortWrite)
	require.ErrorIs(t, x.Close(), io.ErrShortWrite)
	require.Zero(t, x.BytesOut())
}
