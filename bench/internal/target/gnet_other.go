//go:build !(linux || darwin || freebsd || dragonfly || netbsd || openbsd)

package target

func gnetTargets() []Target { return nil } // gnet does not support this system
