package socket

import (
	"encoding/binary"
	"syscall"
)

// peerIsDone reports whether the peer of a TCP socket has closed its side, even if unread input precedes that.
func peerIsDone(fd int) bool {
	const closeWait = 8 // TCP_CLOSE_WAIT, the state that is the first byte of struct tcp_info
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		return false
	}
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:], uint32(info))
	return b[0] == closeWait
}
