// Package target contains the echo servers to measure: ours and those of other libraries.
package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/weir-go/weir/bench/internal/child"
)

// Target is an echo server of one kind.
type Target struct {
	Name  string // its name in a report
	Codec string // its protocol: raw, u32, http or ws
	Zeros bool   // it echoes only the number of a message, followed by zeros
	Start func() (Running, error)

	Scheme string // of its URL, if other than its network
	Path   string // of its URL

	Deflate bool // ws: messages are compressed
	Room    bool // ws: a message goes to all connections, and is not an echo
}

// Running is a server started on a free port of 127.0.0.1.
type Running interface {
	Addr() net.Addr
	Close() error // ends it and waits for everything it started
}

// All returns every target.
func All() []Target {
	var all []Target
	for _, some := range [][]Target{
		loopTargets(), channelTargets(), weirTargets(), secureTargets(), proxyTargets(), datagramTargets(), gnetTargets(),
		netpollTargets(), httpTargets(), http2Targets(), socketTargets(),
	} {
		all = append(all, some...)
	}
	return all
}

// ByName returns the target with the given name.
func ByName(name string) (Target, error) {
	for _, t := range All() {
		if t.Name == name {
			return t, nil
		}
	}
	return Target{}, fmt.Errorf("target: there is none called %q", name)
}

// Args are the arguments of a target's process.
type Args struct {
	Name string `json:"name"`
	Fine bool   `json:"fine,omitempty"` // heap profiles are to be exact, and allocations slower
}

// RoleName is the name of Role in package suite.
const RoleName = "target"

// Role runs the target of [Args] in a child process. Its operations are url, usage, count (of datagrams that a sink has
// received), settled (usage after a collection), profile (of the CPU, to the file in the argument), unprofile, and heap
// (to the file in the argument).
func Role(args json.RawMessage) (child.Server, error) {
	var a Args
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, err
	}
	if a.Fine {
		runtime.MemProfileRate = 4 << 10
	}
	t, err := ByName(a.Name)
	if err != nil {
		return nil, err
	}
	running, err := t.Start()
	if err != nil {
		return nil, err
	}
	return &process{running: running, scheme: t.Scheme, path: t.Path}, nil
}

type process struct {
	running Running
	scheme  string
	path    string
	profile *os.File
}

func (p *process) Handle(op string, args json.RawMessage) (any, error) {
	switch op {
	case "url":
		addr, scheme := p.running.Addr(), p.scheme
		if scheme == "" {
			scheme = addr.Network()
		}
		return scheme + "://" + addr.String() + p.path, nil
	case "usage":
		return child.Use(false), nil
	case "count":
		if sink, ok := p.running.(interface{ Count() uint64 }); ok {
			return sink.Count(), nil
		}
		return nil, errors.New("target: it does not count")
	case "settled":
		return child.Use(true), nil
	case "heap":
		return nil, heap(args)
	case "profile":
		return nil, p.start(args)
	case "unprofile":
		return nil, p.stop()
	}
	return nil, fmt.Errorf("target: no operation %q", op)
}

// heap writes a heap profile.
func heap(args json.RawMessage) error {
	var file string
	if err := json.Unmarshal(args, &file); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

func (p *process) start(args json.RawMessage) (err error) {
	var file string
	if err := json.Unmarshal(args, &file); err != nil {
		return err
	}
	if p.profile, err = os.Create(file); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.profile)
}

func (p *process) stop() error {
	if p.profile == nil {
		return nil
	}
	pprof.StopCPUProfile()
	err := p.profile.Close()
	p.profile = nil
	return err
}

func (p *process) Close() error {
	_ = p.stop()
	return p.running.Close()
}
