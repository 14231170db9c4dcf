package http2

import (
	"encoding/binary"

	frames "golang.org/x/net/http2"
)

const frameHeader = 9

// appendFrame appends the header of a frame, RFC 9113 4.1.
func appendFrame(dst []byte, length int, kind frames.FrameType, flags frames.Flags, id uint32) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// putFrame writes the header of a frame to the front of p.
func putFrame(p []byte, length int, kind frames.FrameType, flags frames.Flags, id uint32) {
	appendFrame(p[:0], length, kind, flags, id)
}

func appendReset(dst []byte, id uint32, code Code) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(dst, 4, frames.FrameRSTStream, 0, id), uint32(code))
}

func appendWindowUpdate(dst []byte, id uint32, n int64) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(dst, 4, frames.FrameWindowUpdate, 0, id), uint32(n))
}

func appendPing(dst []byte, flags frames.Flags, data [8]byte) []byte {
	return append(appendFrame(dst, 8, frames.FramePing, flags, 0), data[:]...)
}

// appendGoAway appends a GOAWAY whose debug data is reason.
func appendGoAway(dst []byte, last uint32, code Code, reason string) []byte {
	dst = appendFrame(dst, 8+len(reason), frames.FrameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, reason...)
}

func appendSettings(dst []byte, settings ...frames.Setting) []byte {
	dst = appendFrame(dst, 6*len(settings), frames.FrameSettings, 0, 0)
	for _, s := range settings {
		dst = binary.BigEndian.AppendUint16(dst, uint16(s.ID))
		dst = binary.BigEndian.AppendUint32(dst, s.Val)
	}
	return dst
}
