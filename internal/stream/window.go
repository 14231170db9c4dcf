package stream

import (
	"context"

	"github.com/weir-go/weir/internal/deadline"
)

// Window is a [ByteSource], and the hooks of a Source of chunks, over anything that can be read. It borrows its memory
// at the first read and returns it at the end.
type Window struct {
	// Once reads once: at least one byte, unless there is an error. It sets Err if the error does not concern only the
	// call.
	Once func(ctx context.Context, p []byte) (int, error)

	// Err is the error after the buffered bytes, or nil.
	Err error

	buf Buffer
}

// Next returns buffered bytes as a chunk that the caller owns, or else the result of the next read.
func (w *Window) Next(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, deadline.Cause(ctx)
	}
	if w.buf.Len() == 0 {
		if err := w.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	return w.take(), nil
}

// TryNext returns what Next would return without reading.
func (w *Window) TryNext() (chunk []byte, ok bool, err error) {
	if w.buf.Len() == 0 {
		return nil, false, w.Err
	}
	return w.take(), true, nil
}

func (w *Window) take() []byte {
	chunk := w.buf.Clone(w.buf.Bytes())
	w.buf.Discard(len(chunk))
	return chunk
}

// Buffered returns the bytes that have arrived and were not discarded.
func (w *Window) Buffered() []byte { return w.buf.Bytes() }

// Clone returns a copy of p that the caller owns.
func (w *Window) Clone(p []byte) []byte { return w.buf.Clone(p) }

// Discard drops the first n of the buffered bytes.
func (w *Window) Discard(n int) { w.buf.Discard(n) }

// Fill reads once more into the buffer.
func (w *Window) Fill(ctx context.Context, n int) error {
	if w.Err != nil {
		return w.ended()
	}
	m, err := w.Once(ctx, w.buf.Space(n))
	w.buf.Add(m)
	return err
}

// Read moves bytes into p: buffered ones, or else those of the next read.
func (w *Window) Read(ctx context.Context, p []byte) (int, error) {
	switch {
	case w.buf.Len() > 0:
		n := copy(p, w.buf.Bytes())
		w.buf.Discard(n)
		return n, nil
	case len(p) == 0:
		return 0, nil
	case w.Err != nil:
		return 0, w.ended()
	}
	return w.Once(ctx, p)
}

// ended returns Err. It releases the memory if nothing is left in it.
func (w *Window) ended() error {
	if w.buf.Len() == 0 {
		w.buf.Release()
	}
	return w.Err
}

var _ ByteSource = (*Window)(nil)
