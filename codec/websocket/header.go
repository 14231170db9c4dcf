package websocket

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	maxHeader  = 14  // bytes of a frame before its payload, at most
	maxControl = 125 // bytes of a control frame's payload, at most

	bitFin, bitRSV1, bitRSV2, bitRSV3 = 0x80, 0x40, 0x20, 0x10
	bitMask                           = 0x80
)

// header is a frame without its payload.
type header struct {
	first  byte // FIN, RSV1 to RSV3 and the opcode
	masked bool
	key    uint32 // its four bytes, the first lowest
	length int64
}

func (h *header) op() Opcode { return Opcode(h.first & 0x0f) }
func (h *header) fin() bool  { return h.first&bitFin != 0 }

// parseHeader reads the header at the start of p, which takes n bytes; 0 means that there are too few. It is the one place
// where a length from the wire is parsed.
func parseHeader(p []byte) (h header, n int, err error) {
	if len(p) < 2 {
		return h, 0, nil
	}
	h.first, h.masked = p[0], p[1]&bitMask != 0
	if err := h.checkFirst(p[1]); err != nil {
		return h, 0, err
	}
	n = 2
	switch short := p[1] &^ bitMask; short {
	case 126:
		if n = 4; len(p) >= 4 {
			h.length = int64(binary.BigEndian.Uint16(p[2:]))
			if h.length < 126 {
				return h, 0, protocolError("length not in its shortest form")
			}
		}
	case 127:
		if n = 10; len(p) >= 10 {
			length := binary.BigEndian.Uint64(p[2:])
			if length > math.MaxInt64 {
				return h, 0, protocolError("length with its highest bit set")
			}
			if h.length = int64(length); length <= math.MaxUint16 {
				return h, 0, protocolError("length not in its shortest form")
			}
		}
	default:
		h.length = int64(short)
	}
	if h.masked {
		n += 4
	}
	if len(p) < n {
		return h, 0, nil
	}
	if h.masked {
		h.key = binary.LittleEndian.Uint32(p[n-4:])
	}
	return h, n, nil
}

// checkFirst returns an error for a header that is invalid on any connection. It needs only the first two bytes.
func (h *header) checkFirst(second byte) error {
	op := h.op()
	switch {
	case !op.known():
		return protocolError(fmt.Sprintf("reserved opcode %d", uint8(op)))
	case op.IsControl() && !h.fin():
		return protocolError("fragmented " + op.String() + " frame")
	case op.IsControl() && second&^bitMask > maxControl:
		return protocolError(op.String() + " frame longer than 125 bytes")
	case h.first&(bitRSV2|bitRSV3) != 0, h.first&bitRSV1 != 0 && (op.IsControl() || op == OpContinuation):
		return protocolError("reserved bit set")
	}
	return nil
}

// appendHeader appends a header. key is used if masked is set.
func appendHeader(dst []byte, first byte, length int, masked bool, key uint32) []byte {
	var mask byte
	if masked {
		mask = bitMask
	}
	switch {
	case length < 126:
		dst = append(dst, first, mask|byte(length))
	case length <= math.MaxUint16:
		dst = append(dst, first, mask|126, byte(length>>8), byte(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, mask|127), uint64(length))
	}
	if masked {
		dst = binary.LittleEndian.AppendUint32(dst, key)
	}
	return dst
}
