package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// backendThat runs handle for each connection that sends something, and returns the address and a function that stops
// it. Health checks send nothing.
func backendThat(t *testing.T, handle func(nc *net.TCPConn, first byte)) (addr string, stop func()) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			var first [1]byte
			if _, err := nc.Read(first[:]); err == nil {
				handle(nc.(*net.TCPConn), first[0])
			}
			_ = nc.Close()
		}
	}()
	stop = func() {
		_ = nl.Close()
		<-over
	}
	t.Cleanup(stop)
	return nl.Addr().String(), stop
}

// named answers with its name after the end of the input.
func named(name string) func(*net.TCPConn, byte) {
	return func(nc *net.TCPConn, _ byte) {
		_, _ = io.Copy(io.Discard, nc)
		_, _ = io.WriteString(nc, name)
	}
}

// start runs a balancer and returns its address, a function that ends it, and its result.
func start(t *testing.T, s settings) (addr string, stop func(), result <-chan error) {
	s.addr, s.log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	said, out := io.Pipe()
	ended, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		ended <- run(ctx, s, out)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	line := make([]byte, 64)
	n, err := said.Read(line)
	require.NoError(t, err)
	return strings.Fields(string(line[:n]))[1], cancel, ended
}

func ask(t *testing.T, addr string) (string, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	_, errWrite := io.WriteString(nc, "x")
	errClose := nc.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(nc)
	return string(answer), errors.Join(errWrite, errClose, err) // only one of them is told of a reset
}

func TestBackendsTakeTurnsAndOnesThatAreDownAreLeftOut(t *testing.T) {
	a, stopA := backendThat(t, named("a"))
	b, _ := backendThat(t, named("b"))
	addr, _, _ := start(t, settings{to: []string{a, b}, every: time.Hour, grace: time.Second})
	got := map[string]int{}
	for range 10 {
		answer, err := ask(t, addr)
		require.NoError(t, err)
		got[answer]++
	}
	require.Equal(t, map[string]int{"a": 5, "b": 5}, got)
	stopA()
	for range 4 {
		answer, err := ask(t, addr)
		require.NoError(t, err)
		require.Equal(t, "b", answer)
	}
}

func TestNoBackendIsAReset(t *testing.T) {
	addr, _, _ := start(t, settings{to: []string{"127.0.0.1:1"}, every: time.Hour})
	_, err := ask(t, addr)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestTheHealthCheckNoticesABackendThatIsBack(t *testing.T) {
	// Nobody listens there for now, and no socket of another test gets a port below 32768.
	addr := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
	p := newPool([]string{addr}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- p.watch(ctx, 10*time.Millisecond) }()
	isDown := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.all[0].down
	}
	require.Eventually(t, isDown, time.Minute, time.Millisecond)
	ln, err := net.Listen("tcp", addr) // it is back; the kernel accepts for it
	require.NoError(t, err)
	defer ln.Close()
	require.Eventually(t, func() bool { return !isDown() }, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-watched)
}

// echoing sends its input back until the end.
func echoing(nc *net.TCPConn, first byte) {
	_, _ = nc.Write([]byte{first})
	_, _ = io.Copy(nc, nc)
}

func TestAtTheEndOpenConnectionsMayFinish(t *testing.T) {
	to, _ := backendThat(t, echoing)
	addr, stop, result := start(t, settings{to: []string{to}, every: time.Hour, grace: time.Hour})
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	say := func(c byte) {
		_, err := nc.Write([]byte{c})
		require.NoError(t, err)
		var echo [1]byte
		_, err = io.ReadFull(nc, echo[:])
		require.NoError(t, err)
		require.Equal(t, c, echo[0])
	}
	say('a')
	stop()
	for err == nil { // until nothing more is accepted
		var late net.Conn
		if late, err = net.Dial("tcp", addr); err == nil {
			_ = late.Close()
		}
	}
	say('b')
	require.NoError(t, nc.(*net.TCPConn).CloseWrite())
	_, err = io.ReadAll(nc)
	require.NoError(t, err)
	require.NoError(t, <-result)
}

func TestAtTheEndConnectionsAreCutWhenTheirTimeIsOver(t *testing.T) {
	to, _ := backendThat(t, echoing)
	addr, stop, result := start(t, settings{to: []string{to}, every: time.Hour, grace: time.Millisecond})
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(nc, make([]byte, 1))
	require.NoError(t, err)
	stop()
	_, err = io.ReadAll(nc)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.NoError(t, <-result)
}
