package load

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/weir-go/weir/bench/internal/child"
)

func TestMain(m *testing.M) {
	child.Main(map[string]child.Role{"echo": startEchoProcess})
	os.Exit(m.Run())
}

// echoProcess is an echo server in its own process, which can be stopped.
type echoProcess struct {
	ln    net.Listener
	group sync.WaitGroup
}

func startEchoProcess(json.RawMessage) (child.Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &echoProcess{ln: ln}
	p.group.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	return p, nil
}

func (p *echoProcess) Handle(op string, _ json.RawMessage) (any, error) {
	if op != "url" {
		return nil, errors.New(op)
	}
	return "tcp://" + p.ln.Addr().String(), nil
}

func (p *echoProcess) Close() error {
	err := p.ln.Close()
	p.group.Wait()
	return err
}
