package chaniotest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func ExampleMain() {
	// In a package's main_test.go:
	_ = func(m *testing.M) { chaniotest.Main(m) } // func TestMain
}

func ExampleNoLeak() {
	_ = func(t *testing.T) { // func TestSomething
		chaniotest.NoLeak(t)
		near, far := chanio.Pipe()
		t.Cleanup(func() { near.Out.Abort(nil); far.Out.Abort(nil) })
		// ...
	}
}

func ExampleNetwork() {
	ctx := context.Background()
	var network chaniotest.Network
	ln, err := network.Listen("server")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	client, err := network.Dial(ctx, "server")
	if err != nil {
		panic(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		panic(err)
	}
	server := chanio.NewConn(nc, nil)

	_ = client.Out.Send(ctx, []byte("hello"))
	chunk, _ := server.In.Recv(ctx)
	fmt.Printf("%s from %s\n", chunk, server.RemoteAddr())
	client.Out.Abort(nil)
	server.Out.Abort(nil)
	// Output: hello from server#1
}

func ExampleNetwork_Listen() {
	var network chaniotest.Network
	ln, _ := network.Listen("")
	defer ln.Close()
	_, err := network.Listen(ln.Addr().String())
	fmt.Println(err)
	// Output: listen mem mem:1: address already in use
}

func ExampleNetwork_Dial() {
	var network chaniotest.Network
	_, err := network.Dial(context.Background(), "nobody")
	fmt.Println(err)
	// Output: dial mem nobody: connection refused
}

func ExampleNetwork_DialContext() {
	var network chaniotest.Network
	ln, _ := network.Listen("server")
	defer ln.Close()
	nc, err := network.DialContext(context.Background(), "tcp", "server")
	fmt.Println(nc.RemoteAddr(), err)
	// Output: server <nil>
}

func ExamplePipe() {
	near, far := chaniotest.Pipe(4) // bytes that each direction holds
	go func() {
		_, _ = io.WriteString(near, "more than four bytes")
		_ = near.Close()
	}()
	text, _ := io.ReadAll(far)
	fmt.Println(string(text))
	// Output: more than four bytes
}

func ExampleCount() {
	ctx := context.Background()
	a, far := chaniotest.Pipe(0)
	nc, count := chaniotest.Count(a)
	near := chanio.NewConn(nc, &chanio.ConnConfig{Coalesce: time.Minute})
	uncork := near.Out.Cork()
	for range 10 {
		_ = near.Out.Send(ctx, []byte("tick\n"))
	}
	uncork()
	_ = near.Out.Flush(ctx)
	fmt.Println(count.Writes(), "write of", count.BytesWritten(), "bytes")
	near.Out.Abort(nil)
	_ = far.Close()
	// Output: 1 write of 50 bytes
}

func ExampleTestConn() {
	_ = func(t *testing.T) { // func TestConformance
		chaniotest.TestConn(t, chaniotest.Conns{
			Connect: func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() },
			Facts:   chaniotest.Facts{Bubble: true},
		})
	}
}

func ExampleTestDuplex() {
	_ = func(t *testing.T, connect func(testing.TB) (near, far *chanio.Duplex[int, int])) { // func TestConformance
		chaniotest.TestDuplex(t, chaniotest.Duplexes[int]{
			Connect: connect,
			Make:    func(i int) int { return i },
			Number:  func(v int) int { return v },
		})
	}
}

func ExampleTestStream() {
	_ = func(t *testing.T) { // func TestConformance
		chaniotest.TestStream(t, chaniotest.Streams[int]{
			Connect: func(testing.TB) (*chanio.Sink[int], *chanio.Source[int]) {
				src, sink := chanio.PipeOf[int](8)
				return sink, src
			},
			Make:   func(i int) int { return i },
			Number: func(v int) int { return v },
			Facts:  chaniotest.Facts{Bubble: true, Direct: true},
		})
	}
}

func ExampleTestSource() {
	_ = func(t *testing.T) { // func TestConformance
		chaniotest.TestSource(t, chaniotest.Sources[int]{
			Open: func(_ testing.TB, n int) *chanio.Source[int] {
				values := make([]int, n)
				for i := range values {
					values[i] = i
				}
				return chanio.FromSlice(values)
			},
			Number: func(v int) int { return v },
		})
	}
}

func ExampleTestSink() {
	_ = func(t *testing.T) { // func TestConformance
		chaniotest.TestSink(t, chaniotest.Sinks[int]{
			Open: func(testing.TB) (*chanio.Sink[int], func() []int) {
				ch := make(chan int, 1000)
				return chanio.To(ch), func() (got []int) {
					for len(ch) > 0 {
						got = append(got, <-ch)
					}
					return got
				}
			},
			Make:   func(i int) int { return i },
			Number: func(v int) int { return v },
		})
	}
}

// A client that is never answered, over a network that loses everything on the way back.
func ExampleNewRelay() {
	_ = func(t *testing.T) { // func TestSomething
		server, err := servers.ListenTCP("127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		relay := chaniotest.NewRelay(t, server.Addr())
		relay.Set(chaniotest.Faults{Latency: 50 * time.Millisecond, Slice: 1})
		client, err := clients.DialTCP(t.Context(), relay.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		// ...
		relay.Vanish() // as if a cable had been pulled
	}
}

func ExampleNewPacketRelay() {
	_ = func(t *testing.T) { // func TestSomething
		server, err := servers.ListenUDP("127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		relay := chaniotest.NewPacketRelay(t, net.UDPAddrFromAddrPort(server.LocalAddr()), 1)
		relay.SetEach(chaniotest.PacketFaults{}, chaniotest.PacketFaults{Loss: 1})
		client, err := clients.DialUDP(t.Context(), relay.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		// ...
	}
}
