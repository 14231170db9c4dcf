// Wiregen generates codecs for structs with the tags of [codec.Struct]. The generated Go code has the same format, limits
// and errors, and is as fast as code written by hand.
//
//	//go:generate go run github.com/weir-go/weir/codec/wiregen Order Fill=FillWire
//
//	orders := codec.Frame(conn, OrderCodec{})
//
// It reads the package in the current directory and writes wire_gen.go there, or the file that -o names. For each type it
// declares an empty struct that implements [codec.Codec]. Its name is the name of the type followed by Codec, or the name
// after "=" in the argument. The file has the build constraints of the file that declares the types.
//
// A type may be generic as long as no field in the frame has the type of a parameter; for one instance of it, declare a type
// such as "type Uint32Box Box[uint32]". Wiregen rejects what [codec.Struct] rejects, and names the field. It also rejects
// slices of a defined byte type and types that the package cannot name.
//
// Run go generate after each change of the struct. The codec uses variables of the package, so it must not be used while
// they are initialized; an init function may use it.
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
