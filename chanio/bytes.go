package chanio

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// LimitError says that there were more bytes than the limit that was given.
type LimitError struct {
	Limit int // in bytes
}

// Error names the limit.
func (e *LimitError) Error() string { return fmt.Sprintf("chanio: more than %d bytes", e.Limit) }

// ReadAll returns all bytes of src, to its end, as one slice that the caller owns. If there are more than limit it
// closes src and returns a [*LimitError]; memory grows only as bytes arrive (G14). If src fails, ReadAll returns what
// came before with its failure. If ctx ends first, what was received is put back into src and the cause of ctx is
// returned (G2).
//
// It is byte-streams' to-byte-array; string(b) is its to-string.
func ReadAll(ctx context.Context, src *Source[[]byte], limit int) ([]byte, error) {
	if limit < 1 {
		panic(fmt.Sprintf("chanio: ReadAll: limit must be at least 1, got %d", limit))
	}
	up := src.Claim("chanio.ReadAll")
	defer up.Release()
	in := bytesOf(up)
	all := make([]byte, 0, min(limit, 512))
	for {
		if len(all) == cap(all) {
			all = append(all, 0)[:len(all)]
		}
		n, err := in.Read(ctx, all[len(all):cap(all)])
		all = all[:len(all)+n]
		if len(all) > limit {
			_ = up.Close() // that it was too long is what matters
			return nil, &LimitError{limit}
		}
		if err != nil {
			return readAllEnd(ctx, up, all, err)
		}
	}
}

func readAllEnd(ctx context.Context, up Upstream[[]byte], all []byte, err error) ([]byte, error) {
	err = up.Fail(ctx, err)
	if err == io.EOF {
		return all, nil
	}
	if up.s.end.Load() == open { // ctx has ended
		if len(all) > 0 {
			up.Unread(all)
		}
		return nil, err
	}
	return all, err
}

// Rechunk returns the bytes of src in chunks of size bytes; the last one before the end may be shorter. A chunk is
// allocated when its first byte has come, and belongs to the receiver. Rechunk waits for a chunk to be full, so it is
// for block formats, not for conversations. It starts no goroutine. It is the chunk-size of byte-streams.
func Rechunk(src *Source[[]byte], size int) *Source[[]byte] {
	if size < 1 {
		panic(fmt.Sprintf("chanio: Rechunk: size must be at least 1, got %d", size))
	}
	up := src.Claim("chanio.Rechunk")
	r := &rechunker{up: up, in: bytesOf(up), size: size}
	return NewSource(SourceHooks[[]byte]{
		Next: r.next, Close: up.Close, OnWait: up.OnWait, Describe: describeStage("chanio.Rechunk", up),
	})
}

type rechunker struct {
	up   Upstream[[]byte]
	in   ByteSource
	size int
	part []byte // of the next chunk; a cancelled call leaves it for the next one
	end  error  // of src, if it has been met
}

func (r *rechunker) next(ctx context.Context) ([]byte, error) {
	if r.end != nil {
		return nil, r.end
	}
	if err := r.complete(ctx); err != nil {
		err = r.up.Fail(ctx, err)
		if len(r.part) == 0 || r.up.s.end.Load() == open {
			return nil, err
		}
		r.end = err // what came before it comes first (G1)
	}
	chunk := r.part
	r.part = nil
	return chunk, nil
}

// complete fills part.
func (r *rechunker) complete(ctx context.Context) error {
	if len(r.part) == 0 && len(r.in.Buffered()) == 0 {
		if err := r.in.Fill(ctx, r.size); err != nil {
			return err
		}
	}
	if r.part == nil {
		r.part = make([]byte, 0, r.size)
	}
	for len(r.part) < r.size {
		n, err := r.in.Read(ctx, r.part[len(r.part):r.size])
		if err != nil {
			return err
		}
		r.part = r.part[:len(r.part)+n]
	}
	return nil
}

// Compare compares two streams of bytes as bytes.Compare does two slices, without regard to their chunks: it returns
// -1, 0 or +1. It receives no further than to the first difference, and closes nothing; what was equal is gone, also
// when Compare returns an error because a Source failed or ctx ended. It is byte-streams' compare-bytes, and bytes= if
// only 0 is of interest.
func Compare(ctx context.Context, a, b *Source[[]byte]) (int, error) {
	one, other := a.Claim("chanio.Compare"), b.Claim("chanio.Compare")
	x, y := bytesOf(one), bytesOf(other)
	defer giveBack(one, x)
	defer giveBack(other, y)
	for {
		endX, err := fill(ctx, one, x)
		if err != nil {
			return 0, err
		}
		endY, err := fill(ctx, other, y)
		if err != nil {
			return 0, err
		}
		p, q := x.Buffered(), y.Buffered()
		if endX || endY {
			return bytes.Compare(p, q), nil // one of them is empty
		}
		n := min(len(p), len(q))
		if c := bytes.Compare(p[:n], q[:n]); c != 0 {
			return c, nil
		}
		x.Discard(n)
		y.Discard(n)
	}
}

// fill waits for a byte, and reports whether there is none because the stream has ended well.
func fill(ctx context.Context, up Upstream[[]byte], in ByteSource) (end bool, err error) {
	if len(in.Buffered()) > 0 {
		return false, nil
	}
	err = in.Fill(ctx, 1)
	if err != nil {
		err = up.Fail(ctx, err)
	}
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

// bytesOf returns the stream of bytes below a Source of []byte, or one that is made of its chunks.
func bytesOf(up Upstream[[]byte]) ByteSource {
	if in := up.Bytes(); in != nil {
		return in
	}
	return &chunks{up: up}
}

// giveBack releases a Source of which in is the bytes.
func giveBack(up Upstream[[]byte], in ByteSource) {
	if c, ok := in.(*chunks); ok && len(c.buf) > 0 {
		up.Unread(c.buf)
	}
	up.Release()
}

// chunks is a ByteSource made of the chunks of a Source.
type chunks struct {
	up    Upstream[[]byte]
	buf   []byte // received and not discarded
	small block  // for its arena
}

func (c *chunks) Buffered() []byte { return c.buf }

func (c *chunks) Fill(ctx context.Context, _ int) error {
	for {
		chunk, err := c.up.Next(ctx)
		if err != nil {
			return err
		}
		switch {
		case len(chunk) == 0:
			continue
		case len(c.buf) == 0:
			c.buf = chunk[:len(chunk):len(chunk)] // what lies behind it may be somebody else's
		default:
			c.buf = append(c.buf, chunk...)
		}
		return nil
	}
}

func (c *chunks) Discard(n int) {
	if c.buf = c.buf[n:]; len(c.buf) == 0 {
		c.buf = nil
	}
}

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

func (c *chunks) Clone(p []byte) []byte { return c.small.clone(p) }

// describeStage is the Describe of a stage over up.
func describeStage[T any](kind string, up Upstream[T]) func() Description {
	return func() Description { return Description{Kind: kind, Upstream: []Description{up.Describe()}} }
}
