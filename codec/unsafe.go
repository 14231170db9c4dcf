package codec

import "unsafe"

// This file holds all that is unsafe in this package.

// ownedString makes a string of bytes that nobody will change.
func ownedString(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }
