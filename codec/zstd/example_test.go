package zstd_test

import (
	"fmt"
	"strings"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/zstd"
)

// Numbers are packed as a list, within a length.
func Example() {
	c := codec.Prefixed(codec.Uint32, codec.Compressed(zstd.Default, codec.ToEnd(codec.Uint32)))
	p, err := codec.Marshal(c, make([]uint32, 1000))
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := codec.Unmarshal(c, p)
	fmt.Println(len(p) < 50, len(v), err)
	// Output: true 1000 <nil>
}

func ExampleLevel() {
	small := zstd.Level(19)
	p, err := small.Compress(nil, []byte(strings.Repeat("again and ", 100)))
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := zstd.Default.Decompress(nil, p, 1000)
	fmt.Println(len(p) < 50, len(plain), err)
	// Output: true 1000 <nil>
}
