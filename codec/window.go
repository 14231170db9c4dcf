package codec

import (
	"context"
	"io"
	"slices"

	"github.com/weir-go/weir/chanio"
)

// window is a ByteSource that gathers bytes in a buffer of its own, for streams that cannot lend theirs.
type window struct {
	buf   []byte // buf[r:] are unread
	r     int
	err   error // what comes after them
	pull  func(ctx context.Context, dst []byte, n int) ([]byte, error)
	arena arena
	below chanio.ByteSource // what to go on with when the buffer is empty, if that can lend
}

// ofChunks gathers the chunks of a Source.
func ofChunks(up chanio.Upstream[[]byte]) *window {
	return &window{pull: func(ctx context.Context, dst []byte, _ int) ([]byte, error) {
		chunk, err := up.Next(ctx)
		if len(dst) == 0 {
			return chunk, err // it is ours
		}
		return append(dst, chunk...), err
	}}
}

// ofReader gathers what an io.Reader returns.
func ofReader(src io.Reader) *window {
	return &window{pull: func(ctx context.Context, dst []byte, n int) ([]byte, error) {
		if ctx.Err() != nil {
			return dst, context.Cause(ctx)
		}
		dst = slices.Grow(dst, min(max(n-len(dst), readerMin), max(len(dst), readerMin)))
		m, err := src.Read(dst[len(dst):cap(dst)])
		return dst[:len(dst)+m], err
	}}
}

// readerMin is the least room that an io.Reader is offered.
const readerMin = 4 << 10

// pushBack is src with p in front of it.
func pushBack(p []byte, src chanio.ByteSource) *window {
	return &window{buf: p, below: src, pull: func(ctx context.Context, dst []byte, n int) ([]byte, error) {
		if len(src.Buffered()) == 0 {
			if err := src.Fill(ctx, n-len(dst)); err != nil {
				return dst, err
			}
		}
		chunk := src.Buffered()
		dst = append(dst, chunk...)
		src.Discard(len(chunk))
		return dst, nil
	}}
}

func (w *window) Buffered() []byte { return w.buf[w.r:] }

func (w *window) Discard(n int) {
	if w.r += n; w.r == len(w.buf) {
		w.buf, w.r = w.buf[:0], 0
	}
}

// Fill moves bytes to the front only when that is no more than what was read since the last time, so that the cost of
// all moves is linear.
func (w *window) Fill(ctx context.Context, n int) error {
	if w.err != nil {
		return w.err
	}
	if w.r > len(w.buf)/2 {
		w.buf = w.buf[:copy(w.buf, w.buf[w.r:])]
		w.r = 0
	}
	for before := len(w.buf); len(w.buf) == before; {
		buf, err := w.pull(ctx, w.buf, w.r+n)
		w.buf = buf
		if err != nil && ctx.Err() == nil {
			w.err = err
		}
		if err != nil && len(buf) == before {
			return err
		}
	}
	return nil
}

func (w *window) Read(ctx context.Context, p []byte) (int, error) {
	if w.r == len(w.buf) && len(p) > 0 {
		if err := w.Fill(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.buf[w.r:])
	w.Discard(n)
	return n, nil
}

func (w *window) Clone(p []byte) []byte { return w.arena.Clone(p) }
