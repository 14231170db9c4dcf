//go:build !linux

package stream

import "syscall"

// inQueue returns how many bytes the kernel holds for the reader of a socket, if the kernel reports that.
func inQueue(syscall.RawConn) (n int, ok bool) { return 0, false }

// outQueue returns how many bytes the peer has not acknowledged, if the kernel reports that.
func outQueue(syscall.RawConn) (n int, ok bool) { return 0, false }
