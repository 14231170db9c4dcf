package suite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/target"
)

// The roles of child processes.
const (
	roleTarget = target.RoleName
	roleLoad   = "load"
)

// Roles are the roles of child processes of this package; see [child.Main].
func Roles() map[string]child.Role {
	return map[string]child.Role{roleTarget: target.Role, roleLoad: load.Role}
}

// Field is shared by echo contenders: the generator's process and the directory of profiles.
type Field struct {
	Profiles string // a directory for the servers' CPU profiles; empty for none

	mu  sync.Mutex
	gen *child.Process
}

// Close ends the generator.
func (f *Field) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gen == nil {
		return nil
	}
	err := f.gen.Close()
	f.gen = nil
	return err
}

// load makes the generator execute op. A generator that failed is replaced before the next call.
func (f *Field) load(ctx context.Context, op string, spec load.Spec, result any) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gen == nil {
		if f.gen, err = child.Start(roleLoad, nil); err != nil {
			return err
		}
	}
	if err = f.gen.Call(ctx, op, spec, result); err != nil {
		_ = f.gen.Close()
		f.gen = nil
	}
	return err
}

// Echo is a contender that echoes the messages of spec. Its value is replies per second.
func (f *Field) Echo(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		return f.start(name, spec, false)
	}}
}

// start starts a server.
func (f *Field) start(name string, spec load.Spec, fine bool) (*echo, error) {
	t, err := target.ByName(name)
	if err != nil {
		return nil, err
	}
	spec.Codec, spec.Zeros, spec.Deflate = t.Codec, t.Zeros, t.Deflate
	server, err := child.Start(roleTarget, target.Args{Name: name, Fine: fine})
	if err != nil {
		return nil, err
	}
	e := &echo{field: f, name: name, server: server, spec: spec}
	if err := server.Call(context.Background(), "url", nil, &e.spec.URL); err != nil {
		_ = server.Close()
		return nil, err
	}
	e.spec.Insecure = strings.HasPrefix(e.spec.URL, "tls:") || strings.HasPrefix(e.spec.URL, "https:") // the certificate was made just now
	if strings.HasPrefix(e.spec.URL, "udp:") {
		e.spec.Loss = tolerated
	}
	return e, nil
}

// tolerated is the share of datagrams that a server may lose before its round fails.
const tolerated = 0.02

type echo struct {
	field  *Field
	name   string
	server *child.Process
	spec   load.Spec
	rounds int
}

func (e *echo) Round(ctx context.Context, d time.Duration) (s Sample, err error) {
	e.spec.Warmup, e.spec.Time = d/5, d
	var r load.Result
	before, after, err := e.observe(ctx, "run", &r)
	if err != nil {
		return s, err
	}
	total := float64(max(r.Total, 1))
	s = Sample{
		Value: r.Rate(), RSS: after.RSS,
		CPU:     time.Duration(float64(after.CPU-before.CPU) / total),
		Allocs:  float64(after.Mallocs-before.Mallocs) / total,
		Writes:  float64(after.Writes-before.Writes) / total,
		Reads:   float64(after.Reads-before.Reads) / total,
		LoadCPU: r.CPUShare(),
		P50:     r.Latency.P50, P99: r.Latency.P99, P999: r.Latency.P999,
	}
	if e.spec.Rate > 0 {
		s.Late = float64(r.Late) / float64(max(r.Replies, 1))
		s.Points = r.Latency.Points
	}
	return s, nil
}

// observe makes the generator execute an operation, which sets result, and returns what the server had used before and
// after it.
func (e *echo) observe(ctx context.Context, what string, result any) (before, after child.Usage, err error) {
	if err = e.server.Call(ctx, "usage", nil, &before); err != nil {
		return before, after, err
	}
	if err = e.profile(ctx); err != nil {
		return before, after, err
	}
	if err = e.field.load(ctx, what, e.spec, result); err != nil {
		return before, after, err
	}
	if err = e.server.Call(ctx, "unprofile", nil, nil); err != nil {
		return before, after, err
	}
	if err = e.server.Call(ctx, "usage", nil, &after); err == nil {
		e.rounds++
	}
	return before, after, err
}

// profile starts a profile of the first round.
func (e *echo) profile(ctx context.Context) error {
	if e.field.Profiles == "" || e.rounds > 0 {
		return nil
	}
	return e.server.Call(ctx, "profile", e.profileFile("cpu"), nil)
}

// profileFile returns the file name of a profile.
func (e *echo) profileFile(kind string) string {
	name := fmt.Sprintf("%s-%d-w%d.%s.pprof", e.name, e.spec.Size, e.spec.Window, kind)
	return filepath.Join(e.field.Profiles, strings.NewReplacer(" ", "-", "/", "-").Replace(name))
}

func (e *echo) Close() error { return e.server.Close() }
