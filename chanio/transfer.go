package chanio

import (
	"context"
	"errors"
	"io"
)

// Transfer moves all bytes of src to dst by the cheapest route and returns how many dst accepted. On Linux that is
// splice from one TCP or Unix connection to another, and sendfile from a regular file ([FromReader] of an *os.File) to
// one: the bytes do not enter the process. Elsewhere, and through TLS or stages, it is the route of pipeline.Connect.
//
// Transfer runs in the caller's goroutine until
//
//   - src ends: dst is flushed, and Transfer returns nil. It closes neither side: half-closing is the caller's.
//   - src fails: dst is flushed, and Transfer returns src's failure.
//   - dst ends: Transfer returns dst's failure, or net.ErrClosed after a Close, at once also when src is idle.
//   - ctx ends: Transfer returns its cause. What dst did not accept is still in src, so that it can go on (G2).
//
// Others may send to dst meanwhile; what they send is not mixed into a run of bytes that is being moved. Transfer is
// the one consumer of src while it runs. It is byte-streams' transfer.
func Transfer(ctx context.Context, src *Source[[]byte], dst *Sink[[]byte]) (int64, error) {
	up := src.Claim("chanio.Transfer")
	defer up.Release()
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer dst.OnDone(cancel)()
	t := transfer{up: up, dst: dst}
	err := t.run(both)
	switch {
	case err == io.EOF:
		return t.n, dst.Flush(ctx)
	case isClosed(dst.Done()):
		return t.n, dst.refusal()
	case ctx.Err() != nil:
		return t.n, context.Cause(ctx)
	}
	_ = dst.Flush(ctx) // the failure of src is what matters
	return t.n, err
}

// transfer is one call of Transfer.
type transfer struct {
	up  Upstream[[]byte]
	dst *Sink[[]byte]
	n   int64

	in  ByteSource
	to  ByteSink
	way route // nil if there is none
}

// route moves bytes without bringing them into the process.
type route interface {
	// move waits for bytes and moves some. It may leave bytes in the buffer of the source instead, of whose end it has
	// told the Source when it returns it. errNoRoute says that this route does not lead there.
	move(ctx context.Context) (n int, err error)
	close()
}

var errNoRoute = errors.New("chanio: no route")

// run returns io.EOF at the end of the source.
func (t *transfer) run(ctx context.Context) error {
	t.to = t.dst.Bytes()
	for len(t.up.s.back) > 0 || t.to == nil { // what was put back comes first
		if err := t.passValue(ctx); err != nil {
			return err
		}
	}
	t.in = bytesOf(t.up)
	defer t.leave()
	t.way = newRoute(t.up, t.in, t.to)
	for {
		if err := t.up.ended(); err != nil {
			return err
		}
		if err := t.step(ctx); err != nil {
			return err
		}
	}
}

// leave puts back what was received and not moved.
func (t *transfer) leave() {
	if t.way != nil {
		t.way.close()
	}
	if c, ok := t.in.(*chunks); ok && len(c.buf) > 0 {
		t.up.Unread(c.buf)
	}
}

func (t *transfer) step(ctx context.Context) error {
	if len(t.in.Buffered()) > 0 {
		return t.passBytes(ctx)
	}
	if t.way == nil {
		if err := t.in.Fill(ctx, 1); err != nil {
			return t.up.Fail(ctx, err)
		}
		return nil
	}
	n, err := t.way.move(ctx)
	t.n += int64(n)
	if err == errNoRoute {
		t.way.close()
		t.way, err = nil, nil
	}
	return err
}

// passValue moves one chunk as a value.
func (t *transfer) passValue(ctx context.Context) error {
	chunk, err := t.up.Next(ctx)
	if err != nil {
		return err
	}
	if err := t.dst.Send(ctx, chunk); err != nil {
		t.up.Unread(chunk)
		return err
	}
	t.n += int64(len(chunk))
	return nil
}

// passBytes moves what is buffered.
func (t *transfer) passBytes(ctx context.Context) error {
	buf, _, err := t.to.Begin(ctx, true)
	if err != nil {
		return err
	}
	p := t.in.Buffered()
	if len(p) < inPlaceMin {
		err = t.to.End(ctx, append(buf, p...), nil)
	} else {
		err = t.to.End(ctx, buf, p)
	}
	if err != nil {
		return err
	}
	t.in.Discard(len(p))
	t.n += int64(len(p))
	return nil
}
