package memconn_test

import (
	"context"
	"fmt"
	"io"

	"github.com/weir-go/weir/internal/memconn"
)

func ExamplePipe() {
	a, b := memconn.Pipe(0)
	defer b.Close()

	io.WriteString(a, "hello")
	a.Close()
	got, err := io.ReadAll(b)
	fmt.Printf("%q %v\n", got, err)
	// Output: "hello" <nil>
}

func ExamplePipeAddrs() {
	a, b := memconn.PipeAddrs(1024, memconn.Addr{Name: "alice"}, memconn.Addr{Name: "bob"})
	defer a.Close()

	b.Abort()
	_, err := a.Write([]byte("anybody there?"))
	fmt.Println(err)
	// Output: write mem alice->bob: connection reset by peer
}

func ExampleConn_TryWrite() {
	a, b := memconn.Pipe(8)
	defer a.Close()
	defer b.Close()

	fmt.Println(a.TryWrite([]byte("hello, ")))
	fmt.Println(a.TryWrite([]byte("world")))
	fmt.Println(a.TryWrite([]byte("orld")))
	// Output:
	// 7 <nil>
	// 1 <nil>
	// 0 <nil>
}

func ExampleListen() {
	l := memconn.Listen("echo", 0)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()

	c, err := l.Dial(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	io.WriteString(c, "over and out")
	c.CloseWrite()
	got, err := io.ReadAll(c)
	fmt.Printf("%q %v, from %v to %v\n", got, err, c.RemoteAddr(), c.LocalAddr())
	// Output: "over and out" <nil>, from echo to echo#1
}
