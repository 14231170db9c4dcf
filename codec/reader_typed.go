package codec

import (
	"encoding/binary"
	"unicode/utf8"
)

// fixed is Next for numbers: with an error the bytes are zeros.
func (r *Reader) fixed(n int) ([]byte, error) {
	if p := r.pos; n <= len(r.buf)-p {
		r.pos += n
		return r.buf[p : p+n], nil
	}
	p, err := r.nextSlow(n)
	if err != nil {
		return zeros[:n], err
	}
	return p, nil
}

var zeros [8]byte

// Uint8 reads one byte.
func (r *Reader) Uint8() (uint8, error) {
	p, err := r.fixed(1)
	return p[0], err
}

// Bool reads one byte, 0 or 1; any other is ErrMalformed.
func (r *Reader) Bool() (bool, error) {
	p, err := r.fixed(1)
	if p[0] > 1 {
		if _, cut := r.err.(*Error); cut {
			r.err = nil // what is missing behind an invalid byte does not matter
		}
		return false, r.Fail(r.Offset()-1, because(ErrMalformed, "invalid bool %d, want 0 or 1", p[0]))
	}
	return p[0] == 1, err
}

// Uint16 reads two bytes in big-endian order.
func (r *Reader) Uint16() (uint16, error) {
	p, err := r.fixed(2)
	return binary.BigEndian.Uint16(p), err
}

// Uint16LE reads two bytes in little-endian order.
func (r *Reader) Uint16LE() (uint16, error) {
	p, err := r.fixed(2)
	return binary.LittleEndian.Uint16(p), err
}

// Uint24 reads three bytes in big-endian order.
func (r *Reader) Uint24() (uint32, error) {
	p, err := r.fixed(3)
	return uint32(op24.load(p)), err
}

// Uint24LE reads three bytes in little-endian order.
func (r *Reader) Uint24LE() (uint32, error) {
	p, err := r.fixed(3)
	return uint32(op24LE.load(p)), err
}

// Uint32 reads four bytes in big-endian order.
func (r *Reader) Uint32() (uint32, error) {
	p, err := r.fixed(4)
	return binary.BigEndian.Uint32(p), err
}

// Uint32LE reads four bytes in little-endian order.
func (r *Reader) Uint32LE() (uint32, error) {
	p, err := r.fixed(4)
	return binary.LittleEndian.Uint32(p), err
}

// Uint64 reads eight bytes in big-endian order.
func (r *Reader) Uint64() (uint64, error) {
	p, err := r.fixed(8)
	return binary.BigEndian.Uint64(p), err
}

// Uint64LE reads eight bytes in little-endian order.
func (r *Reader) Uint64LE() (uint64, error) {
	p, err := r.fixed(8)
	return binary.LittleEndian.Uint64(p), err
}

// Text is Bytes as a string. It does not look at the encoding.
func (r *Reader) Text(n int) (string, error) {
	p, err := r.Bytes(n)
	return ownedString(p), err
}

// UTF8 is Text for UTF-8: invalid text is ErrMalformed.
func (r *Reader) UTF8(n int) (string, error) {
	at := r.Offset()
	s, err := r.Text(n)
	if err != nil || utf8.ValidString(s) {
		return s, err
	}
	return "", r.Fail(at+int64(invalidUTF8(s)), because(ErrMalformed, "invalid UTF-8"))
}

// count checks a received count of n values of at least least bytes each against the enclosing frame. room is the number
// of values, of size bytes in memory, to allocate at first: those that may be at hand, or a few. Lists may lie in lists,
// all of which count the same bytes, so firstRoom bounds the memory of each.
func (r *Reader) count(n, least, size int) (room int, err error) {
	if left := max(r.left()-r.kept(), 0); r.limit < noLimit && least > 0 && n > left/least {
		return 0, r.Fail(r.Offset(), because(ErrTooLarge, "%d values of at least %d bytes exceed the %d bytes left in the frame", n, least, left))
	}
	return min(n, max(min(len(r.Buffered())/max(least, 1), firstRoom/max(size, 1)), 4)), nil
}
