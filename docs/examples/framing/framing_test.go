package framing_test

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"github.com/weir-go/weir/docs/examples/framing"
)

const text = "HELLO, WORLD"

func TestLayoutsHaveTheirBytes(t *testing.T) {
	body := hex.EncodeToString([]byte(text))
	type around = codec.Pair[uint8, codec.Pair[uint8, string]]
	inner := codec.Pair[uint8, string]{First: 0xfe, Second: text}
	codectest.Vector(t, framing.Plain, "000c"+body, text)
	codectest.Vector(t, framing.Kept, "000c"+body, "\x00\x0c"+text)
	codectest.Vector(t, framing.Whole, "000e"+body, text)
	codectest.Vector(t, framing.HeaderFirst, "cafe 00000c"+body, codec.Pair[uint16, string]{First: 0xcafe, Second: text})
	codectest.Vector(t, framing.HeaderBehind, "00000c cafe"+body, codec.Pair[uint16, string]{First: 0xcafe, Second: text})
	codectest.Vector(t, framing.HeadersAround, "ca 000c fe"+body, around{First: 0xca, Second: inner})
	codectest.Vector(t, framing.HeadersAroundWhole, "ca 0010 fe"+body, around{First: 0xca, Second: inner})
	codectest.Vector(t, framing.Trailer, "10000000"+body+fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))), text)
	codectest.Vector(t, framing.SumFirst, "000c a2880780"+body, text)
	codectest.Rejects(t, framing.SumFirst, "000c a2880781"+body, codec.ErrMismatch, 0)
}

func FuzzHeadersAroundWhole(f *testing.F) {
	codectest.Fuzz(f, framing.HeadersAroundWhole, codec.Pair[uint8, codec.Pair[uint8, string]]{})
}

func Example() {
	frame, _ := codec.Marshal(framing.HeaderBehind, codec.Pair[uint16, string]{First: 0xcafe, Second: text})
	fmt.Printf("% x\n", frame[:5])
	// Output: 00 00 0c ca fe
}
