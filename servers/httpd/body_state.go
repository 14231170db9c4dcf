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

// bodyState is what the bodies of both versions have in common.
type bodyState struct {
	asked invitation

	mu      sync.Mutex
	waited  time.Duration // of all Reads, if there is a Config.MinBodyRate
	limited bool
	limit   int64        // how long it may be
	got     atomic.Int64 // of it
	closed  bool
	over    bool  // at its end
	err     error // sticky
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

// boundLocked counts what a read has brought, and cuts off what is beyond the limit, if there is one.
func (b *bodyState) boundLocked(n int, err error) (int, error) {
	beyond := b.got.Add(int64(n)) - b.limit
	if !b.limited || beyond <= 0 {
		return n, err
	}
	return max(0, n-int(beyond)), fmt.Errorf("httpd: body longer than %d bytes: %w", b.limit, chanio.ErrTooLarge)
}

// configure sets Config.MaxBody.
func (b *bodyState) configure(limit int64) { b.limited, b.limit = limit > 0, limit }

// bound limits the body to n bytes, what was read before included, unless it is limited to less.
func (b *bodyState) bound(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.limited || n < b.limit {
		b.limited, b.limit = true, n
	}
}

// rateFrom is how long Reads may wait before Config.MinBodyRate counts.
const rateFrom = 5 * time.Second

// patienceLocked returns how long a Read may wait whose client sends rate bytes a second at least.
func (b *bodyState) patienceLocked(rate int) time.Duration {
	earned := time.Duration(float64(b.got.Load()) / float64(rate) * float64(time.Second))
	return max(0, rateFrom+earned-b.waited)
}

// failure returns what is wrong with the body, or nil.
func (b *bodyState) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
