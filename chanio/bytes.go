package chanio

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/weir-go/weir/internal/stream"
)

// ErrTooLarge is matched by every error about an exceeded limit, here and in package codec. The error that wraps it
// names the limit.
var ErrTooLarge = stream.ErrTooLarge

// BytesOf makes the caller the only consumer of src, as [Source.Claim] does, and returns its bytes: those of the
// endpoint below, or a view of its chunks. It is for protocol engines that parse bytes themselves.
func BytesOf(src *Source[[]byte]) ByteSource { return src.Claim("chanio.BytesOf").Bytes() }

// bytesOf returns the stream of bytes of a Source that the caller owns.
func bytesOf(s *Source[[]byte]) ByteSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extra
	if s.hooks.Bytes != nil && (x == nil || len(x.back) == 0 && (x.rest == nil || len(x.rest.buf) == 0)) {
		return s.hooks.Bytes
	}
	if x = s.extraLocked(); x.rest == nil {
		x.rest = &chunks{src: s}
	}
	if s.closed {
		x.rest.buf = nil // what came before it may have been dropped
	}
	if x.front > 0 && len(x.rest.buf) > 0 { // otherwise Fill takes them in their order
		x.rest.buf = slices.Concat(append(x.back[:x.front:x.front], x.rest.buf)...)
		x.back, x.front = x.back[x.front:], 0
	}
	s.aside.Store(true)
	return x.rest
}

// ReadAll receives all bytes of src and returns them as one slice, owned by the caller. If there are more than limit,
// it closes src and returns an error that matches [ErrTooLarge]; memory grows only as bytes arrive. If src fails,
// ReadAll returns the bytes received before the failure, and the failure. If ctx ends first, ReadAll puts the received
// bytes back into src and returns [Cause] of ctx.
func ReadAll(ctx context.Context, src *Source[[]byte], limit int) ([]byte, error) {
	if limit < 1 {
		panic(fmt.Sprintf("chanio: ReadAll: limit must be at least 1, got %d", limit))
	}
	up, err := src.Acquire(ctx, "chanio.ReadAll")
	if err != nil {
		return nil, err
	}
	returned := false
	defer up.releaseAfter(&returned)
	all, err := readAll(ctx, up, limit)
	returned = true
	return all, err
}

func readAll(ctx context.Context, up Upstream[[]byte], limit int) ([]byte, error) {
	in := up.Bytes()
	all := make([]byte, 0, min(limit, 512))
	for {
		if len(all) == cap(all) {
			all = append(all, 0)[:len(all)]
		}
		n, err := in.Read(ctx, all[len(all):cap(all)])
		all = all[:len(all)+n]
		if len(all) > limit {
			_ = up.Close() // the limit is what is reported
			return nil, fmt.Errorf("chanio: ReadAll: more than %d bytes: %w", limit, ErrTooLarge)
		}
		if err != nil {
			return readAllEnd(ctx, up, all, err)
		}
	}
}

func readAllEnd(ctx context.Context, up Upstream[[]byte], all []byte, err error) ([]byte, error) {
	err = up.Fail(ctx, err)
	switch {
	case err == io.EOF:
		return all, nil
	case !Resumable(ctx, err):
		return all, err
	case len(all) > 0:
		up.Unread(all)
	}
	return nil, err
}

// chunks is a ByteSource made of the chunks of a Source. It never appends to a chunk, because the memory after it
// may be in use elsewhere.
type chunks struct {
	src   *Source[[]byte]
	buf   []byte // received and not discarded
	own   []byte // the array that buf lies in, if it is one of ours
	arena stream.Arena
}

func (c *chunks) Buffered() []byte { return c.buf }

func (c *chunks) Fill(ctx context.Context, _ int) error {
	held := c.buf
	for {
		c.buf = nil // or the Source would return it as its next chunk
		chunk, err := c.src.pull(ctx)
		c.buf = held
		if err != nil {
			return err
		}
		if len(chunk) > 0 {
			c.add(chunk)
			return Cause(ctx) // if ctx ended meanwhile, the chunk is for a later call
		}
	}
}

func (c *chunks) TryFill() (ok bool, err error) {
	held := c.buf
	for {
		c.buf = nil // as in Fill
		chunk, ok, err := c.src.tryPull()
		c.buf = held
		if !ok {
			return false, err
		}
		if len(chunk) > 0 {
			c.add(chunk)
			return true, nil
		}
	}
}

// add puts chunk behind what is buffered.
func (c *chunks) add(chunk []byte) {
	if len(c.buf) == 0 {
		c.buf = chunk[:len(chunk):len(chunk)]
		return
	}
	size := len(c.buf) + len(chunk)
	if size > cap(c.own) {
		c.own = make([]byte, 0, max(2*size, 512))
	}
	joined := c.own[:size]
	copy(joined, c.buf) // also within own
	copy(joined[len(c.buf):], chunk)
	c.buf = joined
}

func (c *chunks) Discard(n int) { c.buf = c.buf[n:] }

func (c *chunks) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.buf) == 0 {
		if err := c.Fill(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf)
	c.Discard(n)
	return n, nil
}

func (c *chunks) Clone(p []byte) []byte { return c.arena.Clone(p) }

// take returns what is buffered as a chunk of its own.
func (c *chunks) take() []byte {
	chunk := append([]byte(nil), c.buf...)
	c.buf = nil
	return chunk
}

// BytesTo returns the ByteSink below a Sink of []byte, or an adapter that sends whole values.
func BytesTo(sink *Sink[[]byte]) ByteSink {
	if sink == nil {
		panic("chanio: BytesTo: the Sink is nil")
	}
	if sink.hooks.Bytes != nil {
		return sink.hooks.Bytes
	}
	return valueSink{sink}
}

// valueSink is a ByteSink over a Sink that takes whole values.
type valueSink struct{ sink *Sink[[]byte] }

func (s valueSink) Begin() []byte { return make([]byte, 0, 512) }

func (s valueSink) End(ctx context.Context, scratch, body []byte) error {
	if len(scratch)+len(body) == 0 {
		return nil
	}
	return s.sink.Send(ctx, append(scratch, body...))
}

func (s valueSink) TryEnd(scratch, body []byte) (bool, error) {
	if len(scratch)+len(body) == 0 {
		return true, nil
	}
	return s.sink.TrySend(append(scratch, body...))
}
