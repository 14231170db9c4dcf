package cache

import (
	"net/http"
	"strings"
	"time"
)

// A response without an explicit lifetime is fresh for 1/heuristic of the time since its last change, at most
// maxHeuristic: RFC 9111 4.2.2.
const (
	heuristic    = 10
	maxHeuristic = 24 * time.Hour
)

// cacheable are the statuses that are cacheable by default: RFC 9110 15.1.
var cacheable = map[int]bool{
	200: true, 203: true, 204: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 501: true,
}

// understood reports whether the cache implements the caching rules of a status: RFC 9111 5.2.2.3.
func understood(status int) bool {
	return cacheable[status] || status == 302 || status == 303 || status == 307
}

// storable reports whether a response to a GET may be stored: RFC 9111 3.
func storable(asks directives, status int, h http.Header) bool {
	says := parseDirectives(h)
	switch {
	case status < 200 || status > 599 || status == http.StatusPartialContent || status == http.StatusNotModified:
		return false
	case asks.has("no-store"):
		return false
	case says.has("must-understand") && !understood(status):
		return false
	case says.has("no-store") && !says.has("must-understand"):
		return false
	case variesByAll(h):
		return false // no request would match
	case says.has("no-cache") && says["no-cache"] == "" && h.Get("Etag") == "" && h.Get("Last-Modified") == "":
		return false // it could not be validated, and a stream of events would be kept up to MaxBody
	}
	return says.has("max-age") || says.has("public") || says.has("private") || len(h["Expires"]) > 0 || cacheable[status]
}

// timeOf parses a date field: RFC 9110 5.6.7. It ignores case and accepts UTC for GMT: RFC 9111 4.2.
func timeOf(h http.Header, name string) (time.Time, bool) {
	text := h.Get(name)
	if n := len(text) - 4; n > 0 && (strings.EqualFold(text[n:], " GMT") || strings.EqualFold(text[n:], " UTC")) {
		text = text[:n] + " GMT"
	}
	t, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}, false
	}
	if later := t.AddDate(100, 0, 0); isTwoDigits(text) && !later.After(time.Now().AddDate(50, 0, 0)) {
		t = later
	}
	return t, true
}

// isTwoDigits reports whether the year of a date has two digits; RFC 9110 5.6.7 defines the century.
func isTwoDigits(date string) bool {
	_, err := time.Parse(time.RFC850, date)
	return err == nil
}

// date returns when the server generated the response.
func (v *variant) date() time.Time {
	if t, ok := timeOf(v.Header, "Date"); ok {
		return t
	}
	return v.Received
}

// lifetime returns the freshness lifetime: RFC 9111 4.2.1.
func (v *variant) lifetime() time.Duration {
	says := parseDirectives(v.Header)
	if d, ok := says.seconds("max-age"); ok {
		return d
	}
	if len(v.Header["Expires"]) > 0 {
		at, ok := timeOf(v.Header, "Expires")
		if !ok {
			return 0
		}
		return max(at.Sub(v.date()), 0)
	}
	if changed, ok := timeOf(v.Header, "Last-Modified"); ok && (cacheable[v.Status] || says.has("public")) {
		return min(max(v.date().Sub(changed), 0)/heuristic, maxHeuristic)
	}
	return 0
}

// age returns the age of the response: RFC 9111 4.2.3. It is at most 68 years, since Date may have any year.
func (v *variant) age(now time.Time) time.Duration {
	apparent := min(max(v.Received.Sub(v.date()), 0), maxSeconds*time.Second)
	first, _, _ := strings.Cut(v.Header.Get("Age"), ",")
	said, _ := parseSeconds(strings.Trim(first, " \t"))
	corrected := said + v.Received.Sub(v.Requested)
	return min(max(apparent, corrected)+max(now.Sub(v.Received), 0), maxSeconds*time.Second)
}

// usable reports whether the response may be used without validation: RFC 9111 4.2, 5.2.1.
func (v *variant) usable(asks directives, now time.Time) bool {
	says := parseDirectives(v.Header)
	if asks.has("no-cache") || says.has("no-cache") && says["no-cache"] == "" {
		return false
	}
	age, life := v.age(now), v.lifetime()
	if most, ok := asks.seconds("max-age"); ok && age > most {
		return false
	}
	if least, ok := asks.seconds("min-fresh"); ok && life-age < least {
		return false
	}
	if life > age {
		return true
	}
	if says.has("must-revalidate") || !asks.has("max-stale") {
		return false
	}
	most, _ := asks.seconds("max-stale")
	return asks["max-stale"] == "" || age-life <= most
}

// usableOnError reports whether a stale response may be used because the server failed: RFC 5861 4.
func (v *variant) usableOnError(asks directives, now time.Time) bool {
	says := parseDirectives(v.Header)
	if says.has("must-revalidate") || says.has("no-cache") || asks.has("no-cache") {
		return false
	}
	for _, d := range []directives{says, asks} {
		if more, ok := d.seconds("stale-if-error"); ok && v.age(now)-v.lifetime() <= more {
			return true
		}
	}
	return false
}
