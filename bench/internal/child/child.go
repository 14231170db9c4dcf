// Package child runs parts of the suite in child processes: the same binary, started again.
//
// A parent starts a [Process] in a role and calls operations on it, one at a time. Requests and replies are JSON lines
// on the child's standard input and output. A child ends when its standard input ends, so no child outlives its parent.
package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// roleVar is the environment variable that makes a process a child; its value is the role.
const roleVar = "WEIR_BENCH_ROLE"

// patience is how long a child may take to end before it is killed.
const patience = 3 * time.Second

// Process is a child process. Only one goroutine at a time may use Call.
type Process struct {
	role   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	enc    *json.Encoder
	dec    *json.Decoder
	stderr *tail

	once sync.Once
	err  error
}

type request struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args,omitempty"`
}

type reply struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Start starts this binary again in a role, one of those passed to [Main], with args for the role and with env added to
// the environment. The caller must call Close.
func Start(role string, args any, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{role: role, cmd: exec.Command(self), stderr: &tail{max: 8 << 10}}
	p.cmd.Env = append(append(os.Environ(), roleVar+"="+role), env...)
	p.cmd.Stderr = p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.enc, p.dec = json.NewEncoder(p.stdin), json.NewDecoder(stdout)
	if err := p.Call(context.Background(), "start", args, nil); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Pid returns the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Call makes the child execute op with args and stores the result in result, which may be nil. If ctx ends first, the
// child is killed.
func (p *Process) Call(ctx context.Context, op string, args, result any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })()
	if err := p.enc.Encode(request{op, raw}); err != nil {
		return p.broken(ctx, err)
	}
	var r reply
	if err := p.dec.Decode(&r); err != nil {
		return p.broken(ctx, err)
	}
	if r.Error != "" {
		return fmt.Errorf("%s: %s", p.role, r.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(r.Result, result)
}

// broken is the error of a child that no longer answers.
func (p *Process) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_ = p.Close()
	return fmt.Errorf("%s: the process has ended (%w): %s", p.role, err, p.stderr)
}

// Close ends the child and waits for it. A child that does not end in time is killed. Close is idempotent.
func (p *Process) Close() error {
	p.once.Do(func() {
		_ = p.stdin.Close()
		kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
		defer kill.Stop()
		if p.err = p.cmd.Wait(); p.err != nil {
			p.err = fmt.Errorf("%s: %w: %s", p.role, p.err, p.stderr)
		}
	})
	return p.err
}

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	max int
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - t.max; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() == 0 {
		return "it said nothing"
	}
	return t.buf.String()
}
