package httpc

import (
	"io"
	"net/http"
	"sync"
)

// bytesBody is a body in memory.
type bytesBody struct {
	mu   sync.Mutex
	p    []byte
	done bool
}

func newBytesBody(p []byte) *bytesBody { return &bytesBody{p: p} }

func (b *bytesBody) rest() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.p
}

func (b *bytesBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return 0, http.ErrBodyReadAfterClose
	case len(b.p) == 0:
		return 0, io.EOF
	}
	n := copy(p, b.p)
	b.p = b.p[n:]
	return n, nil
}

// WriteTo is used by io.Copy.
func (b *bytesBody) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	p, done := b.p, b.done
	b.p = nil
	b.mu.Unlock()
	if done {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := w.Write(p)
	return int64(n), err
}

func (b *bytesBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	return nil
}
