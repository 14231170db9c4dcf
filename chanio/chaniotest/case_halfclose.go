package chaniotest

import (
	"errors"
	"io"
	"net"

	"github.com/stretchr/testify/require"
)

func halfCloseCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G6-half-close", bothWays | halfClose, func(r *run[T]) { halfCloseBy(r, (*run[T]).closeOut) }},
		{"G6-closing-the-channel-is-a-half-close", bothWays | halfClose, func(r *run[T]) { halfCloseBy(r, (*run[T]).closeChannel) }},
		{"G6-no-half-close-says-so", bothWays | lacksHalf, noHalfClose[T]},
	}
}

// halfCloseBy half-closes near, and then far, which continues to send until then.
func halfCloseBy[T any](r *run[T], closeOut func(r *run[T], e *end[T])) {
	r.connect()
	sent := r.sending(r.near, upTo(0, few)...)
	require.Equal(r, upTo(0, few), r.take(r.far, few))
	require.NoError(r, sent.wait(r))
	closeOut(r, r.near)
	_, err := r.far.next(r.ctx)
	require.Equal(r, io.EOF, err)
	require.ErrorIs(r, r.near.Out.Send(r.ctx, r.s.make(0)), net.ErrClosed)

	sent = r.sending(r.far, upTo(0, many)...)
	require.Equal(r, upTo(0, many), r.take(r.near, many))
	require.NoError(r, sent.wait(r))
	closeOut(r, r.far)
	_, err = r.near.next(r.ctx)
	require.Equal(r, io.EOF, err)
	require.NoError(r, r.near.Close())
	require.NoError(r, r.far.Close())
}

func (r *run[T]) closeOut(e *end[T]) {
	require.NoError(r, e.Out.Close())
	require.NoError(r, e.Out.Err())
}

func (r *run[T]) closeChannel(e *end[T]) {
	close(e.Out.C(r.ctx))
	<-e.Out.Done()
}

func noHalfClose[T any](r *run[T]) {
	r.connect()
	require.ErrorIs(r, r.near.Out.Close(), errors.ErrUnsupported)
}
