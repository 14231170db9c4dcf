package websocket

import (
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// ErrTooLarge is [chanio.ErrTooLarge]. Every error about a message or frame that exceeds a limit matches it.
var ErrTooLarge = chanio.ErrTooLarge

// Frame is one frame; RFC 6455, 5.2. Conn assembles messages from frames; Frame is for tests, proxies and tools that
// inspect them. Payload is never masked: the codec masks and unmasks.
type Frame struct {
	Fin              bool
	RSV1, RSV2, RSV3 bool // of extensions; RSV1 marks the first frame of a compressed message (RFC 7692)
	Opcode           Opcode
	Masked           bool
	Key              [4]byte // the masking key, if Masked
	Payload          []byte
}

// Frames returns a codec of single frames. It holds no state, so it does not check how frames follow each other; Conn
// does. max limits the payload in bytes; 0 means 1 MiB. It rejects invalid frames: reserved opcodes, control frames
// that are fragmented or longer than 125 bytes, and lengths not in their shortest form. It also rejects RSV2 and RSV3,
// which no common extension uses.
//
//	Frame{Fin: true, Opcode: OpText, Payload: "Hello"}:
//	+----+----+----+----+----+----+----+
//	| 81 | 05 | 48 | 65 | 6c | 6c | 6f |    FIN, text; 5 bytes; Hello
//	+----+----+----+----+----+----+----+
//
//	the same, masked with 37 fa 21 3d:
//	+----+----+----+----+----+----+----+----+----+----+----+
//	| 81 | 85 | 37 | fa | 21 | 3d | 7f | 9f | 4d | 51 | 58 |
//	+----+----+----+----+----+----+----+----+----+----+----+
func Frames(max int) codec.Codec[Frame] {
	if max <= 0 {
		max = DefaultMaxMessage
	}
	return frameCodec{int64(max)}
}

type frameCodec struct{ max int64 }

func (c frameCodec) Append(dst []byte, f Frame) ([]byte, error) {
	h := header{first: byte(f.Opcode) & 0x0f}
	for bit, on := range map[byte]bool{bitFin: f.Fin, bitRSV1: f.RSV1, bitRSV2: f.RSV2, bitRSV3: f.RSV3} {
		if on {
			h.first |= bit
		}
	}
	switch {
	case int64(len(f.Payload)) > c.max:
		return dst, fmt.Errorf("websocket: frame of %d bytes, at most %d: %w", len(f.Payload), c.max, ErrTooLarge)
	case f.Opcode > 15:
		return dst, protocolError(f.Opcode.String())
	}
	if err := h.checkFirst(byte(min(len(f.Payload), 126))); err != nil {
		return dst, err
	}
	var key uint32
	for i := range f.Key {
		key |= uint32(f.Key[i]) << (8 * i)
	}
	dst = appendHeader(dst, h.first, len(f.Payload), f.Masked, key)
	start := len(dst)
	dst = append(dst, f.Payload...)
	if f.Masked {
		xor(dst[start:], key)
	}
	return dst, nil
}

func (c frameCodec) Decode(r *codec.Reader) (f Frame, err error) {
	h, err := c.header(r)
	if err != nil {
		return f, err
	}
	if h.length > c.max {
		return f, tooBig("frame", c.max)
	}
	p, err := r.Bytes(int(h.length))
	if err != nil {
		return f, err
	}
	f = Frame{
		Fin: h.fin(), RSV1: h.first&bitRSV1 != 0, RSV2: h.first&bitRSV2 != 0, RSV3: h.first&bitRSV3 != 0,
		Opcode: h.op(), Masked: h.masked,
	}
	if h.masked {
		p = append([]byte(nil), p...) // what Bytes returned may be read again
		xor(p, h.key)
		for i := range f.Key {
			f.Key[i] = byte(h.key >> (8 * i))
		}
	}
	f.Payload = p
	return f, nil
}

// header reads a header, whose length is known from its second byte.
func (c frameCodec) header(r *codec.Reader) (h header, err error) {
	for want := 2; ; {
		p, err := r.Peek(want)
		if err != nil {
			return h, err
		}
		h, n, err := parseHeader(p)
		if err != nil {
			return h, err
		}
		if n > 0 {
			return h, r.Skip(n)
		}
		want = headerLength(p[1])
	}
}

// headerLength returns how long a header is that has that second byte.
func headerLength(second byte) int {
	n := 2
	switch second &^ bitMask {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if second&bitMask != 0 {
		n += 4
	}
	return n
}

// Size is that of a header and a payload.
func (c frameCodec) Size() codec.Size { return codec.Size{Min: 2, Max: codec.Unbounded} }
