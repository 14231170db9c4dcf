//go:build freebsd || dragonfly

package servers_test

import "syscall"

func rlimit(n uintptr) *syscall.Rlimit { return &syscall.Rlimit{Cur: int64(n), Max: int64(n)} }
