package http1

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The following parses messages only by the grammar of RFC 9110 and RFC 9112, with regular expressions over a whole
// input in ISO 8859-1. It is slow and works differently from the parser.
const (
	token  = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	quoted = `"(?:[\t \x21\x23-\x5b\x5d-\x7e\x{80}-\x{ff}]|\\[\t\x20-\x7e\x{80}-\x{ff}])*"`
)

var (
	grammarRequest  = regexp.MustCompile(`^(` + token + `) (/[\x21\x22\x24-\x7e]*) HTTP/1\.([0-9])$`)
	grammarStatus   = regexp.MustCompile(`^HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x{80}-\x{ff}]*)?$`)
	grammarField    = regexp.MustCompile(`^(` + token + `):[\t ]*(|[\x21-\x7e\x{80}-\x{ff}]|[\x21-\x7e\x{80}-\x{ff}][\t\x20-\x7e\x{80}-\x{ff}]*[\x21-\x7e\x{80}-\x{ff}])[\t ]*$`)
	grammarHost     = regexp.MustCompile(`^([A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+(?::0*([0-9]{0,5}))?$`)
	grammarLength   = regexp.MustCompile(`^[0-9]+$`)
	grammarCodings  = regexp.MustCompile(`^` + token + `([\t ]*,[\t ]*` + token + `)*$`)
	grammarChunk    = regexp.MustCompile(`^([0-9A-Fa-f]{1,16})(?:[\t ]*;[\t ]*` + token + `(?:[\t ]*=[\t ]*(?:` + token + `|` + quoted + `))?)*\r\n`)
	grammarLineEnd  = regexp.MustCompile(`\r?\n`)
	grammarHeadEnd  = regexp.MustCompile(`\r?\n\r?\n`)
	grammarFoldedBy = regexp.MustCompile(`[\t ]*\r?\n[\t ]+`)
)

// latin1 converts each byte to a character.
func latin1(s string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteRune(rune(s[i]))
	}
	return out.String()
}

// grammarHead is a head parsed by the grammar.
type grammarHead struct {
	method, target, minor            string
	hosts, lengths, codings, options []string
}

// field parses a field line, and reports whether it is valid.
func (h *grammarHead) field(line string) bool {
	m := grammarField.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	switch strings.ToLower(m[1]) {
	case "host":
		h.hosts = append(h.hosts, m[2])
	case "content-length":
		h.lengths = append(h.lengths, m[2])
	case "transfer-encoding":
		h.codings = append(h.codings, m[2])
	case "connection":
		for option := range strings.SplitSeq(m[2], ",") {
			h.options = append(h.options, strings.ToLower(strings.Trim(option, "\t ")))
		}
	}
	return true
}

func (h *grammarHead) persists() bool {
	return !slices.Contains(h.options, "close") && (h.minor != "0" || slices.Contains(h.options, "keep-alive"))
}

// elements returns the elements of Transfer-Encoding in lower case, or nil if it is malformed, and the number of those
// that are chunked.
func (h *grammarHead) elements() (codings []string, chunked int) {
	list := strings.ToLower(strings.Join(h.codings, ","))
	if !grammarCodings.MatchString(list) {
		return nil, 0
	}
	for coding := range strings.SplitSeq(list, ",") {
		coding = strings.Trim(coding, "\t ")
		codings = append(codings, coding)
		if coding == "chunked" {
			chunked++
		}
	}
	return codings, chunked
}

// byGrammar returns the requests in an input, and the status of the refusal that follows them, or 0 at the end.
func byGrammar(input string) (requests []string, status int) {
	rest := latin1(input)
	for {
		for range 4 {
			rest = strings.TrimPrefix(rest, "\r\n")
		}
		if rest == "" {
			return requests, 0
		}
		text, body, ok := strings.Cut(rest, "\r\n\r\n")
		if !ok {
			text = strings.TrimSuffix(text, "\r\n")
		}
		var h grammarHead
		for i, line := range strings.Split(text, "\r\n") {
			if m := grammarRequest.FindStringSubmatch(line); i == 0 && m != nil {
				h.method, h.target, h.minor = m[1], m[2], m[3]
			} else if i == 0 || !h.field(line) {
				return requests, 400
			}
		}
		if !ok {
			return requests, -1
		}
		length, status := h.request()
		if status != 0 {
			return requests, status
		}
		content, after, status := grammarBody(body, length)
		if status != 0 {
			return requests, status
		}
		requests = append(requests, h.method+" "+h.target+" "+content)
		if !h.persists() {
			return requests, 0
		}
		rest = after
	}
}

func hostByGrammar(host string) bool {
	m := grammarHost.FindStringSubmatch(host)
	return m != nil && (len(m[2]) < 5 || m[2] <= "65535")
}

// request returns the length of the body of a request, -1 if it is chunked, or the status of a refusal.
func (h *grammarHead) request() (length int, status int) {
	if len(h.hosts) > 1 || len(h.hosts) == 0 && h.minor != "0" || len(h.hosts) == 1 && !hostByGrammar(h.hosts[0]) {
		return 0, 400
	}
	if len(h.codings) > 0 {
		codings, chunked := h.elements()
		switch {
		case len(h.lengths) > 0, h.minor == "0", len(h.codings) > 1, chunked != 1, codings[len(codings)-1] != "chunked":
			return 0, 400
		case len(codings) > 1:
			return 0, 501
		}
		return -1, 0
	}
	if len(h.lengths) == 0 {
		return 0, 0
	}
	n, err := strconv.Atoi(h.lengths[0])
	if len(h.lengths) > 1 || !grammarLength.MatchString(h.lengths[0]) || err != nil {
		return 0, 400
	}
	return n, 0
}

// grammarBody returns a body and the rest.
func grammarBody(rest string, length int) (content, after string, status int) {
	if length >= 0 {
		content, after, ok := cutCharacters(rest, int64(length))
		if !ok {
			return "", "", -1
		}
		return content, after, 0
	}
	for {
		m := grammarChunk.FindStringSubmatch(rest)
		if m == nil {
			return "", "", 400
		}
		rest = rest[len(m[0]):]
		n, err := strconv.ParseInt(m[1], 16, 64)
		switch {
		case err != nil:
			return "", "", 400
		case n == 0:
			after, status := grammarTrailers(rest)
			return content, after, status
		}
		data, after, ok := cutCharacters(rest, n)
		if !ok {
			return "", "", -1
		}
		content, rest = content+data, after
		if !strings.HasPrefix(rest, "\r\n") {
			return "", "", 400
		}
		rest = rest[2:]
	}
}

// cutCharacters cuts s after n characters.
func cutCharacters(s string, n int64) (before, after string, ok bool) {
	for at := range s {
		if n == 0 {
			return s[:at], s[at:], true
		}
		n--
	}
	return s, "", n == 0
}

// grammarTrailers returns the rest after the trailers.
func grammarTrailers(rest string) (after string, status int) {
	for {
		line, after, ok := strings.Cut(rest, "\r\n")
		switch {
		case ok && line == "":
			return after, 0
		case !ok, !new(grammarHead).field(line):
			return "", 400
		}
		rest = after
	}
}

// responseByGrammar returns the result of a client that reads a response, in the form of readResponse.
func responseByGrammar(input string) string {
	text := latin1(input)
	end := grammarHeadEnd.FindStringIndex(text)
	if end == nil {
		return refused
	}
	body := text[end[1]:]
	lines := grammarLineEnd.Split(text[:end[0]], 2)
	var h grammarHead
	m := grammarStatus.FindStringSubmatch(lines[0])
	if m == nil {
		return refused
	}
	h.minor = m[1]
	if len(lines) > 1 {
		if strings.HasPrefix(lines[1], " ") || strings.HasPrefix(lines[1], "\t") {
			return refused
		}
		for _, line := range grammarLineEnd.Split(grammarFoldedBy.ReplaceAllString(lines[1], " "), -1) {
			if !h.field(line) {
				return refused
			}
		}
	}
	return h.response(body)
}

func (h *grammarHead) response(body string) string {
	untilClose := fmt.Sprintf("%q false", body)
	if len(h.codings) > 0 {
		codings, chunked := h.elements()
		switch {
		case h.minor == "0":
			return untilClose
		case codings == nil, chunked > 1:
			return refused
		case codings[len(codings)-1] != "chunked":
			return untilClose
		case len(codings) > 1: // not requested
			return refused
		}
		content, _, status := grammarBody(body, -1)
		if status != 0 {
			return refused
		}
		return fmt.Sprintf("%q %v", content, h.persists() && len(h.lengths) == 0)
	}
	if len(h.lengths) == 0 {
		return untilClose
	}
	length := -1
	for one := range strings.SplitSeq(strings.Join(h.lengths, ","), ",") {
		one = strings.Trim(one, "\t ")
		n, err := strconv.Atoi(one)
		if !grammarLength.MatchString(one) || err != nil || length >= 0 && n != length {
			return refused
		}
		length = n
	}
	content, _, status := grammarBody(body, length)
	if status != 0 {
		return refused
	}
	return fmt.Sprintf("%q %v", content, h.persists())
}
