//go:build !linux

package socket

func peerIsDone(int) bool { return false }
