package child

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine observes what else the machine does during a measurement.
type Machine struct {
	began time.Time
	busy  time.Duration // of all processors, since the system started
	ours  time.Duration // of this process and the children that it has waited for
}

// WatchMachine starts to observe the machine.
func WatchMachine() Machine { return Machine{time.Now(), busy(), family()} }

// Others returns how many processors were used, since WatchMachine, by processes other than this one and its ended
// children. It returns -1 on a system that does not report this.
func (m Machine) Others() float64 {
	if m.busy == 0 {
		return -1
	}
	others := busy() - m.busy - (family() - m.ours)
	return max(0, float64(others)/float64(time.Since(m.began)))
}

// busy returns how long the processors have not been idle, or 0 if that is unknown.
func busy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	var ticks int64
	for i, f := range fields {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, waiting for disks, and guests, who are counted as users
			continue
		}
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / hertz
}
