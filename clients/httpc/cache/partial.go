package cache

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// isRanged reports whether a request has a Range that applies: RFC 9110 14.2.
func isRanged(r *http.Request) bool {
	return r.Method != http.MethodHead && len(r.Header["Range"]) > 0
}

// part returns the requested range of the stored response, or nil if the server must answer.
func (l *lookup) part(usable bool, now time.Time) *http.Response {
	if !usable || l.v.Status != http.StatusOK || l.v.Uncompressed {
		return nil
	}
	from, to, ok := span(l.r.Header["Range"], int64(len(l.body)))
	if !ok || !l.v.isStrong(l.r.Header) {
		return nil
	}
	resp := l.v.response(l.r, l.body, now, hit)
	if resp.StatusCode != http.StatusOK { // If-None-Match and If-Modified-Since come first: RFC 9110 13.2.2
		return resp
	}
	resp.StatusCode, resp.Status = http.StatusPartialContent, "206 Partial Content"
	resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(l.body)))
	resp.Header.Set("Content-Length", strconv.FormatInt(to-from, 10))
	resp.ContentLength = to - from
	resp.Body = io.NopCloser(bytes.NewReader(l.body[from:to]))
	return resp
}

// span parses a Range field with a single byte range, and returns the range in a body of that length: RFC 9110 14.1.2.
func span(field []string, length int64) (from, to int64, ok bool) {
	unit, ranges, found := strings.Cut(field[0], "=")
	first, last, hyphen := strings.Cut(strings.Trim(ranges, " \t"), "-")
	if len(field) != 1 || !found || !hyphen || !strings.EqualFold(unit, "bytes") {
		return 0, 0, false
	}
	low, okLow := position(first)
	high, okHigh := position(last)
	switch {
	case first == "" && okHigh:
		from, to = max(length-high, 0), length
	case okLow && last == "":
		from, to = low, length
	case okLow && okHigh && low <= high:
		from, to = low, min(high+1, length)
	}
	return from, to, from < to
}

// position parses a byte position.
func position(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 62) // which takes no sign
	return int64(n), err == nil
}

// isStrong reports whether the response matches If-Range, if that is present: RFC 9110 13.1.5.
func (v *variant) isStrong(h http.Header) bool {
	list, ok := h["If-Range"]
	if !ok {
		return true
	}
	want := strings.Trim(list[0], " \t")
	if strings.HasPrefix(want, `"`) {
		return len(list) == 1 && want == v.Header.Get("Etag")
	}
	changed, ok := timeOf(v.Header, "Last-Modified")
	return ok && len(list) == 1 && want == v.Header.Get("Last-Modified") && v.date().Sub(changed) >= time.Second
}
