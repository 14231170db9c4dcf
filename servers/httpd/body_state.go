package httpd

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// bodyState is the state that HTTP/1 and HTTP/2 bodies share.
type bodyState struct {
	asked invitation

	mu      sync.Mutex
	waited  time.Duration // by all Reads together, if there is a Config.MinBodyRate
	limited bool
	limit   int64        // the maximum length
	got     atomic.Int64 // bytes read
	closed  bool
	over    bool  // at the end
	err     error // sticky
}

// readyLocked reports whether a Read into p must read. If not, the Read returns 0 and err.
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

// boundLocked counts the bytes of a read and cuts off those beyond the limit, if there is one.
func (b *bodyState) boundLocked(n int, err error) (int, error) {
	beyond := b.got.Add(int64(n)) - b.limit
	if !b.limited || beyond <= 0 {
		return n, err
	}
	return max(0, n-int(beyond)), fmt.Errorf("httpd: body longer than %d bytes: %w", b.limit, chanio.ErrTooLarge)
}

// configure sets Config.MaxBody.
func (b *bodyState) configure(limit int64) { b.limited, b.limit = limit > 0, limit }

// bound limits the body to n bytes, including those already read, unless its limit is lower.
func (b *bodyState) bound(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.limited || n < b.limit {
		b.limited, b.limit = true, n
	}
}

// rateFrom is how long Reads may wait before Config.MinBodyRate applies.
const rateFrom = 5 * time.Second

// patienceLocked returns how long a Read may wait for a client that must send at least rate bytes per second.
func (b *bodyState) patienceLocked(rate int) time.Duration {
	earned := time.Duration(float64(b.got.Load()) / float64(rate) * float64(time.Second))
	return max(0, rateFrom+earned-b.waited)
}

// failure returns the error of the body, or nil.
func (b *bodyState) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
