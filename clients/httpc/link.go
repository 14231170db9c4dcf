package httpc

import (
	"net/http"
	"net/url"
	"strings"
)

// Link is one link of a Link field (RFC 8288).
type Link struct {
	URL    *url.URL          // resolved against the URL of the response
	Rel    []string          // relations such as next, in lower case
	Params map[string]string // other parameters, names in lower case; the first of each name
}

// Links returns the links of the response, in order, as [ParseLinks] does.
func (r *Response) Links() []Link { return ParseLinks(r.URL, r.Header) }

// Link returns the URL of the first link with the relation, or nil.
func (r *Response) Link(rel string) *url.URL {
	for _, l := range r.Links() {
		for _, have := range l.Rel {
			if strings.EqualFold(have, rel) {
				return l.URL
			}
		}
	}
	return nil
}

// ParseLinks returns the links of the Link fields of h, relative to base. A link that is malformed ends its field (RFC
// 8288 B.2); one whose target is not a URL is omitted.
func ParseLinks(base *url.URL, h http.Header) (links []Link) {
	for _, field := range h["Link"] {
		for field != "" {
			var l *Link
			l, field = cutLink(base, field)
			if l != nil {
				links = append(links, *l)
			}
		}
	}
	return links
}

// cutLink parses the first link of a field and returns the rest after its comma. The link is nil if it is malformed.
func cutLink(base *url.URL, s string) (*Link, string) {
	s = strings.TrimLeft(s, " \t,")
	if !strings.HasPrefix(s, "<") {
		return nil, ""
	}
	target, s, found := strings.Cut(s[1:], ">")
	if !found {
		return nil, ""
	}
	l := &Link{Params: map[string]string{}}
	for {
		s = strings.TrimLeft(s, " \t")
		rest, more := strings.CutPrefix(s, ";")
		if !more {
			break
		}
		s = l.cutParam(strings.TrimLeft(rest, " \t"))
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, strings.TrimLeft(s, ",")
	}
	if l.URL = u; base != nil {
		l.URL = base.ResolveReference(u)
	}
	return l, strings.TrimPrefix(s, ",")
}

// cutParam parses a parameter and returns the rest.
func (l *Link) cutParam(s string) string {
	i := strings.IndexAny(s, "=;, \t")
	if i < 0 {
		i = len(s)
	}
	name, value := strings.ToLower(s[:i]), ""
	s = strings.TrimLeft(s[i:], " \t")
	if rest, ok := strings.CutPrefix(s, "="); ok {
		value, s = cutLinkValue(strings.TrimLeft(rest, " \t"))
	}
	switch {
	case name == "rel" && l.Rel == nil:
		l.Rel = strings.Fields(strings.ToLower(value))
	case name != "" && name != "rel":
		if _, known := l.Params[name]; !known {
			l.Params[name] = value
		}
	}
	return s
}

// cutLinkValue is cutValue for values that also end at a semicolon.
func cutLinkValue(s string) (value, rest string) {
	if strings.HasPrefix(s, `"`) {
		return cutValue(s)
	}
	i := strings.IndexAny(s, ";, \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}
