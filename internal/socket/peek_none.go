//go:build !unix || aix || solaris

package socket

import "syscall"

// Peek always reports no input: this system offers no way to look.
func Peek(syscall.Conn) (pending bool, err error) { return false, nil }
