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

func parseTag(where, text string) (*tag, error) {
	t := &tag{where, map[string]string{}, map[string]bool{}}
	for part := range strings.SplitSeq(reflect.StructTag(text).Get("wire"), ",") {
		key, value, given := strings.Cut(part, "=")
		if _, twice := t.parts[key]; twice {
			return nil, t.fail("the tag has %q twice", key)
		}
		if key != "" && given == slices.Contains([]string{"-", "le", "be", "raw", "rest"}, key) {
			return nil, t.fail("the tag has %q, which has no meaning; see the comment of codec.Struct", part)
		}
		if key != "" {
			t.parts[key] = value
		}
	}
	return t, nil
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
func (t *tag) order(little bool) (bool, error) {
	le, be := t.word("le"), t.word("be")
	if le && be {
		return false, t.fail("the tag has both le and be")
	}
	return le || little && !be, nil
}

// length is the number in front of a text or of values.
type length struct {
	codec string // such as Uint16LE
	width int
	max   int
}

func (l *length) expressed() uint64 { return 1<<(8*l.width) - 1 }

func (l *length) le() bool { return strings.HasSuffix(l.codec, "LE") }

// bits is an integer as one of this width, or as it is if Go has no such type.
func (l *length) bits(value string) string {
	if l.width == 3 {
		return value
	}
	return fmt.Sprintf("uint%d(%s)", 8*l.width, value)
}

// otherwise is the max of a length without a tag for it, where most is the default.
func (l *length) otherwise(most int) int { return int(min(uint64(most), l.expressed())) }

// lengths are the widths of numbers.
var lengths = map[string]int{"u8": 1, "u16": 2, "u24": 3, "u32": 4}

func (t *tag) length(key string, most int, little bool) (*length, error) {
	name := strings.TrimSuffix(strings.TrimSuffix(t.parts[key], "le"), "be")
	l := &length{codec: "Uint" + strings.TrimPrefix(name, "u"), width: lengths[name]}
	if !t.word(key) || l.width == 0 || l.width == 1 && t.parts[key] != name {
		return nil, t.fail("the field needs a tag such as `wire:\"%s=u16\"`: u8, u16, u24 or u32, optionally followed by le or be", key)
	}
	if l.width > 1 && (strings.HasSuffix(t.parts[key], "le") || little && !strings.HasSuffix(t.parts[key], "be")) {
		l.codec += "LE"
	}
	var err error
	if l.max, err = t.number("max", l.otherwise(most)); err == nil && uint64(l.max) > l.expressed() {
		err = t.fail("max=%d is more than %s can express", l.max, name)
	}
	return l, err
}

// done refuses a tag that was not understood.
func (t *tag) done() error {
	for _, key := range slices.Sorted(maps.Keys(t.parts)) {
		if !t.used[key] {
			return t.fail("the tag has %q, which has no meaning for this field", key)
		}
	}
	return nil
}
