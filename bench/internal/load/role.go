package load

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weir-go/weir/bench/internal/child"
)

// Role is the generator as a child process. Its operations are run, flood, download, broadcast and hold, each with a
// [Spec], and release and usage.
func Role(json.RawMessage) (child.Server, error) { return &generator{}, nil }

type generator struct{ held []*worker }

func (g *generator) Handle(op string, args json.RawMessage) (any, error) {
	var spec Spec
	if err := json.Unmarshal(args, &spec); err != nil {
		return nil, err
	}
	switch op {
	case "run":
		return Run(context.Background(), spec, nil)
	case "flood":
		return Flood(context.Background(), spec)
	case "download":
		return Download(context.Background(), spec)
	case "broadcast":
		return Broadcast(context.Background(), spec)
	case "hold":
		return nil, g.hold(spec)
	case "release":
		return nil, g.Close()
	case "usage":
		return child.Use(false), nil
	}
	return nil, fmt.Errorf("load: no operation %q", op)
}

// hold opens connections, sends one message on each, reads the echo, and leaves the connections idle.
func (g *generator) hold(spec Spec) error {
	spec.Window = 1
	if err := spec.Check(); err != nil {
		return err
	}
	ep, err := parseEndpoint(spec)
	if err != nil {
		return err
	}
	r := &run{spec: spec, endpoint: ep, rec: newRecorder(spec)}
	for i := range spec.Conns {
		w := &worker{}
		w.init(r, i)
		if err := w.dial(context.Background()); err != nil {
			return err
		}
		g.held = append(g.held, w)
		if err := w.echoOne(); err != nil {
			return w.failed(err)
		}
	}
	return nil
}

// Close closes the connections that hold opened.
func (g *generator) Close() error {
	for _, w := range g.held {
		w.shut()
	}
	g.held = nil
	return nil
}
