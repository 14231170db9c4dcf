package httpd

import (
	"net/http"
	"strings"
)

// quality returns the weight that a client assigns to a content coding, in thousandths: RFC 9110 12.5.3. 0 means that
// the coding must not be used. Without a field only identity has a weight.
func quality(acceptEncoding []string, coding string) int {
	named, any := -1, -1
	for _, field := range acceptEncoding {
		for item := range strings.SplitSeq(field, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.Trim(name, " \t"))
			q := weight(params)
			switch {
			case name == coding, name == "x-gzip" && coding == "gzip":
				named = max(named, q)
			case name == "*":
				any = max(any, q)
			}
		}
	}
	switch {
	case named >= 0:
		return named
	case any >= 0 && coding != "identity":
		return any
	case coding == "identity" && any != 0:
		return 1 // if nothing better is accepted
	}
	return 0
}

// weight parses the q parameter of an item, in thousandths. It returns 1000 if there is none, and 0 if it is invalid:
// RFC 9110 12.4.2.
func weight(params string) int {
	for param := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(param, "=")
		if strings.ToLower(strings.Trim(name, " \t")) != "q" || !ok {
			continue
		}
		return parseWeight(strings.Trim(value, " \t"))
	}
	return 1000
}

func parseWeight(s string) int {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > 3 || strings.Trim(fraction, "0123456789") != "" || whole != "0" && whole != "1" {
		return 0
	}
	q := 0
	for i := range 3 {
		q *= 10
		if i < len(fraction) {
			q += int(fraction[i] - '0')
		}
	}
	if whole == "1" {
		q += 1000
	}
	if q > 1000 {
		return 0
	}
	return q
}

// addVary adds name to Vary.
func addVary(h http.Header, name string) {
	for _, field := range h.Values("Vary") {
		for item := range strings.SplitSeq(field, ",") {
			if item = strings.Trim(item, " \t"); item == "*" || strings.EqualFold(item, name) {
				return
			}
		}
	}
	h.Add("Vary", name)
}
