//go:build unix

package child

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time of this process, user and system.
func cpuTime() time.Duration { return rusage(syscall.RUSAGE_SELF) }

// family returns the same, including the children that this process has waited for.
func family() time.Duration { return cpuTime() + rusage(syscall.RUSAGE_CHILDREN) }

func rusage(who int) time.Duration {
	var ru syscall.Rusage
	if syscall.Getrusage(who, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
