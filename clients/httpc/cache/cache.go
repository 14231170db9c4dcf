package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Config configures a [Cache]. nil and the zero value use the defaults.
type Config struct {
	// MaxBody limits the length of a stored body. 0 means 8 MiB; negative means that only empty bodies are stored.
	MaxBody int64

	// MaxVariants limits the stored responses of one URL that differ by Vary. The oldest is dropped first. 0 means 16;
	// negative means 1.
	MaxVariants int

	// Logger logs failures of the Store. nil means no logging.
	Logger *slog.Logger
}

// Cache stores responses and answers requests with them. Its methods are safe for concurrent use. It starts no goroutine
// and need not be closed.
type Cache struct {
	store Store
	cfg   Config

	mu    sync.Mutex
	epoch uint64            // counts invalidations
	since map[string]uint64 // the epoch of the last invalidation of a URL
	floor uint64            // the epoch of the last invalidation of any URL not in since
}

// New returns a Cache over store. cfg may be nil.
func New(store Store, cfg *Config) *Cache {
	c := &Cache{store: store, since: map[string]uint64{}}
	if cfg != nil {
		c.cfg = *cfg
	}
	if c.cfg.MaxBody = cmp.Or(c.cfg.MaxBody, 8<<20); c.cfg.MaxBody < 0 {
		c.cfg.MaxBody = 0
	}
	c.cfg.MaxVariants = max(cmp.Or(c.cfg.MaxVariants, 16), 1)
	return c
}

// statusField is the field that reports what the cache did: RFC 9211.
const statusField = "Cache-Status"

// The values that the cache adds to the field.
const (
	hit       = "weir; hit"                       // answered without the server
	validated = "weir; fwd=stale; fwd-status=304" // the server confirmed the stored response
	onError   = "weir; hit; detail=error"         // stale, because the server failed
	missed    = "weir; fwd=miss"                  // answered by the server
)

func mark(h http.Header, how string) { h[statusField] = append(h[statusField], how) }

// load returns the page of a URL, or nil.
func (c *Cache) load(ctx context.Context, url string) *page {
	p, _ := c.get(ctx, keyOf(url))
	return decodePage(url, p)
}

// body returns the body of v.
func (c *Cache) body(ctx context.Context, url string, v *variant) ([]byte, bool) {
	if v.Length == 0 {
		return nil, true
	}
	p, err := c.get(ctx, keyOf(url)+"."+v.ID)
	return p, err == nil && v.isWhole(p)
}

// saveSince stores a page that was loaded at epoch, unless its URL has been invalidated since. It checks again after
// storing, because an invalidation in between would be undone.
func (c *Cache) saveSince(ctx context.Context, p *page, epoch uint64) {
	if c.invalidated(p.URL, epoch) {
		return
	}
	c.save(ctx, p)
	if c.invalidated(p.URL, epoch) {
		c.forget(ctx, p.URL)
	}
}

// save stores a page.
func (c *Cache) save(ctx context.Context, p *page) {
	key := keyOf(p.URL)
	for len(p.Variants) > c.cfg.MaxVariants {
		c.call("Delete", func() error { return c.store.Delete(ctx, key+"."+p.Variants[0].ID) })
		p.Variants = p.Variants[1:]
	}
	text := p.encode()
	c.call("Put", func() error { return c.store.Put(ctx, key, text) })
}

// put stores a response, unless its URL has been invalidated since epoch, or a response requested later is stored.
func (c *Cache) put(ctx context.Context, url string, v *variant, body []byte, epoch uint64) {
	if c.invalidated(url, epoch) {
		return
	}
	p := c.load(ctx, url)
	if p == nil {
		p = &page{URL: url}
	}
	if p.supersedes(v) {
		return
	}
	p.remove(v.ID)
	p.Variants = append(p.Variants, v)
	if len(body) > 0 {
		failed := c.call("Put", func() error { return c.store.Put(ctx, keyOf(url)+"."+v.ID, body) })
		if failed {
			return
		}
	}
	c.saveSince(ctx, p, epoch)
}

// refresh stores the header of v in place of that of the response received at since, unless that has been replaced or
// dropped, or its URL has been invalidated since epoch. It keeps the other variants as they are now.
func (c *Cache) refresh(ctx context.Context, url string, v *variant, since time.Time, epoch uint64) {
	p := c.load(ctx, url)
	if p == nil {
		return
	}
	for i, old := range p.Variants {
		if old.ID == v.ID && old.Received.Equal(since) {
			p.Variants[i] = v
			c.saveSince(ctx, p, epoch)
			return
		}
	}
}

// drop forgets one variant.
func (c *Cache) drop(ctx context.Context, url, id string) {
	epoch := c.now()
	p := c.load(ctx, url)
	if p == nil {
		return
	}
	p.remove(id)
	c.saveSince(ctx, p, epoch)
	c.call("Delete", func() error { return c.store.Delete(ctx, keyOf(url)+"."+id) })
}

// maxSince limits the length of Cache.since.
const maxSince = 1024

// invalidate deletes the stored responses of a URL, and prevents storing those in progress. It ignores the end of ctx.
func (c *Cache) invalidate(ctx context.Context, url string) {
	c.mu.Lock()
	c.epoch++
	if len(c.since) >= maxSince {
		clear(c.since)
		c.floor = c.epoch
	}
	c.since[url] = c.epoch
	c.mu.Unlock()
	c.forget(context.WithoutCancel(ctx), url)
}

// forget deletes the stored responses of a URL.
func (c *Cache) forget(ctx context.Context, url string) {
	if p := c.load(ctx, url); p != nil {
		for _, v := range p.Variants {
			c.call("Delete", func() error { return c.store.Delete(ctx, keyOf(url)+"."+v.ID) })
		}
	}
	c.call("Delete", func() error { return c.store.Delete(ctx, keyOf(url)) })
}

// now returns the current epoch.
func (c *Cache) now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

func (c *Cache) invalidated(url string, epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return epoch < max(c.since[url], c.floor)
}

// get returns a value of the store.
func (c *Cache) get(ctx context.Context, key string) (p []byte, err error) {
	failed := c.call("Get", func() error {
		p, err = c.store.Get(ctx, key)
		return err
	})
	if failed {
		return nil, cmp.Or(err, errStore)
	}
	return p, nil
}

var errStore = errors.New("cache: the store has panicked")

// call calls the store, recovers a panic, and reports whether the call failed.
func (c *Cache) call(what string, f func() error) (failed bool) {
	defer func() {
		if v := recover(); v != nil {
			failed = true
			c.log(what, fmt.Errorf("panic: %v", v))
		}
	}()
	if err := f(); err != nil {
		c.log(what, err)
		return true
	}
	return false
}

func (c *Cache) log(what string, err error) {
	if c.cfg.Logger != nil {
		c.cfg.Logger.Warn("cache: the store has failed", "call", what, "err", err)
	}
}

// isUnsafe reports whether a method may change something: RFC 9110 9.2.1.
func isUnsafe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// Clear deletes the stored responses of a URL, for example because the resource was changed by other means.
func (c *Cache) Clear(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	c.invalidate(ctx, urlOf(r))
	return nil
}
