//go:build race

package chanio_test

const raceEnabled = true
