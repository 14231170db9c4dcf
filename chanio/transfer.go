package chanio

import (
	"context"
	"errors"
	"io"
)

// Transfer moves all bytes of src to dst by the cheapest route and returns how many dst accepted. On Linux it uses
// splice between TCP or Unix connections, and sendfile from a [FromFile] to a connection, so the bytes do not enter the
// process. Elsewhere, and through TLS or stages, it copies them once.
//
// Transfer runs in the caller's goroutine until
//
//   - src ends: Transfer flushes dst and returns nil. It closes neither side; the caller may half-close dst.
//   - src fails: Transfer flushes dst and returns src's failure.
//   - dst ends: Transfer returns dst's failure, or net.ErrClosed after a Close, at once even if src is idle.
//   - ctx ends: Transfer returns its [Cause]. What dst has not accepted is still in src, so another call can continue.
//
// Other senders may use dst meanwhile; their values do not interleave with a run of bytes being moved. Transfer is the
// only consumer of src while it runs.
func Transfer(ctx context.Context, src *Source[[]byte], dst *Sink[[]byte]) (int64, error) {
	up, err := src.Acquire(ctx, "chanio.Transfer")
	if err != nil {
		return 0, err
	}
	returned := false
	defer up.releaseAfter(&returned)
	n, err := runTransfer(ctx, up, dst)
	returned = true
	return n, err
}

func runTransfer(ctx context.Context, up Upstream[[]byte], dst *Sink[[]byte]) (int64, error) {
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer dst.OnDone(cancel)()
	t := transfer{up: up, dst: dst, to: BytesTo(dst)}
	err := t.run(both)
	switch {
	case err == io.EOF:
		return t.n, dst.Flush(ctx)
	case !dst.hooks.End.Open():
		return t.n, refusal(dst.hooks.End)
	case ctx.Err() != nil:
		return t.n, Cause(ctx)
	case Resumable(both, err):
		return t.n, err
	}
	_ = dst.Flush(ctx) // the failure of src is returned instead
	return t.n, err
}

// transfer is one call of Transfer.
type transfer struct {
	up  Upstream[[]byte]
	dst *Sink[[]byte]
	to  ByteSink
	n   int64 // bytes moved
}

// route moves bytes without bringing them into the process.
type route interface {
	// move waits for bytes and moves some. It returns errors.ErrUnsupported if this route cannot be used. Errors of the
	// source have already been reported to it.
	move(ctx context.Context) (n int, err error)
	close()
}

// run returns io.EOF at the end of the source.
func (t *transfer) run(ctx context.Context) error {
	way := newRoute(ctx, t.up, t.to)
	defer func() {
		if way != nil {
			way.close()
		}
	}()
	for {
		in := t.up.Bytes() // values put back come first
		if _, aside := in.(*chunks); !aside && len(in.Buffered()) == 0 && way != nil {
			n, err := way.move(ctx)
			t.n += int64(n)
			if err == nil {
				continue
			}
			if !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
			way.close()
			way = nil
		}
		if err := t.pass(ctx, in); err != nil {
			return err
		}
	}
}

// pass moves what is buffered, and waits if nothing is.
func (t *transfer) pass(ctx context.Context, in ByteSource) error {
	if len(in.Buffered()) == 0 {
		if err := in.Fill(ctx, 1); err != nil {
			return t.up.Fail(ctx, err)
		}
	}
	p := in.Buffered()
	var scratch []byte
	if len(p) < copyMax {
		scratch, p = append(t.to.Begin(), p...), nil
	}
	n := len(scratch) + len(p)
	if err := t.to.End(ctx, scratch, p); err != nil {
		return err
	}
	in.Discard(n)
	t.n += int64(n)
	return nil
}

// copyMax bounds what is copied into the buffer of a sink; more is written from where it lies.
const copyMax = 16 << 10
