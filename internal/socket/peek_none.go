//go:build !unix || aix || solaris

package socket

import "syscall"

// Peeker always reports no input: this system offers no way to look.
type Peeker struct{}

// NewPeeker returns a Peeker.
func NewPeeker(syscall.Conn) *Peeker { return new(Peeker) }

// Peek returns false and nil.
func (*Peeker) Peek() (pending bool, err error) { return false, nil }
