package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// metric is one line of statsd:
//
//	requests:1|c            a counter
//	requests:1|c|@0.1       one of which a tenth is reported
//	load:0.5|g   load:-1|g  a gauge, and one that changes by so much
//	query:12.5|ms           a timer in milliseconds; |h and |d are the same
//	users:alice|s           a member of a set
type metric struct {
	name string
	kind string // c, g, ms or s
	text string // the value
	n    float64
	rate float64
}

// parse parses a line. It ignores tags ("|#...") and anything else that may follow.
func parse(line string) (m metric, err error) {
	name, rest, ok := strings.Cut(line, ":")
	fields := strings.Split(rest, "|")
	if !ok || name == "" || len(fields) < 2 {
		return m, fmt.Errorf("a metric is name:value|type, got %q", line)
	}
	m = metric{name: name, text: fields[0], kind: fields[1], rate: 1}
	switch m.kind {
	case "c", "g", "ms", "h", "d":
		if m.n, err = strconv.ParseFloat(m.text, 64); err != nil {
			return m, err
		}
		if math.IsNaN(m.n) || math.IsInf(m.n, 0) { // one of them would stay in every sum
			return m, fmt.Errorf("a value is finite, got %q", m.text)
		}
	case "s":
	default:
		return m, fmt.Errorf("no type of metric is %q", m.kind)
	}
	if m.kind == "h" || m.kind == "d" {
		m.kind = "ms"
	}
	for _, f := range fields[2:] {
		if rate, ok := strings.CutPrefix(f, "@"); ok {
			if m.rate, err = strconv.ParseFloat(rate, 64); err != nil || !(m.rate > 0 && m.rate <= 1) {
				return m, fmt.Errorf("a rate is over 0 and at most 1, got %q", rate)
			}
		}
	}
	return m, nil
}

// isChange reports whether the value changes a gauge rather than setting it.
func (m metric) isChange() bool {
	return strings.HasPrefix(m.text, "+") || strings.HasPrefix(m.text, "-")
}
