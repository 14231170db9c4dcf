package child

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used since it started.
type Usage struct {
	CPU     time.Duration `json:"cpu"`     // user and system
	Mallocs uint64        `json:"mallocs"` // objects allocated
	Alloc   uint64        `json:"alloc"`   // bytes allocated
	RSS     int64         `json:"rss"`     // bytes resident now
	Reads   uint64        `json:"reads"`   // system calls that read
	Writes  uint64        `json:"writes"`  // system calls that wrote

	// Heap and Stack are in use now. If settled, they were measured after a collection.
	Heap       uint64 `json:"heap"`
	Stack      uint64 `json:"stack"`
	Goroutines int    `json:"goroutines"`
}

// Use returns what this process has used. If settled, it collects garbage first, twice, so that pools are empty.
func Use(settled bool) Usage {
	if settled {
		runtime.GC()
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	reads, writes := calls()
	return Usage{
		CPU:     cpuTime(),
		Mallocs: m.Mallocs, Alloc: m.TotalAlloc, RSS: resident(), Reads: reads, Writes: writes,
		Heap: m.HeapInuse, Stack: m.StackInuse, Goroutines: runtime.NumGoroutine(),
	}
}

// resident returns the number of resident bytes, or 0 if that is unknown.
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

// calls returns the numbers of system calls that have read and written, or zeros if those are unknown.
func calls() (reads, writes uint64) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch name {
		case "syscr":
			reads = n
		case "syscw":
			writes = n
		}
	}
	return reads, writes
}
