package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Share is what another process used within some time.
type Share struct {
	CPU float64 `json:"cpu"` // of one processor
	RSS int64   `json:"rss"` // bytes resident at the end
}

// Watcher observes a process of this machine.
type Watcher struct {
	pid   int
	began time.Time
	cpu   time.Duration
	err   error
}

// Watch starts to observe a process. A pid of 0 means none.
func Watch(pid int) *Watcher {
	w := &Watcher{pid: pid, began: time.Now()}
	if pid != 0 {
		w.cpu, _, w.err = stat(pid)
	}
	return w
}

// Since returns what the process has used since Watch. It returns nil if there is no process, or on a system that does
// not report this.
func (w *Watcher) Since() *Share {
	if w.pid == 0 || w.err != nil {
		return nil
	}
	cpu, rss, err := stat(w.pid)
	if err != nil {
		return nil
	}
	return &Share{CPU: float64(cpu-w.cpu) / float64(time.Since(w.began)), RSS: rss}
}

// hertz is the unit of processor times in /proc on all systems that Go supports.
const hertz = 100

// stat returns the processor time and the number of resident bytes of a process.
func stat(pid int) (cpu time.Duration, rss int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third field on
	if len(fields) < 22 {
		return 0, 0, fmt.Errorf("child: /proc/%d/stat has too few fields", pid)
	}
	var ticks int64
	for _, i := range []int{11, 12} { // user and system
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return time.Duration(ticks) * time.Second / hertz, pages * int64(os.Getpagesize()), nil
}
