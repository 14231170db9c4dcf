//go:build !race

package main

// Large is a large transfer in bytes.
const Large = 1 << 30
