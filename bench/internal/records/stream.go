package records

import (
	"bufio"
	"bytes"
	"io"

	"github.com/weir-go/weir/codec"
)

// again is an endless stream of bytes, some kilobytes at a time.
type again struct {
	p  []byte
	at int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.p[a.at:])
	a.at = (a.at + n) % len(a.p)
	return n, nil
}

func records() io.Reader { return &again{p: bytes.Repeat(wire, 100)} }

// readByHand reads records from such a stream.
func readByHand(n int) {
	src := bufio.NewReader(records())
	var r Record
	for range n {
		p, err := src.Peek(size)
		if err == nil {
			err = decodeRecord(p, &r)
		}
		if err != nil {
			panic(err)
		}
		_, _ = src.Discard(size) // they have arrived
	}
	check(r, sample)
}

func readStream(n int) {
	d := codec.NewDecoder(records(), record)
	var r Record
	var err error
	for range n {
		if r, err = d.Decode(); err != nil {
			panic(err)
		}
	}
	check(r, sample)
}

// writeByHand writes records to a stream that discards them; one is checked.
func writeByHand(n int) {
	same(must(appendRecord(nil, &sample)), wire)
	r, buf := sample, make([]byte, 0, size)
	for range n {
		p, err := appendRecord(buf[:0], &r)
		if err == nil {
			_, err = io.Discard.Write(p)
		}
		if err != nil {
			panic(err)
		}
	}
}

func writeStream(n int) {
	var one bytes.Buffer
	must(0, codec.NewEncoder(&one, record).Encode(sample))
	same(one.Bytes(), wire)
	e, r := codec.NewEncoder(io.Discard, record), sample
	for range n {
		if err := e.Encode(r); err != nil {
			panic(err)
		}
	}
}

// decodeFramed decodes frames from a slice of a thousand.
func decodeFramed(n int) {
	const many = 1000
	stream := bytes.Repeat(must(framed.Append(nil, sample)), many)
	var last Record
	for n > 0 {
		for r, err := range codec.Values(framed, stream[:min(n, many)*(4+size)]) {
			if last = r; err != nil {
				panic(err)
			}
		}
		n -= many
	}
	check(last, sample)
}
