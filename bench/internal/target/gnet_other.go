//go:build !(linux || darwin || freebsd || dragonfly || netbsd || openbsd)

package target

func gnetTargets() []Target { return nil } // it has no event loop for this system
