package codec

import "hash/crc32"

// Checksum is c followed by a checksum of its bytes. of returns the sum of p, such as crc32.ChecksumIEEE,
// adler32.Checksum or xxhash.Sum64. The sum covers the bytes as they are sent. When decoding, a wrong sum is
// ErrMismatch. If c is open-ended it takes all bytes up to the sum, and the sum is verified before c decodes them.
//
//	Checksum(Prefixed(Uint8, String), Uint32, crc32.ChecksumIEEE), "hi":
//	| 02 | 68 | 69 | 65 | 8f | 35 | 2f |
func Checksum[T any, N comparable](c Codec[T], sum Codec[N], of func(p []byte) N) Codec[T] {
	notNil(c, "Checksum")
	notNil(sum, "Checksum: sum")
	refuse(of == nil, "Checksum: the function is nil")
	width, fixed := SizeOf(sum).Fixed()
	refuse(SizeOf(c).Open && !fixed, "Checksum: the codec takes all bytes up to the end of its frame, so the sum must have a fixed width")
	if !fixed {
		c = ended("Checksum", c)
	}
	return checksum[T, N]{c, sum, of, width}
}

// CRC32 is c with its CRC-32 after it: the IEEE polynomial, as in Ethernet and gzip, in big-endian order.
func CRC32[T any](c Codec[T]) Codec[T] {
	return Checksum(notNil(c, "CRC32"), Uint32, crc32.ChecksumIEEE)
}

type checksum[T any, N comparable] struct {
	c     Codec[T]
	sum   Codec[N]
	of    func(p []byte) N
	width int // if fixed
}

func (c checksum[T, N]) Append(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := c.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	return c.sum.Append(dst, c.of(dst[start:]))
}

func (c checksum[T, N]) Decode(r *Reader) (v T, err error) {
	if SizeOf(c.c).Open {
		return c.decodeOpen(r)
	}
	start := r.skew + r.pos
	if v, err = before(r, c.width, c.c); err != nil {
		return v, err
	}
	return v, c.verify(r, c.of(r.since(start)))
}

// decodeOpen verifies before it decodes.
func (c checksum[T, N]) decodeOpen(r *Reader) (v T, err error) {
	n, err := rest(r)
	if err == nil && n < c.width {
		err = r.need(c.width + r.kept()) // fails: there is no more
	}
	if err != nil {
		return v, err
	}
	p, err := r.Peek(n)
	if err != nil {
		return v, err
	}
	start := r.pos
	r.pos += n - c.width
	err = c.verify(r, c.of(p[:n-c.width]))
	r.pos = start
	if err != nil {
		return v, err
	}
	if v, err = within(r, n-c.width, c.c); err != nil {
		return v, err
	}
	return v, r.Skip(c.width)
}

// verify reads the sum.
func (c *checksum[T, N]) verify(r *Reader, want N) error {
	at := r.Offset()
	got, err := c.sum.Decode(r)
	if err != nil {
		return r.WrapField("checksum", err)
	}
	if got != want {
		return r.WrapField("checksum", r.Fail(at, because(ErrMismatch, "checksum mismatch: received %#x, computed %#x", any(got), any(want))))
	}
	return nil
}

func (c checksum[T, N]) opensFor(v T) bool { return opens(c.c, v) }

func (c checksum[T, N]) Size() Size {
	s, sum := SizeOf(c.c), SizeOf(c.sum)
	return Size{Min: addBound(s.Min, sum.Min), Max: addBound(s.Max, sum.Max), Open: s.Open, varies: s.varies, borrows: s.borrows}
}

// since returns the bytes of the frame from the given distance to its first one up to the present one.
func (r *Reader) since(start int) []byte {
	if start >= r.skew {
		return r.buf[start-r.skew : r.pos]
	}
	all := make([]byte, 0, r.skew+r.pos) // there was a large body
	all = append(append(append(all, r.held.head...), r.held.body...), r.buf[:r.pos]...)
	return all[start:]
}
