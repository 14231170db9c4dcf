package child

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine looks at what else a machine does while something is measured on it.
type Machine struct {
	began time.Time
	busy  time.Duration // of all processors, since the system started
	ours  time.Duration // of this process and of the children that it has waited for
}

// WatchMachine begins to look.
func WatchMachine() Machine { return Machine{time.Now(), busy(), family()} }

// Others returns how many processors were used by processes other than this one and its ended children since
// WatchMachine, and -1 where the system does not say.
func (m Machine) Others() float64 {
	if m.busy == 0 {
		return -1
	}
	others := busy() - m.busy - (family() - m.ours)
	return max(0, float64(others)/float64(time.Since(m.began)))
}

// busy is the time for which the processors have not been idle, or 0.
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
