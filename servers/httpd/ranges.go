package httpd

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// maxRanges limits the ranges of a request. A request for more gets the whole.
const maxRanges = 16

// span is a range of bytes.
type span struct{ off, n int64 }

// contentRange returns the value of the Content-Range field.
func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.off, 10) + "-" + strconv.FormatInt(s.off+s.n-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// parseRange returns the ranges of a Range field for size bytes: RFC 9110 14. If it returns none, whole reports whether
// to send everything, because the field is absent or invalid, or has too many or overlapping ranges. If whole is false,
// no range can be satisfied.
func parseRange(field string, size int64) (spans []span, whole bool) {
	unit, list, _ := strings.Cut(field, "=")
	if !http1.EqualFold(unit, "bytes") || size == 0 {
		return nil, true
	}
	count := 0
	for spec := range strings.SplitSeq(list, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		if count++; count > maxRanges {
			return nil, true
		}
		s, valid := parseSpan(spec, size)
		switch {
		case !valid:
			return nil, true
		case s.n > 0:
			spans = append(spans, s)
		}
	}
	if count == 0 || overlap(spans) {
		return nil, true
	}
	return spans, false
}

// parseSpan parses one range. A range outside size has length 0.
func parseSpan(spec string, size int64) (s span, valid bool) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return span{}, false
	}
	if first == "" {
		n, ok := parsePosition(last)
		n = min(n, size)
		return span{size - n, n}, ok
	}
	from, ok := parsePosition(first)
	if !ok {
		return span{}, false
	}
	to := size - 1
	if last != "" {
		if to, ok = parsePosition(last); !ok || to < from {
			return span{}, false
		}
	}
	if from >= size {
		return span{}, true
	}
	return span{from, min(to, size-1) - from + 1}, true
}

// parsePosition parses a number that consists only of digits. A number that does not fit in an int64 becomes the
// largest one.
func parsePosition(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

func overlap(spans []span) bool {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return cmp.Compare(a.off, b.off) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].off < sorted[i-1].off+sorted[i-1].n {
			return true
		}
	}
	return false
}
