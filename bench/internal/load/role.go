package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/weir-go/weir/bench/internal/child"
)

// Role is the generator as a child process. Its operations are closed and hold, with a [Spec], release, and usage.
func Role(json.RawMessage) (child.Server, error) { return &generator{}, nil }

type generator struct{ held []net.Conn }

func (g *generator) Handle(op string, args json.RawMessage) (any, error) {
	var spec Spec
	if err := json.Unmarshal(args, &spec); err != nil {
		return nil, err
	}
	switch op {
	case "closed":
		return Closed(context.Background(), spec)
	case "hold":
		return nil, g.hold(spec)
	case "release":
		return nil, g.Close()
	case "usage":
		return child.Use(false), nil
	}
	return nil, fmt.Errorf("load: no operation %q", op)
}

// hold opens connections, has one message echoed on each, and leaves them idle.
func (g *generator) hold(spec Spec) error {
	network, address, err := spec.check()
	if err != nil {
		return err
	}
	run := &closed{spec: spec}
	run.spec.Window = 1
	for i := range spec.Conns {
		w := worker{}
		if err := w.dial(context.Background(), network, address, run, i); err != nil {
			return err
		}
		g.held = append(g.held, w.conn)
		if err := w.once(); err != nil {
			return err
		}
	}
	return nil
}

// once has one message echoed.
func (w *worker) once() error {
	if err := w.send(1); err != nil {
		return err
	}
	for have, got := 0, 0; got == 0; {
		n, err := w.conn.Read(w.buf[have:])
		if err != nil {
			return w.lost(err)
		}
		have += n
		if got, err = w.msgs.check(w.buf[:have]); err != nil {
			return err
		}
	}
	return nil
}

// Close ends what hold opened.
func (g *generator) Close() error {
	for _, conn := range g.held {
		_ = conn.Close()
	}
	g.held = nil
	return nil
}
