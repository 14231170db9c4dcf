//go:build !(linux || darwin || freebsd || dragonfly || netbsd || openbsd)

package target

func netpollTargets() []Target { return nil } // netpoll does not support this system
