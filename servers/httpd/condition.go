package httpd

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// validators are the validators of a reply, with which the conditions of a request are compared: RFC 9110 8.8.
type validators struct {
	etag     string
	modified time.Time
}

// validatorsOf returns the validators in a header.
func validatorsOf(h http.Header) validators {
	v := validators{etag: h.Get("Etag")}
	v.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	return v
}

// precondition evaluates the conditions of a GET or HEAD request in the order of RFC 9110 13.2.2. instead is the status
// to answer without the content, or 0. ranges reports whether a Range field applies.
func precondition(r *http.Request, v validators) (instead int, ranges bool) {
	h := r.Header
	match, none := h["If-Match"], h["If-None-Match"]
	if v.etag == "" && v.modified.IsZero() && len(match)+len(none) == 0 { // the other conditions need a validator
		return 0, h.Get("If-Range") == ""
	}
	switch {
	case len(match) > 0:
		if !matches(match, v.etag, strongMatch) {
			return http.StatusPreconditionFailed, false
		}
	case after(v.modified, h.Get("If-Unmodified-Since")):
		return http.StatusPreconditionFailed, false
	}
	if len(none) > 0 {
		if matches(none, v.etag, weakMatch) {
			return http.StatusNotModified, false
		}
	} else if notAfter(v.modified, h.Get("If-Modified-Since")) {
		return http.StatusNotModified, false
	}
	return 0, rangesFit(h.Get("If-Range"), v)
}

// rangesFit reports whether If-Range permits a Range: RFC 9110 13.1.5.
func rangesFit(field string, v validators) bool {
	if field == "" {
		return true
	}
	if tag, _ := cutTag(field); tag != "" {
		return strongMatch(tag, v.etag)
	}
	t, err := http.ParseTime(field)
	return err == nil && !v.modified.IsZero() && t.Equal(v.modified.Truncate(time.Second))
}

// after reports whether modified is later than the date of a field. It returns false if either is missing.
func after(modified time.Time, field string) bool {
	t, err := parseTime(field)
	return err == nil && !modified.IsZero() && modified.Truncate(time.Second).After(t)
}

func notAfter(modified time.Time, field string) bool {
	t, err := parseTime(field)
	return err == nil && !modified.IsZero() && !modified.Truncate(time.Second).After(t)
}

// matches reports whether a list of entity tags contains etag. An asterisk matches every tag.
func matches(fields []string, etag string, match func(a, b string) bool) bool {
	list := strings.Trim(strings.Join(fields, ","), " \t")
	if list == "*" {
		return true
	}
	for list != "" {
		var tag string
		if tag, list = cutTag(strings.TrimLeft(list, " \t,")); tag == "" {
			return false
		}
		if match(tag, etag) {
			return true
		}
	}
	return false
}

// cutTag returns the entity tag at the start of s, or "", and the rest.
func cutTag(s string) (tag, rest string) {
	start := len(s) - len(strings.TrimPrefix(s, "W/"))
	if start >= len(s) || s[start] != '"' {
		return "", ""
	}
	end := strings.IndexByte(s[start+1:], '"')
	if end < 0 {
		return "", ""
	}
	end += start + 2
	return s[:end], s[end:]
}

func strongMatch(a, b string) bool { return a == b && a != "" && a[0] == '"' }

func weakMatch(a, b string) bool {
	return b != "" && strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// answerCondition sends the reply without the content.
func answerCondition(w http.ResponseWriter, status int) error {
	h := w.Header()
	h.Del("Content-Type")
	h.Del("Content-Length")
	h.Del("Content-Encoding")
	if h.Get("Etag") != "" {
		h.Del("Last-Modified")
	}
	if status != http.StatusNotModified {
		clearFreshness(h)
	}
	w.WriteHeader(status)
	return nil
}

var errNoTime = errors.New("no time")

// parseTime is http.ParseTime, which makes three errors of a field that is not there.
func parseTime(field string) (time.Time, error) {
	if field == "" {
		return time.Time{}, errNoTime
	}
	return http.ParseTime(field)
}
