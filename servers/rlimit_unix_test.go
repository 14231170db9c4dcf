//go:build unix && !freebsd && !dragonfly

package servers_test

import "syscall"

func rlimit(n uintptr) *syscall.Rlimit { return &syscall.Rlimit{Cur: uint64(n), Max: uint64(n)} }
