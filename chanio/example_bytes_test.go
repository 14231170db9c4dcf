package chanio_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
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

func ExampleToReader() {
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
func ExampleToReader_hexDump() {
	src := chanio.FromSlice([][]byte{[]byte("bytes that "), []byte("came in pieces")})
	dump := hex.Dumper(os.Stdout)
	io.Copy(dump, chanio.NewReader(context.Background(), src))
	dump.Close()
	// Output:
	// 00000000  62 79 74 65 73 20 74 68  61 74 20 63 61 6d 65 20  |bytes that came |
	// 00000010  69 6e 20 70 69 65 63 65  73                       |in pieces|
}

func ExampleFromWriter() {
	src, w := chanio.FromWriter(4096)
	go func() {
		z := gzip.NewWriter(w) // wants an io.Writer
		io.WriteString(z, "what a compressor has written ")
		io.WriteString(z, "is a Source of bytes")
		w.CloseWithError(z.Close())
	}()
	z, _ := gzip.NewReader(chanio.NewReader(context.Background(), src))
	text, err := io.ReadAll(z)
	fmt.Println(string(text), err)
	// Output: what a compressor has written is a Source of bytes <nil>
}

func ExampleWriter() {
	src, w := chanio.FromWriter(100)
	fmt.Fprintf(w, "%d lines\n", 1)
	w.CloseWithError(errors.New("and no more"))
	line, _ := src.Recv(context.Background())
	fmt.Printf("%s", line)
	_, err := src.Recv(context.Background())
	fmt.Println(err)
	// Output:
	// 1 lines
	// and no more
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
	// chanio: more than 7 bytes
}

func ExampleRechunk() {
	src := chanio.FromSlice([][]byte{[]byte("a"), []byte("bcdef"), []byte("gh")})
	for chunk := range chanio.Rechunk(src, 3).All(context.Background()) {
		fmt.Printf("%s\n", chunk)
	}
	// Output:
	// abc
	// def
	// gh
}

func ExampleLines() {
	src := chanio.FromSlice([][]byte{[]byte("one\r\ntw"), []byte("o\rthree\nfour")})
	for line := range chanio.Lines(src, 0).All(context.Background()) {
		fmt.Println(line)
	}
	// Output:
	// one
	// two
	// three
	// four
}

func ExampleCompare() {
	a := chanio.FromSlice([][]byte{[]byte("the same"), []byte(" bytes")})
	b := chanio.FromReader(strings.NewReader("the same bytes"))
	fmt.Println(chanio.Compare(context.Background(), a, b))
	// Output: 0 <nil>
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
