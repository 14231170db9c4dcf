package chaniotest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// verdict is the outcome of a case.
type verdict struct {
	failed, skipped bool
	hung            bool
	log             string
}

// judge runs f in its own goroutine, under a watchdog. It does not touch t, so that tests can assert the verdict on a
// broken endpoint.
func judge(t testing.TB, patience time.Duration, f func(testing.TB)) verdict {
	p := &probe{TB: t, before: takeCensus()}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer p.catch()
		f(p)
	}()
	watchdog := time.NewTimer(patience)
	defer watchdog.Stop()
	select {
	case <-returned:
	case <-watchdog.C:
		p.set(func(v *verdict) { v.failed, v.hung = true, true }, "hangs:\n\n"+joinStacks(p.before.newcomers()))
	}
	p.cleanup()
	return p.verdict()
}

// probe is a testing.TB that records failures and logs.
type probe struct {
	testing.TB // for its name, its directories and its environment
	before     census
	ctx        context.Context
	cancel     func()

	mu       sync.Mutex
	over     bool // the judge has returned
	state    verdict
	text     strings.Builder
	cleanups []func()
}

// catch converts a panic to a failure.
func (p *probe) catch() {
	if x := recover(); x != nil {
		p.Errorf("panic: %v\n\n%s", x, debug.Stack())
	}
}

func (p *probe) cleanup() {
	p.cancel()
	for {
		p.mu.Lock()
		n := len(p.cleanups)
		if n == 0 {
			p.mu.Unlock()
			return
		}
		f := p.cleanups[n-1]
		p.cleanups = p.cleanups[:n-1]
		p.mu.Unlock()
		f()
	}
}

func (p *probe) verdict() verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.state.log = p.text.String()
	return p.state
}

// set changes the verdict and appends a line to the log.
func (p *probe) set(change func(*verdict), line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	change(&p.state)
	if line != "" {
		p.text.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
}

func keep(*verdict)      {}
func fail(v *verdict)    { v.failed = true }
func skip(v *verdict)    { v.skipped = true }
func (p *probe) Helper() {}

func (p *probe) Context() context.Context { return p.ctx }

func (p *probe) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *probe) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.failed
}

func (p *probe) Skipped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.skipped
}

func (p *probe) Log(args ...any)                   { p.set(keep, fmt.Sprintln(args...)) }
func (p *probe) Logf(format string, args ...any)   { p.set(keep, fmt.Sprintf(format, args...)) }
func (p *probe) Error(args ...any)                 { p.set(fail, fmt.Sprintln(args...)) }
func (p *probe) Errorf(format string, args ...any) { p.set(fail, fmt.Sprintf(format, args...)) }
func (p *probe) Fail()                             { p.set(fail, "") }
func (p *probe) FailNow()                          { p.stop(fail, "") }
func (p *probe) Fatal(args ...any)                 { p.stop(fail, fmt.Sprintln(args...)) }
func (p *probe) Fatalf(format string, args ...any) { p.stop(fail, fmt.Sprintf(format, args...)) }
func (p *probe) SkipNow()                          { p.stop(skip, "") }
func (p *probe) Skip(args ...any)                  { p.stop(skip, fmt.Sprintln(args...)) }
func (p *probe) Skipf(format string, args ...any)  { p.stop(skip, fmt.Sprintf(format, args...)) }

func (p *probe) stop(change func(*verdict), line string) {
	p.set(change, line)
	runtime.Goexit()
}
