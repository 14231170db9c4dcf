package codec_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

func ExampleFrame() {
	ctx := context.Background()
	client, server := chanio.Pipe()
	orders := codec.Prefixed(codec.Uint32, codec.String)

	go func() {
		d := codec.Frame(server, orders)
		defer d.Close()
		for order := range d.In.All(ctx) {
			_ = d.Out.Send(ctx, strings.ToUpper(order))
		}
	}()

	d := codec.Frame(client, orders)
	_ = d.Out.Send(ctx, "two pears")
	_ = d.Out.Close()
	for reply := range d.In.All(ctx) {
		fmt.Println(reply)
	}
	// Output: TWO PEARS
}

func ExampleFrameBoth() {
	ctx := context.Background()
	client, server := chanio.Pipe()

	go func() {
		d := codec.FrameBoth(server, codec.Lines, codec.Uint32)
		defer d.Close()
		for line := range d.In.All(ctx) {
			_ = d.Out.Send(ctx, uint32(len(line)))
		}
	}()

	d := codec.FrameBoth(client, codec.Uint32, codec.Lines)
	_ = d.Out.Send(ctx, "how long am I")
	_ = d.Out.Close()
	for n := range d.In.All(ctx) {
		fmt.Println(n)
	}
	// Output: 13
}

func ExampleDecode() {
	a, b := chanio.Pipe()
	_ = a.Out.Send(context.Background(), []byte("GET x\r\nQU"))
	_ = a.Out.Send(context.Background(), []byte("IT\r\n"))
	_ = a.Out.Close()

	for line := range codec.Decode(b.In, codec.Lines).All(context.Background()) {
		fmt.Println(line)
	}
	_ = b.Close()
	_ = a.Close()
	// Output:
	// GET x
	// QUIT
}

func ExampleEncode() {
	a, b := chanio.Pipe()
	out := codec.Encode(a.Out, codec.Uint16)
	_ = out.Send(context.Background(), 258)
	_ = out.Close()

	chunk, _ := b.In.Recv(context.Background())
	fmt.Println(chunk)
	_ = b.Close()
	_ = a.Close()
	// Output: [1 2]
}

func ExamplePrefixed() {
	p, _ := codec.Marshal(codec.Prefixed(codec.Uint16, codec.String), "abc")
	fmt.Printf("% x\n", p)
	p, _ = codec.Marshal(codec.Prefixed(codec.Uint16, codec.String, codec.Adjust(2)), "abc")
	fmt.Printf("% x\n", p)
	// Output:
	// 00 03 61 62 63
	// 00 05 61 62 63
}

func ExampleMap() {
	seconds := codec.Map(codec.Uint32,
		func(n uint32) (time.Duration, error) { return time.Duration(n) * time.Second, nil },
		func(d time.Duration) (uint32, error) { return uint32(d / time.Second), nil })
	p, _ := codec.Marshal(seconds, time.Minute)
	fmt.Println(p)
	// Output: [0 0 0 60]
}

func ExampleJSON() {
	type order struct {
		ID int `json:"id"`
	}
	c := codec.Prefixed(codec.Uint8, codec.JSON[order]())
	_, err := codec.Unmarshal(c, []byte("\x0a"+`{"id":"7"}`))
	fmt.Println(err)
	// Output: codec: id at byte 9: json: cannot unmarshal string into Go struct field order.id of type int, near 7b 22 69 64 22 3a 22 37 [22] 7d "{\"id\":\"7\"}"
}

func ExampleLinesCodec_With() {
	_, err := codec.Marshal(codec.Lines.With(codec.Max(3)), "four")
	fmt.Println(err)
	// Output: codec: encode: line length 4 exceeds the limit of 3
}

func ExampleSizeOf() {
	fmt.Println(codec.SizeOf(codec.Prefixed(codec.Uint8, codec.Bytes)).Max)
	fmt.Println(codec.SizeOf(codec.Float64).Fixed())
	// Output:
	// 256
	// 8 true
}

func ExampleUnmarshal() {
	s, err := codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.String), []byte("\x02hi"))
	fmt.Println(s, err)
	_, err = codec.Unmarshal(codec.Prefixed(codec.Uint8, codec.String), []byte("\x02h"))
	fmt.Println(err)
	// Output:
	// hi <nil>
	// codec: at byte 2: unexpected EOF, near 02 68 [end]
}

func ExampleUnmarshalAll() {
	all, _ := codec.UnmarshalAll(codec.Lines, []byte("a\nb\n"))
	fmt.Println(all)
	// Output: [a b]
}

func ExampleValues() {
	for v, err := range codec.Values(codec.Uint8, []byte{1, 2}) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleMarshal() {
	p, _ := codec.Marshal(codec.Lines, "hello")
	fmt.Printf("%q\n", p)
	// Output: "hello\n"
}
