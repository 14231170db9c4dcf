package chanio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/weir-go/weir/chanio"
)

func ExamplePipe() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	_ = a.Out.Send(ctx, []byte("hello"))
	_ = a.Out.Close() // b can still answer
	text, _ := chanio.ReadAll(ctx, b.In, 1<<10)
	_ = b.Out.Send(ctx, []byte(strings.ToUpper(string(text))))
	_ = b.Close()
	text, err := chanio.ReadAll(ctx, a.In, 1<<10)
	fmt.Println(string(text), err)
	_ = a.Close()
	// Output: HELLO <nil>
}

func ExampleNewConn() {
	ctx := context.Background()
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() {
		nc, _ := ln.Accept()
		conn := chanio.NewConn(nc, nil) // anybody's net.Conn
		for chunk := range conn.In.All(ctx) {
			_ = conn.Out.Send(ctx, chunk)
		}
		_ = conn.Close()
	}()
	nc, _ := net.Dial("tcp", ln.Addr().String())
	conn := chanio.NewConn(nc, nil)
	_ = conn.Out.Send(ctx, []byte("echo"))
	chunk, _ := conn.In.Recv(ctx)
	fmt.Printf("%s\n", chunk)
	_ = conn.Close()
	_ = ln.Close()
	// Output: echo
}

// The select statement is what channels are for.
func ExampleSource_C() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	numbers := chanio.FromSlice([]string{"one", "two"})
	in := numbers.C(ctx)
	for open := true; open; {
		var v string
		select {
		case v, open = <-in:
			if open {
				fmt.Println(v)
			}
		case <-ctx.Done():
			open = false
		}
	}
	fmt.Println(numbers.Err())
	// Output:
	// one
	// two
	// <nil>
}

// A Recv that is given up has taken nothing.
func ExampleSource_Recv() {
	a, b := chanio.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := b.In.Recv(ctx)
	fmt.Println(err)
	_ = a.Out.Send(context.Background(), []byte("later"))
	chunk, err := b.In.Recv(context.Background())
	fmt.Println(string(chunk), err)
	a.Out.Abort(nil)
	b.Out.Abort(nil)
	// Output:
	// context canceled
	// later <nil>
}

// Closing the channel is a half-close: the peer meets the end of the stream.
func ExampleSink_C() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	out := a.Out.C(ctx)
	out <- []byte("last ")
	out <- []byte("words")
	close(out)
	text, err := chanio.ReadAll(ctx, b.In, 1<<10)
	fmt.Println(string(text), err)
	_ = b.Close()
	_ = a.Close()
	// Output: last words <nil>
}

// A custom Source: Next is called for each value.
func ExampleNewSource() {
	n := 3
	countdown := chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) {
			if n == 0 {
				return 0, io.EOF
			}
			n--
			return n + 1, nil
		},
	})
	for v := range countdown.All(context.Background()) {
		fmt.Println(v)
	}
	// Output:
	// 3
	// 2
	// 1
}

// A custom Sink that takes what is small enough.
func ExampleNewSink() {
	errTooLong := errors.New("too long")
	words := chanio.NewSink(chanio.SinkHooks[string]{
		Send: func(_ context.Context, word string) error {
			if len(word) > 5 {
				return errTooLong
			}
			fmt.Println(word)
			return nil
		},
	})
	ctx := context.Background()
	fmt.Println(words.Send(ctx, "short"))
	fmt.Println(words.Send(ctx, "lengthy"))
	fmt.Println(words.Close(), words.Send(ctx, "late"))
	// Output:
	// short
	// <nil>
	// too long
	// <nil> use of closed network connection
}

func ExampleRecovered() {
	defer func() {
		err := chanio.Recovered(recover())
		fmt.Println(err)
	}()
	panic("out of paper")
	// Output: chanio: panic: out of paper
}

// STARTTLS: the rest of the conversation is secured.
func ExampleTLSServer() {
	var config *tls.Config // has a certificate
	handle := func(ctx context.Context, conn *chanio.Conn) error {
		line, err := conn.In.Recv(ctx)
		if err != nil || string(line) != "STARTTLS\n" {
			return err
		}
		if err := conn.Out.Send(ctx, []byte("go ahead\n")); err != nil {
			return err
		}
		secured, err := chanio.TLSServer(ctx, conn, config, nil)
		if err != nil {
			return err
		}
		defer secured.Close()
		return secured.Out.Send(ctx, []byte("hello over "+tls.VersionName(secured.TLS().Version)+"\n"))
	}
	_ = handle
}

func ExampleTLSClient() {
	dial := func(ctx context.Context, addr, host string) (*chanio.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return chanio.TLSClient(ctx, chanio.NewConn(nc, nil), &tls.Config{ServerName: host}, nil)
	}
	_ = dial
}
