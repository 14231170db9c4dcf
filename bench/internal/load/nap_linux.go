package load

import (
	"syscall"
	"time"
)

// nap sleeps for about d, and not a millisecond longer, as the runtime's timers would.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // cut short by a signal: the caller looks at the clock anyway
}
