package child

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used since it began.
type Usage struct {
	CPU     time.Duration `json:"cpu"`     // user and system
	Mallocs uint64        `json:"mallocs"` // objects allocated
	Alloc   uint64        `json:"alloc"`   // bytes allocated
	RSS     int64         `json:"rss"`     // bytes resident now

	// Heap and Stack are in use now; after a collection, if Settled was asked for.
	Heap       uint64 `json:"heap"`
	Stack      uint64 `json:"stack"`
	Goroutines int    `json:"goroutines"`
}

// Use returns what this process has used. settled collects garbage first, twice, so that what pools held is gone.
func Use(settled bool) Usage {
	if settled {
		runtime.GC()
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return Usage{
		CPU:     time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		Mallocs: m.Mallocs, Alloc: m.TotalAlloc, RSS: resident(),
		Heap: m.HeapInuse, Stack: m.StackInuse, Goroutines: runtime.NumGoroutine(),
	}
}

// resident returns the bytes resident, or 0 where the system does not say.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
