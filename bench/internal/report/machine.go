package report

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Machine describes the machine, and the time, of a measurement.
type Machine struct {
	CPU        string    `json:"cpu"`
	Processors int       `json:"processors"`
	MaxProcs   int       `json:"maxProcs"`
	Memory     string    `json:"memory,omitempty"`
	System     string    `json:"system"`
	Kernel     string    `json:"kernel,omitempty"`
	Go         string    `json:"go"`
	Revision   string    `json:"revision,omitempty"`
	Load       string    `json:"load,omitempty"` // averages of 1, 5 and 15 minutes when it began
	At         time.Time `json:"at"`
}

// ThisMachine describes this machine now; unknown fields are empty.
func ThisMachine() Machine {
	m := Machine{
		CPU: fileField("/proc/cpuinfo", "model name"), Processors: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0),
		Memory: memory(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: firstLine(read("/proc/sys/kernel/osrelease")), Go: runtime.Version(), Revision: revision(),
		At: time.Now().Truncate(time.Second),
	}
	if f := strings.Fields(read("/proc/loadavg")); len(f) >= 3 {
		m.Load = strings.Join(f[:3], " ")
	}
	return m
}

func read(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// fileField returns the value of the first line "name : value".
func fileField(file, name string) string {
	for line := range strings.Lines(read(file)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// memory returns the size of the memory, or "".
func memory() string {
	var kb float64
	if _, err := fmt.Sscanf(fileField("/proc/meminfo", "MemTotal"), "%f kB", &kb); err != nil {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", kb/(1<<20))
}

// revision returns the commit that this program was built from, if the build recorded it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
