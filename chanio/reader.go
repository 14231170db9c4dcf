package chanio

import (
	"context"
	"io"
)

// NewReader returns the bytes of src as an io.Reader. Each Read takes what is buffered and receives more only if
// nothing is, so a slow reader slows down the producer. io.Copy from it makes no intermediate copy. ctx bounds every
// Read: when it ends, Read returns its [Cause] and has consumed nothing. Read returns io.EOF after the last byte, and
// the failure of src after a failure. Close closes src at once. Except for Close, the reader is for one goroutine at a
// time. NewReader starts no goroutine. The reader becomes the only consumer of src, for good.
func NewReader(ctx context.Context, src *Source[[]byte]) io.ReadCloser {
	up, err := own(ctx, src, nil, "chanio.NewReader")
	if err != nil { // ctx has ended, so every Read fails
		return &sourceReader{ctx: ctx, up: Upstream[[]byte]{s: src}, in: noBytes{err}}
	}
	return &sourceReader{ctx: ctx, up: up, in: up.Bytes()}
}

// noBytes is a ByteSource that only returns err.
type noBytes struct{ err error }

func (b noBytes) Buffered() []byte                          { return nil }
func (b noBytes) Fill(context.Context, int) error           { return b.err }
func (b noBytes) Discard(int)                               {}
func (b noBytes) Read(context.Context, []byte) (int, error) { return 0, b.err }
func (b noBytes) Clone(p []byte) []byte                     { return append([]byte(nil), p...) }

// sourceReader holds a ctx because io.Reader has no parameter for one.
type sourceReader struct {
	ctx context.Context
	up  Upstream[[]byte]
	in  ByteSource
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(r.ctx, p)
	if err != nil {
		err = r.up.Fail(r.ctx, err)
	}
	return n, err
}

// WriteTo lets io.Copy write without an intermediate copy.
func (r *sourceReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(r.in.Buffered()) == 0 {
			if err := r.in.Fill(r.ctx, 1); err != nil {
				if err = r.up.Fail(r.ctx, err); err == io.EOF {
					err = nil
				}
				return n, err
			}
		}
		p := r.in.Buffered()
		m, err := w.Write(p)
		r.in.Discard(m)
		n += int64(m)
		if err == nil && m < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, err
		}
	}
}

func (r *sourceReader) Close() error { return r.up.Close() }
