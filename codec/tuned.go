package codec

import "fmt"

// Tuned is c with functions for its common values, by hand or made by the wiregen command, that are faster than what c is
// composed of. c alone says what a value looks like: it has the last word wherever a function returns false, and its
// errors are the only ones.
//
//	//go:generate go run github.com/weir-go/weir/codec/wiregen Order
//
//	var order = codec.Tuned(codec.Struct[Order](), (*Order).appendWire, (*Order).decodeWire)
//
// appendWire appends v to dst, or returns false and anything. decodeWire fills v with the value at the start of p and tells
// how many bytes that took. It returns false if p does not hold it all or if anything about it is wrong; v may then have
// been written to. What v keeps of p it copies with m.
//
// Neither may block, nor keep a pointer that it was given, not even to v or m: these may lie on the caller's stack, unknown
// to the compiler, so that a pointer kept points to nowhere once the function has returned.
//
// The functions are tried with variations of the zero value when the codec is built: Tuned panics if they do not agree
// with c, as functions do that were generated before a field was added.
func Tuned[T any](
	c Codec[T], appendWire func(v *T, dst []byte) (_ []byte, ok bool), decodeWire func(v *T, p []byte, m *Memory) (n int, ok bool),
) Codec[T] {
	notNil(c, "Tuned")
	if appendWire == nil || decodeWire == nil {
		panic("codec: Tuned: both functions are needed")
	}
	t := &tuned[T]{c, appendWire, decodeWire}
	if err := t.try(); err != nil {
		panic(fmt.Sprintf("codec: Tuned: the functions for %T do not agree with the codec: %v; if they were generated, run go generate again", *new(T), err))
	}
	return t
}

type tuned[T any] struct {
	c          Codec[T]
	appendWire func(v *T, dst []byte) ([]byte, bool)
	decodeWire func(v *T, p []byte, m *Memory) (int, bool)
}

func (t *tuned[T]) Append(dst []byte, v T) ([]byte, error) {
	if out, ok := t.appendWire(hidden(&v), dst); ok {
		return out, nil
	}
	return t.c.Append(dst, v)
}

func (t *tuned[T]) Decode(r *Reader) (T, error) { return t.c.Decode(r) }

func (t *tuned[T]) Size() Size { return SizeOf(t.c) }

func (t *tuned[T]) appendQuick(dst []byte, v *T) ([]byte, bool) { return t.appendWire(v, dst) }

func (t *tuned[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	m := Memory{own: own}
	return t.decodeWire(v, p, hidden(&m))
}

// Memory makes the copies that a decoded value keeps, of many small ones in one allocation. It belongs to the call that
// it was given to.
type Memory struct {
	own  cloner
	lent *Reader // whose arena own is
}

// Bytes returns a copy of p, which is not nil.
func (m *Memory) Bytes(p []byte) []byte { return m.from().Clone(p) }

// String returns p as a string.
func (m *Memory) String(p []byte) string { return ownedString(m.from().Clone(p)) }

func (m *Memory) from() cloner {
	if m.own == nil {
		m.lent = readers.Get().(*Reader)
		m.own = &m.lent.arena
	}
	return m.own
}

// end gives back what was lent.
func (m *Memory) end() {
	if m.lent != nil {
		readers.Put(m.lent)
	}
}

// try compares the functions with the codec, each byte of the zero value being changed in turn.
func (t *tuned[T]) try() error {
	var zero T
	p, err := t.c.Append(nil, zero)
	if err != nil {
		return nil // there is nothing to compare with
	}
	n := len(p)
	for i := range 16 {
		p = append(p, 'a'+byte(i)) // for texts that a change makes longer
	}
	if err := t.tryOne(p); err != nil {
		return err
	}
	for i := range n {
		for _, change := range []byte{1, 0x82} {
			p[i] ^= change
			if err := t.tryOne(p); err != nil {
				return fmt.Errorf("byte %d as %#02x: %w", i, p[i], err)
			}
			p[i] ^= change
		}
	}
	return nil
}

// tryOne compares what is made of the start of p.
func (t *tuned[T]) tryOne(p []byte) error {
	var memory arena
	want, n, err := UnmarshalFirst(t.c, p)
	if err != nil {
		if _, ok := t.decodeQuick(p, &memory, &want); ok {
			return fmt.Errorf("decoded, where the codec says %w", err)
		}
		return nil
	}
	encoded, err := t.c.Append(nil, want)
	if err != nil {
		return nil
	}
	if out, ok := t.appendWire(&want, nil); ok && string(out) != string(encoded) {
		return fmt.Errorf("encoded as %x, by the codec as %x", out, encoded)
	}
	var got T
	used, ok := t.decodeQuick(p, &memory, &got)
	if !ok {
		return nil
	}
	if again, err := t.c.Append(nil, got); used != n || err != nil || string(again) != string(encoded) {
		return fmt.Errorf("decoded as %+v of %d bytes, by the codec as %+v of %d", got, used, want, n)
	}
	return nil
}
