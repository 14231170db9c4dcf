package chanio

import (
	"bytes"
	"context"
	"io"

	"github.com/weir-go/weir/internal/stream"
)

// NewWriter returns an io.Writer that sends to sink, for fmt.Fprintf, json.Encoder, io.Copy and the like. Each Write is
// one value of sink: it is accepted whole or, on error, not at all, and never interleaved with other values. Write
// blocks until sink has room; ctx bounds that wait. Close closes sink and returns its error. All methods are safe for
// concurrent use, but ReadFrom, which io.Copy calls, sends what it reads piece by piece.
func NewWriter(ctx context.Context, sink *Sink[[]byte]) io.WriteCloser {
	if sink == nil {
		panic("chanio: NewWriter: the Sink is nil")
	}
	return &sinkWriter{ctx: ctx, sink: sink, hands: sink.hooks.Bytes == nil}
}

// sinkWriter holds a ctx because io.Writer has no parameter for one.
type sinkWriter struct {
	ctx   context.Context
	sink  *Sink[[]byte]
	hands bool // the sink may hand values over as they are, such as that of PipeOf
}

func (w *sinkWriter) Write(p []byte) (n int, err error) {
	if err := w.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send sends a copy of p, because the caller of Write may reuse it.
func (w *sinkWriter) send(p []byte) error {
	if w.hands {
		p = bytes.Clone(p)
	}
	return w.sink.Send(w.ctx, p)
}

// ReadFrom lets io.Copy read into one buffer.
func (w *sinkWriter) ReadFrom(r io.Reader) (n int64, err error) {
	var b stream.Buffer
	defer b.Release()
	p := b.Space(0)
	for {
		m, err := r.Read(p)
		if m > 0 {
			if err := w.send(p[:m]); err != nil {
				return n, err
			}
			n += int64(m)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (w *sinkWriter) Close() error { return w.sink.Close() }
