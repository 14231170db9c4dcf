//go:build race

package stream_test

// raceEnabled reports whether the race detector changes how much memory is used.
const raceEnabled = true
