package cache

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// directives are the directives of Cache-Control, with names in lower case: RFC 9111 5.2. The first value of a repeated
// directive counts.
type directives map[string]string

// parseDirectives parses the Cache-Control fields. A comma in a quoted string does not separate directives.
func parseDirectives(h http.Header) directives {
	d := directives{}
	for _, line := range h["Cache-Control"] {
		for line != "" {
			var item string
			item, line = cutItem(line)
			name, value, found := strings.Cut(item, "=")
			if name = strings.ToLower(name); name == "" {
				continue
			}
			if found {
				value = unquote(value)
			}
			if _, twice := d[name]; !twice {
				d[name] = value
			}
		}
	}
	return d
}

// cutItem cuts the first member off a list.
func cutItem(list string) (item, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:]
		}
	}
	return strings.Trim(list, " \t"), ""
}

// unquote returns the value of a quoted string (RFC 9110 5.6.4), or s if it is not one.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (d directives) has(name string) bool {
	_, ok := d[name]
	return ok
}

// seconds returns the value of a directive in seconds. An invalid value is 0, which makes the response stale:
// RFC 9111 4.2.1.
func (d directives) seconds(name string) (value time.Duration, ok bool) {
	text, ok := d[name]
	if !ok {
		return 0, false
	}
	value, _ = parseSeconds(text)
	return value, true
}

// maxSeconds replaces larger values: RFC 9111 1.2.2.
const maxSeconds = math.MaxInt32

// parseSeconds parses delta-seconds.
func parseSeconds(text string) (time.Duration, bool) {
	n := int64(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(text[i]-'0'), maxSeconds)
	}
	return time.Duration(n) * time.Second, text != ""
}

// fields returns the names that a directive such as no-cache="a, b" lists.
func (d directives) fields(name string) (names []string) {
	for field := range strings.SplitSeq(d[name], ",") {
		if field = strings.Trim(field, " \t"); field != "" {
			names = append(names, http.CanonicalHeaderKey(field))
		}
	}
	return names
}

// asks returns the directives of a request. Pragma counts if there is no Cache-Control: RFC 9111 5.4.
func asks(h http.Header) directives {
	d := parseDirectives(h)
	if len(h["Cache-Control"]) == 0 && strings.Contains(strings.ToLower(strings.Join(h["Pragma"], ",")), "no-cache") {
		d["no-cache"] = ""
	}
	return d
}
