package httpd

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxRanges is how many ranges a request may ask for. One that asks for more gets everything.
const maxRanges = 16

// span is a part of something.
type span struct{ off, n int64 }

// contentRange is the value of the field of that name.
func (s span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(s.off, 10) + "-" + strconv.FormatInt(s.off+s.n-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// parseRange returns the parts of size bytes that a Range field asks for: RFC 9110 14. Without any, whole says that
// everything is to be sent, because there is no field, it is invalid, or asks for too many ranges or overlapping ones; if it is
// false none of the ranges can be satisfied.
func parseRange(field string, size int64) (spans []span, whole bool) {
	list, ok := strings.CutPrefix(field, "bytes=")
	if !ok || size == 0 {
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

// parseSpan parses one range. One that lies outside has no bytes.
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

// parsePosition parses digits alone. A number beyond 63 bits is as good as the largest.
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
