package pipeline

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/weir-go/weir/chanio"
)

// Connect sends all values of src to dst, in the caller's goroutine, and returns why it stopped:
//
//   - src ended: dst is drained and closed, and Connect returns the result of that.
//   - src failed: dst is flushed and left open; Connect returns src's failure.
//   - dst ended: src is closed at once, and Connect returns dst's failure, or net.ErrClosed after a Close.
//   - ctx ended: a value that was taken and not accepted is put back into src, neither side is closed, and Connect
//     returns ctx's cause.
//   - dst refused one value, as a codec does with one it cannot encode: as if src had failed; the value is put back.
//
// While src has values at hand dst is corked. Connect is the one consumer of src while it runs. It is Manifold's connect.
func Connect[T any](ctx context.Context, src *chanio.Source[T], dst *chanio.Sink[T]) error {
	up := src.Claim("pipeline.Connect")
	defer up.Release()
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer dst.OnDone(cancel)()
	err := move(both, up, dst)
	switch {
	case err == io.EOF:
		return ignoreUnsupported(dst.Close())
	case isDone(dst):
		return errors.Join(endOf(dst), up.Close())
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	_ = dst.Flush(ctx) // the failure of src is what matters
	return err
}

// move moves values until something ends; it returns io.EOF if that was up.
func move[T any](ctx context.Context, up chanio.Upstream[T], dst *chanio.Sink[T]) error {
	if from := up.Bytes(); from != nil {
		if to, ok := any(dst).(*chanio.Sink[[]byte]); ok && to.Bytes() != nil {
			return moveBytes(ctx, any(up).(chanio.Upstream[[]byte]), from, to.Bytes())
		}
	}
	c := corker[T]{dst: dst}
	if up.OnWait(c.letGo) {
		defer c.letGo()
	} else {
		c.off = true
	}
	for {
		v, err := up.Next(ctx)
		if err != nil {
			return err
		}
		c.hold()
		if err := dst.Send(ctx, v); err != nil {
			up.Unread(v)
			return err
		}
	}
}

// corker corks a sink from the first value after a wait to the next wait.
type corker[T any] struct {
	dst     *chanio.Sink[T]
	off, on bool
}

func (c *corker[T]) hold() {
	if !c.on && !c.off {
		c.on = true
		c.dst.Cork(true)
	}
}

func (c *corker[T]) letGo() {
	if c.on {
		c.on = false
		c.dst.Cork(false)
	}
}

// smallChunk is the largest chunk that is copied to the sink's buffer; larger ones are sent from where they are.
const smallChunk = 16<<10 - 1

// moveBytes moves a stream of bytes without regard to its chunks.
func moveBytes(ctx context.Context, up chanio.Upstream[[]byte], src chanio.ByteSource, dst chanio.ByteSink) error {
	for {
		if len(src.Buffered()) == 0 {
			if err := src.Fill(ctx, 1); err != nil {
				return up.Fail(ctx, err)
			}
		}
		buf, _, err := dst.Begin(ctx, true)
		if err != nil {
			return err
		}
		chunk := src.Buffered()
		if len(chunk) > smallChunk {
			err = dst.End(ctx, buf, chunk)
			src.Discard(len(chunk))
		} else {
			buf = append(buf, chunk...)
			src.Discard(len(chunk))
			err = dst.End(ctx, buf, nil)
		}
		if err != nil {
			return err
		}
	}
}

func isDone[T any](s *chanio.Sink[T]) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// endOf is what a sender is told of a sink that has ended.
func endOf[T any](s *chanio.Sink[T]) error {
	if err := s.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
