package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// tag is a tag that is being read: what is taken from it must be all that is in it.
type tag struct {
	where string // for errors
	parts map[string]string
	used  map[string]bool
}

func parseTag(where, text string) *tag {
	t := &tag{where, map[string]string{}, map[string]bool{}}
	for part := range strings.SplitSeq(reflect.StructTag(text).Get("wire"), ",") {
		if key, value, _ := strings.Cut(part, "="); key != "" {
			t.parts[key] = value
		}
	}
	return t
}

func (t *tag) fail(format string, args ...any) error {
	return fmt.Errorf("%s: %s", t.where, fmt.Sprintf(format, args...))
}

func (t *tag) word(key string) bool {
	t.used[key] = true
	_, ok := t.parts[key]
	return ok
}

func (t *tag) number(key string, otherwise int) (int, error) {
	if !t.word(key) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(t.parts[key])
	if err != nil || n < 1 {
		return 0, t.fail("%s=%s is not a number of at least 1", key, t.parts[key])
	}
	return n, nil
}

// order reads the order of bytes.
func (t *tag) order() (little bool, err error) {
	little = t.word("le")
	if t.word("be") && little {
		return false, t.fail("the tag has both be and le")
	}
	return little, nil
}

// length is the number in front of a text or of values.
type length struct {
	codec string // such as Uint16LE
	width int
	max   int
}

// lengths are the widths of numbers.
var lengths = map[string]int{"u8": 1, "u16": 2, "u24": 3, "u32": 4}

func (t *tag) length(key string, most int) (*length, error) {
	name, little := strings.CutSuffix(t.parts[key], "le")
	l := &length{width: lengths[name]}
	if !t.word(key) || l.width == 0 || little && l.width == 1 {
		return nil, t.fail("needs a tag such as `wire:\"%s=u16\"`: u8, u16, u24 or u32, with le behind for little-endian", key)
	}
	if l.codec = "Uint" + name[1:]; little {
		l.codec += "LE"
	}
	limit := int(min(uint64(most), 1<<(8*l.width)-1))
	n, err := t.number("max", limit)
	l.max = min(n, limit)
	return l, err
}

// done refuses a tag that was not understood.
func (t *tag) done() error {
	for _, key := range slices.Sorted(maps.Keys(t.parts)) {
		if !t.used[key] {
			return t.fail("the tag has %q, which means nothing for this field", key)
		}
	}
	return nil
}
