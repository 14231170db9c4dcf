package httpd

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// bodyState is what the bodies of both versions have in common.
type bodyState struct {
	asked invitation

	mu     sync.Mutex
	left   int64 // of Config.MaxBody, if that is positive
	closed bool
	over   bool  // at its end
	err    error // sticky
}

// readyLocked returns what a Read into p returns without reading, if read is false.
func (b *bodyState) readyLocked(p []byte) (read bool, err error) {
	switch {
	case b.closed:
		return false, http.ErrBodyReadAfterClose
	case b.err != nil:
		return false, b.err
	case b.over:
		return false, io.EOF
	}
	return len(p) > 0, nil
}

// boundLocked counts what a read has brought, and cuts off what is beyond limit, if that is positive.
func (b *bodyState) boundLocked(limit int64, n int, err error) (int, error) {
	if limit <= 0 {
		return n, err
	}
	if b.left -= int64(n); b.left >= 0 {
		return n, err
	}
	return n + int(b.left), fmt.Errorf("httpd: body longer than %d bytes: %w", limit, chanio.ErrTooLarge)
}
