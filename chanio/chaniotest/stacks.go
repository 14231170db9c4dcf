package chaniotest

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
)

// goroutine is one entry of a stack dump.
type goroutine struct {
	id    uint64
	state string // "running", "chan receive", "IO wait" ...
	stack string // the whole entry
}

// goroutines returns all goroutines of the process at one point in time.
func goroutines() []goroutine {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return parseStacks(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}

func parseStacks(dump []byte) []goroutine {
	var all []goroutine
	for entry := range bytes.SplitSeq(dump, []byte("\n\n")) {
		if g, ok := parseStack(string(bytes.TrimSpace(entry))); ok {
			all = append(all, g)
		}
	}
	return all
}

// parseStack parses an entry that starts like "goroutine 12 [chan receive, 2 minutes]:".
func parseStack(entry string) (g goroutine, ok bool) {
	header, _, _ := strings.Cut(entry, "\n")
	header, ok = strings.CutPrefix(header, "goroutine ")
	if !ok {
		return g, false
	}
	number, state, _ := strings.Cut(header, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return g, false
	}
	_, state, _ = strings.Cut(state, "[") // before it may stand gp=... m=...
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	state, _, _ = strings.Cut(state, " (")
	return goroutine{id: id, state: state, stack: entry}, true
}

// parked reports whether g is blocked on another goroutine, a timer or the network.
func (g goroutine) parked() bool {
	switch g.state {
	case "select", "chan receive", "chan send", "select (no cases)", "IO wait", "sync.Cond.Wait", "sync.WaitGroup.Wait":
		return true
	}
	return false
}

// goroutineID returns the number of the calling goroutine.
func goroutineID() uint64 {
	buf := make([]byte, 64)
	g, _ := parseStack(string(buf[:runtime.Stack(buf, false)]))
	return g.id
}

// census is a set of goroutines, by number.
type census map[uint64]bool

func takeCensus() census {
	c := census{}
	for _, g := range goroutines() {
		c[g.id] = true
	}
	return c
}

// newcomers returns the goroutines that are not in the census, except the caller.
func (c census) newcomers() []goroutine {
	var all []goroutine
	self := goroutineID()
	for _, g := range goroutines() {
		if !c[g.id] && g.id != self && !g.runtimeOwn() {
			all = append(all, g)
		}
	}
	return all
}

// runtimeOwn reports whether g belongs to the standard library and lives as long as the process or the test run.
func (g goroutine) runtimeOwn() bool {
	for _, mark := range []string{
		"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime/trace.Start", "runtime/pprof.profileWriter",
		"testing.(*M).startAlarm", "internal/fuzz.", "testing.runFuzzing",
	} {
		if strings.Contains(g.stack, mark) {
			return true
		}
	}
	return false
}

func joinStacks(all []goroutine) string {
	stacks := make([]string, len(all))
	for i, g := range all {
		stacks[i] = g.stack
	}
	return strings.Join(stacks, "\n\n")
}
