package chanio_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weir-go/weir/chanio"
)

func ExampleFromReader() {
	ctx := context.Background()
	src := chanio.FromReader(strings.NewReader("hello"))
	for chunk := range src.All(ctx) {
		fmt.Printf("%s\n", chunk)
	}
	fmt.Println(src.Err())
	// Output:
	// hello
	// <nil>
}

func ExampleNewReader() {
	ctx := context.Background()
	near, far := chanio.Pipe()
	defer near.Close()
	defer far.Close()
	near.Out.Send(ctx, []byte(`{"name":"Ada"}`))
	near.Out.Close()

	r := chanio.NewReader(ctx, far.In) // for whatever wants an io.Reader
	defer r.Close()
	var person struct{ Name string }
	err := json.NewDecoder(r).Decode(&person)
	fmt.Println(person.Name, err)
	// Output: Ada <nil>
}

// A hex dump is the standard library's own: any Source of bytes leads to it.
func ExampleNewReader_hexDump() {
	src := chanio.FromSlice([][]byte{[]byte("bytes that "), []byte("came in pieces")})
	dump := hex.Dumper(os.Stdout)
	io.Copy(dump, chanio.NewReader(context.Background(), src))
	dump.Close()
	// Output:
	// 00000000  62 79 74 65 73 20 74 68  61 74 20 63 61 6d 65 20  |bytes that came |
	// 00000010  69 6e 20 70 69 65 63 65  73                       |in pieces|
}

// What a compressor writes becomes a Source of bytes.
func ExampleNewWriter() {
	ctx := context.Background()
	near, far := chanio.Pipe()
	go func() {
		w := chanio.NewWriter(ctx, near.Out)
		z := gzip.NewWriter(w) // wants an io.Writer
		fmt.Fprintf(z, "%d lines\n", 1)
		z.Close()
		w.Close()
	}()
	z, _ := gzip.NewReader(chanio.NewReader(ctx, far.In))
	text, err := io.ReadAll(z)
	fmt.Printf("%s%v\n", text, err)
	far.Close()
	near.Close()
	// Output:
	// 1 lines
	// <nil>
}

// Part of a file, by the cheapest route.
func ExampleFromFile() {
	ctx := context.Background()
	f, _ := os.CreateTemp("", "example")
	defer os.Remove(f.Name())
	f.WriteString("0123456789")
	part, err := chanio.ReadAll(ctx, chanio.FromFile(f, 2, 3, f.Close), 100)
	fmt.Println(string(part), err)
	// Output: 234 <nil>
}

func ExampleBytesOf() {
	ctx := context.Background()
	in := chanio.BytesOf(chanio.FromSlice([][]byte{[]byte("a ty"), []byte("pe:rest")}))
	i := -1
	for ; i < 0; i = bytes.IndexByte(in.Buffered(), ':') {
		if err := in.Fill(ctx, 1); err != nil {
			return
		}
	}
	fmt.Printf("%s\n", in.Buffered()[:i])
	in.Discard(i + 1)
	fmt.Printf("%s\n", in.Buffered())
	// Output:
	// a type
	// rest
}

func ExampleBytesTo() {
	ctx := context.Background()
	src, sink := chanio.PipeOf[[]byte](1)
	out := chanio.BytesTo(sink)
	body := []byte("hello")
	head := binary.BigEndian.AppendUint16(out.Begin(), uint16(len(body)))
	fmt.Println(out.End(ctx, head, body))
	whole, _ := src.Recv(ctx)
	fmt.Printf("%q\n", whole)
	// Output:
	// <nil>
	// "\x00\x05hello"
}

func ExampleToWriter() {
	ctx := context.Background()
	sink := chanio.ToWriter(bufio.NewWriter(os.Stdout))
	sink.Send(ctx, []byte("buffered, "))
	sink.Send(ctx, []byte("then flushed by Close\n"))
	sink.Close()
	// Output: buffered, then flushed by Close
}

func ExampleReadAll() {
	ctx := context.Background()
	text := chanio.FromReader(strings.NewReader("not too long"))
	all, err := chanio.ReadAll(ctx, text, 1<<20)
	fmt.Printf("%s %v\n", all, err)

	_, err = chanio.ReadAll(ctx, chanio.FromReader(strings.NewReader("too long")), 7)
	fmt.Println(err)
	// Output:
	// not too long <nil>
	// chanio: ReadAll: more than 7 bytes: limit exceeded
}

// A proxy: each direction is moved by the cheapest route, and its end is passed on as a half-close.
func ExampleTransfer() {
	ctx := context.Background()
	client, front := chanio.Pipe()
	back, server := chanio.Pipe()
	go func() {
		chanio.Transfer(ctx, front.In, back.Out)
		back.Out.Close()
	}()
	client.Out.Send(ctx, []byte("hello"))
	client.Out.Close()

	request, err := chanio.ReadAll(ctx, server.In, 1<<20)
	fmt.Println(string(request), err)
	for _, c := range []*chanio.Conn{client, front, back, server} {
		c.Out.Abort(nil)
	}
	// Output: hello <nil>
}
