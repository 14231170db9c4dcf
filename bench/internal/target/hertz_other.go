//go:build !(linux || darwin)

package target

func hertzTargets() []Target { return nil } // it has its event loop for these systems only
