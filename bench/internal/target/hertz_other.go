//go:build !(linux || darwin)

package target

func hertzTargets() []Target { return nil } // Hertz does not support this system
