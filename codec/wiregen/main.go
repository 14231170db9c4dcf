// Wiregen writes codecs for structs with the tags of [codec.Struct]: ordinary Go, with the same bytes, limits and errors,
// at the speed of code written by hand.
//
//	//go:generate go run github.com/weir-go/weir/codec/wiregen Order Fill=FillWire
//
//	orders := codec.Frame(conn, OrderCodec{})
//
// It reads the package in the current directory and writes wire_gen.go there, or the file that -o names. For each type it
// declares a struct without fields, named after the type with Codec behind it or as the argument says, that implements
// [codec.Codec]. The file has the build constraints of the file that declares the types.
//
// A type may be generic as long as no field in the frame has the type of a parameter; for one instance of it, declare a type
// such as "type Uint32Box Box[uint32]". What [codec.Struct] refuses is refused here too, with the name of the field.
// Refused as well are slices of a defined byte type and types that the package cannot name.
//
// The codec does not follow changes of the struct by itself: run go generate after each. What it needs are variables of the
// package, so it must not be used while those are being initialised; an init function may use it.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "wire_gen.go", "write this `file`, in the current directory")
	little := flag.Bool("le", false, "little-endian order where no tag says otherwise, as with codec.LittleEndian")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: wiregen [-o file] [-le] type[=codec]...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	source, err := generate(".", *out, *little, flag.Args())
	if err == nil {
		err = os.WriteFile(*out, source, 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wiregen:", err)
		os.Exit(1)
	}
}
