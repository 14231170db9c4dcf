package load

import (
	"syscall"
	"time"
)

// nap sleeps for about d. The runtime's timers may take a millisecond longer.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal may shorten it; the caller checks the clock
}
