package chaniotest

import (
	"encoding/binary"
	"hash/maphash"
)

// recordSize is the size of a value on a byte stream: a number of eight bytes, and filler derived from it.
const recordSize = 1 << 10

func makeRecord(i int) []byte {
	p := make([]byte, recordSize)
	binary.BigEndian.PutUint64(p, uint64(i))
	for j := 8; j < len(p); j++ {
		p[j] = byte(i + j)
	}
	return p
}

// manyRecords returns the records 0, 1 ... n-1 as one value.
func manyRecords() (p []byte, n int) {
	for n < 16<<10 {
		p = append(p, makeRecord(n)...)
		n++
	}
	return p, n
}

// recordNumber returns the number of p, or -1 if makeRecord did not make p.
func recordNumber(p []byte) int {
	i := int(binary.BigEndian.Uint64(p))
	for j := 8; j < len(p); j++ {
		if p[j] != byte(i+j) {
			return -1
		}
	}
	return i
}

// recordReader returns a function that takes chunks and returns the numbers of the records completed by each.
func recordReader() func(chunk []byte) []int {
	var rest []byte
	return func(chunk []byte) (numbers []int) {
		rest = append(rest, chunk...)
		for len(rest) >= recordSize {
			numbers = append(numbers, recordNumber(rest[:recordSize]))
			rest = rest[recordSize:]
		}
		return numbers
	}
}

var seed = maphash.MakeSeed()

func fingerprintBytes(p []byte) uint64 { return maphash.Bytes(seed, p) }

func scribbleBytes(p []byte) {
	p = p[:cap(p)]
	for i := range p {
		p[i] ^= 0xff
	}
}
