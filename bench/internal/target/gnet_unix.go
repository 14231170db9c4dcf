//go:build linux || darwin || freebsd || dragonfly || netbsd || openbsd

package target

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// Event loops, with handlers as in their documentation: all complete frames that have arrived are processed, and the
// replies are written with one call.

func gnetTargets() []Target {
	return []Target{
		{Name: "gnet raw", Codec: "raw", Start: func() (Running, error) { return startGnet("tcp", gnetRaw) }},
		{Name: "gnet", Codec: "u32", Start: func() (Running, error) { return startGnet("tcp", gnetFramed) }},
		web("gnet hello", "/hello", func() (Running, error) { return startGnet("tcp", gnetHTTP) }),
		{Name: "gnet udp", Codec: "raw", Start: func() (Running, error) { return startGnet("udp", gnetRaw) }},
	}
}

type gnetServer struct {
	gnet.BuiltinEventEngine
	traffic func(gnet.Conn) gnet.Action
	network string
	booted  chan error
	ended   chan error
	engine  gnet.Engine
	addr    net.Addr
}

func startGnet(network string, traffic func(gnet.Conn) gnet.Action) (Running, error) {
	g := &gnetServer{traffic: traffic, network: network, booted: make(chan error, 1), ended: make(chan error, 1)}
	go func() {
		err := gnet.Run(g, network+"://127.0.0.1:0", gnet.WithMulticore(true), gnet.WithLogger(gnetLog{}))
		g.ended <- err
		g.booted <- errors.Join(errors.New("target: gnet ended"), err) // nobody receives this after the boot
	}()
	if err := <-g.booted; err != nil {
		return nil, err
	}
	return g, nil
}

// gnetLog writes errors to standard error, because standard output is the connection to the parent.
type gnetLog struct{}

func (gnetLog) Debugf(string, ...any)            {}
func (gnetLog) Infof(string, ...any)             {}
func (gnetLog) Warnf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (gnetLog) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (gnetLog) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// OnBoot records the port.
func (g *gnetServer) OnBoot(engine gnet.Engine) gnet.Action {
	g.engine = engine
	fd, err := engine.Dup()
	if err == nil {
		g.addr, err = addrOf(g.network, fd)
	}
	g.booted <- err
	return gnet.None
}

func addrOf(network string, fd int) (net.Addr, error) {
	file := os.NewFile(uintptr(fd), network)
	defer file.Close()
	if network == "udp" {
		conn, err := net.FilePacketConn(file)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.LocalAddr(), nil
	}
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return ln.Addr(), nil
}

func (g *gnetServer) OnTraffic(c gnet.Conn) gnet.Action { return g.traffic(c) }

func (g *gnetServer) Addr() net.Addr { return g.addr }

func (g *gnetServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := g.engine.Stop(ctx); err != nil {
		return fmt.Errorf("target: gnet: %w", err)
	}
	return <-g.ended
}

func gnetRaw(c gnet.Conn) gnet.Action {
	p, _ := c.Next(-1)
	if _, err := c.Write(p); err != nil {
		return gnet.Close
	}
	return gnet.None
}

// replies are the buffers in which event loops assemble their output.
var replies = sync.Pool{New: func() any { return new([]byte) }}

// gnetFramed answers the complete frames that have arrived, in order, and leaves an incomplete one.
func gnetFramed(c gnet.Conn) gnet.Action {
	scratch := replies.Get().(*[]byte)
	defer replies.Put(scratch)
	dst := (*scratch)[:0]
	p, _ := c.Peek(-1)
	rest := p
	for {
		frame, ok := gnetFrame(rest)
		if !ok {
			break
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(frame)))
		dst = append(dst, frame...)
		rest = rest[4+len(frame):]
	}
	*scratch = dst
	if len(dst) == 0 {
		return gnet.None
	}
	if _, err := c.Write(dst); err != nil {
		return gnet.Close
	}
	_, _ = c.Discard(len(p) - len(rest)) // it was peeked at
	return gnet.None
}

// gnetFrame returns the frame at the start of p if it is complete.
func gnetFrame(p []byte) ([]byte, bool) {
	if len(p) < 4 {
		return nil, false
	}
	n := binary.BigEndian.Uint32(p)
	if n > frameMax || len(p)-4 < int(n) {
		return nil, false
	}
	return p[4 : 4+n], true
}
