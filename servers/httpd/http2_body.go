package httpd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http2"
)

// streamBody is the Body of an HTTP/2 request. Concurrent Reads are served one after another.
type streamBody struct {
	of       *serving
	resp     *streamResponse              // nil after cut
	stream   atomic.Pointer[http2.Stream] // the same
	trailers *http.Request                // receives the trailers, if it is not the stream's request
	bodyState
}

func (b *streamBody) Read(p []byte) (int, error) { return b.readContext(b.of.io, p) }

// readContext is Read with a ctx. If ctx ends first, nothing is read and the body remains usable.
func (b *streamBody) readContext(ctx context.Context, p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if read, err := b.readyLocked(p); !read {
		return 0, err
	}
	b.asked.accept(b.invite)
	n, err := b.resp.stream.In.Read(ctx, p)
	if err != nil && ctx.Err() != nil && chanio.Resumable(ctx, err) {
		return n, err
	}
	return b.took(n, err)
}

// invite sends 100 Continue.
func (b *streamBody) invite() {
	_ = b.resp.sendInformational(http.StatusContinue, nil) // if it fails, the Read that follows fails too
}

// took records what a read returned.
func (b *streamBody) took(n int, err error) (int, error) {
	n, err = b.boundLocked(n, err)
	switch {
	case err == io.EOF:
		b.over = true
		mergeStreamTrailers(cmp.Or(b.trailers, b.resp.req), b.resp.stream.Trailers())
		return n, io.EOF
	case err == nil:
		return n, nil
	case err == net.ErrClosed:
		return n, http.ErrBodyReadAfterClose
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, err // not kept: the deadline is the handler's, which may extend it
	}
	b.err = err
	return n, err
}

// Close makes further Reads fail. Data that arrives later is dropped.
func (b *streamBody) Close() error {
	var err error
	if s := b.stream.Load(); s != nil {
		err = s.In.Close() // a blocked Read returns
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return err
}

// cut ends the body for good, unless a goroutine is reading it. A request that is kept does not keep its connection.
func (b *streamBody) cut() {
	if b.mu.TryLock() {
		defer b.mu.Unlock()
		b.closed, b.resp, b.trailers = true, nil, nil
		b.stream.Store(nil)
	}
}

// status returns the status for the error of the body, or 0. It does not wait for a Read.
func (b *streamBody) status() int {
	if b == nil || !b.mu.TryLock() {
		return 0
	}
	defer b.mu.Unlock()
	if errors.Is(b.err, chanio.ErrTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

// waits reports whether the client waits for 100 Continue.
func (b *streamBody) waits() bool { return b != nil && b.asked.waits() }
