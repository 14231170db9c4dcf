package http1

// Fields are the fields of a head, or the trailers of a body, in the order of their arrival. Names and values are
// slices of the window, valid until the next Fill or Read of the source.
type Fields struct {
	window []byte
	list   []field
	folded []byte // values that lie in several lines, joined
}

// field is where a name and its value lie.
type field struct {
	name, nameEnd   int32
	value, valueEnd int32
	known           Known
	folded          bool // the value lies in Fields.folded
}

// Len returns how many fields there are.
func (f *Fields) Len() int { return len(f.list) }

// Name returns the name of a field, as it was spelled.
func (f *Fields) Name(i int) []byte {
	x := &f.list[i]
	return f.window[x.name:x.nameEnd]
}

// Known returns which well-known name a field has.
func (f *Fields) Known(i int) Known { return f.list[i].known }

// Value returns the value of a field, without white space around it.
func (f *Fields) Value(i int) []byte {
	x := &f.list[i]
	if x.folded {
		return f.folded[x.value:x.valueEnd]
	}
	return f.window[x.value:x.valueEnd]
}

// NameIn returns the canonical name of a field: a constant, or a part of text, a copy of the head, if the field is
// spelled that way.
func (f *Fields) NameIn(text string, i int) string {
	x := &f.list[i]
	if x.known != Unknown {
		return names[x.known]
	}
	if name := text[x.name:x.nameEnd]; isCanonical(name) {
		return name
	}
	return Canonical(f.Name(i), Unknown)
}

// ValueIn returns the value of a field as a part of text, a copy of the head.
func (f *Fields) ValueIn(text string, i int) string {
	x := &f.list[i]
	if x.folded {
		return string(f.folded[x.value:x.valueEnd])
	}
	return text[x.value:x.valueEnd]
}

// Map returns the fields by name, those of one name in order, except the fields for which leaveOut returns true. text
// is a copy of the head, and the strings are parts of it.
func (f *Fields) Map(text string, leaveOut func(k Known, i int) bool) map[string][]string {
	n := f.Len()
	m := make(map[string][]string, n)
	var values []string // one for each name
	for i := range n {
		if leaveOut(f.Known(i), i) {
			continue
		}
		name := f.NameIn(text, i)
		if old := m[name]; old != nil {
			m[name] = append(old, f.ValueIn(text, i))
			continue
		}
		if values == nil {
			values = make([]string, 0, n-i)
		}
		values = append(values, f.ValueIn(text, i))
		last := len(values)
		m[name] = values[last-1 : last : last]
	}
	return m
}

// Get returns the first value of a name.
func (f *Fields) Get(k Known) (value []byte, ok bool) {
	for i := range f.list {
		if f.list[i].known == k {
			return f.Value(i), true
		}
	}
	return nil, false
}

func (f *Fields) reset() {
	f.window = nil
	f.list = f.list[:0]
	if cap(f.folded) > 4<<10 {
		f.folded = nil
	}
	f.folded = f.folded[:0]
}

// add takes the field line p[from:to].
func (f *Fields) add(p []byte, from, to int) *Error {
	colon := from
	for colon < to && class[p[colon]]&isToken != 0 {
		colon++
	}
	if colon == from || colon == to || p[colon] != ':' {
		return errFieldName
	}
	value, end := trim(p, colon+1, to)
	if !validValue(p[value:end]) {
		return errFieldValue
	}
	f.list = append(f.list, field{
		name: int32(from), nameEnd: int32(colon), value: int32(value), valueEnd: int32(end),
		known: Lookup(p[from:colon]),
	})
	return nil
}

// fold adds the line p[from:to], which begins with white space, to the last value.
func (f *Fields) fold(p []byte, from, to int, limit int) *Error {
	if len(f.list) == 0 {
		return errFold
	}
	last := &f.list[len(f.list)-1]
	if !last.folded {
		start := len(f.folded)
		f.folded = append(f.folded, p[last.value:last.valueEnd]...)
		last.value, last.valueEnd, last.folded = int32(start), int32(len(f.folded)), true
	}
	from, to = trim(p, from, to)
	if !validValue(p[from:to]) {
		return errFieldValue
	}
	if from < to {
		if last.value < last.valueEnd {
			f.folded = append(f.folded, ' ')
		}
		f.folded = append(f.folded, p[from:to]...)
		last.valueEnd = int32(len(f.folded))
	}
	if int(last.valueEnd-last.value) > limit {
		return errFieldLong
	}
	return nil
}
