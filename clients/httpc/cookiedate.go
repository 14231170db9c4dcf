package httpc

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookieDate parses the date of an Expires attribute (RFC 6265 5.1.1). It takes the first tokens that look like a time,
// a day, a month and a year, in any order. The zone is always GMT.
func cookieDate(text string) (time.Time, bool) {
	var clock, date [3]int // hour, minute, second; year, month, day
	var hasClock, hasDay, hasMonth, hasYear bool
	for _, token := range strings.FieldsFunc(text, isDateDelimiter) {
		if c, ok := clockOf(token); ok && !hasClock {
			clock, hasClock = c, true
		} else if n, ok := leadingNumber(token, 1, 2); ok && !hasDay {
			date[2], hasDay = n, true
		} else if m, ok := monthOf(token); ok && !hasMonth {
			date[1], hasMonth = m, true
		} else if n, ok := leadingNumber(token, 2, 4); ok && !hasYear {
			date[0], hasYear = n, true
		}
	}
	switch year := date[0]; {
	case year >= 70 && year <= 99:
		date[0] += 1900
	case year <= 69:
		date[0] += 2000
	}
	t := time.Date(date[0], time.Month(date[1]), date[2], clock[0], clock[1], clock[2], 0, time.UTC)
	exists := t.Day() == date[2] && clock[0] <= 23 && clock[1] <= 59 && clock[2] <= 59
	return t, hasClock && hasDay && hasMonth && hasYear && exists && date[0] >= 1601
}

// isDateDelimiter reports whether r separates the tokens of a date.
func isDateDelimiter(r rune) bool {
	return r == '\t' || r >= ' ' && r <= '/' || r >= ';' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
}

// clockOf parses hours, minutes and seconds of one or two digits each.
func clockOf(token string) (clock [3]int, ok bool) {
	hour, rest, found := strings.Cut(token, ":")
	minute, second, more := strings.Cut(rest, ":")
	if !found || !more || !isNumber(hour, 1, 2) || !isNumber(minute, 1, 2) {
		return clock, false
	}
	clock[0], _ = strconv.Atoi(hour)
	clock[1], _ = strconv.Atoi(minute)
	clock[2], ok = leadingNumber(second, 1, 2)
	return clock, ok
}

// leadingNumber parses the leading digits of token, if there are least to most of them.
func leadingNumber(token string, least, most int) (int, bool) {
	n := 0
	for n < len(token) && token[n] >= '0' && token[n] <= '9' {
		n++
	}
	if !isNumber(token[:n], least, most) {
		return 0, false
	}
	v, err := strconv.Atoi(token[:n])
	return v, err == nil
}

func isNumber(s string, least, most int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) >= least && len(s) <= most
}

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

func monthOf(token string) (int, bool) {
	if len(token) < 3 {
		return 0, false
	}
	i := slices.Index(months, strings.ToLower(token[:3]))
	return i + 1, i >= 0
}
