package cache

import (
	"net/http"
	"strings"
)

// isConditional reports whether a request has conditions that the cache does not evaluate.
func isConditional(h http.Header) bool {
	for _, name := range []string{"If-Match", "If-Unmodified-Since"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// holdsFor reports whether the conditions of r say that the caller already has the response: RFC 9111 4.3.2.
func (v *variant) holdsFor(r *http.Request) bool {
	if list, ok := r.Header["If-None-Match"]; ok {
		return matchesTag(strings.Join(list, ","), v.Header.Get("Etag"))
	}
	since, ok := timeOf(r.Header, "If-Modified-Since")
	if !ok {
		return false
	}
	changed, ok := timeOf(v.Header, "Last-Modified")
	if !ok {
		changed = v.date()
	}
	return !changed.After(since)
}

// matchesTag reports whether a list of entity tags contains tag, by weak comparison: RFC 9110 8.8.3.2.
func matchesTag(list, tag string) bool {
	if strings.Trim(list, " \t") == "*" {
		return true
	}
	for list != "" {
		var item string
		item, list = cutItem(list)
		if tag != "" && strings.TrimPrefix(item, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// validating returns r with the validators of v as conditions, or nil if v has none: RFC 9111 4.3.1.
func (v *variant) validating(r *http.Request) *http.Request {
	tag, changed := v.Header.Get("Etag"), v.Header.Get("Last-Modified")
	if tag == "" && changed == "" {
		return nil
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	delete(r.Header, "If-None-Match")
	delete(r.Header, "If-Modified-Since")
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	if changed != "" {
		r.Header.Set("If-Modified-Since", changed)
	}
	return r
}

// isOf reports whether a 304 with header h refers to v, by its entity tag, otherwise by its Last-Modified. One that has
// neither does: RFC 9111 4.3.4.
func (v *variant) isOf(h http.Header) bool {
	own, tag := v.Header.Get("Etag"), h.Get("Etag")
	if tag != "" && (own != "" || !strings.HasPrefix(tag, "W/")) {
		return strings.TrimPrefix(own, "W/") == strings.TrimPrefix(tag, "W/")
	}
	had, changed := v.Header.Get("Last-Modified"), h.Get("Last-Modified")
	return had == "" || changed == "" || had == changed
}
