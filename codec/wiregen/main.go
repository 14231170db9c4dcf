// Wiregen writes functions for [codec.Tuned]: what code by hand would do for a struct with the tags of [codec.Struct].
//
//	//go:generate go run github.com/weir-go/weir/codec/wiregen Order Fill
//
//	var order = codec.Tuned(codec.Struct[Order](), (*Order).appendWire, (*Order).decodeWire)
//
// It reads the package in the current directory and writes the file wire_gen.go there, or the one that -o names, with the
// methods appendWire and decodeWire of each type. A field may be what has a place for [codec.Struct]: a number, a bool, a
// string or []byte behind its length, an array or a struct of these, a const or a skip. What else Struct does, slices with
// a count and what extends to the end of the frame, is refused; Struct serves such a type without help. Types of other
// packages are known only if they are the standard library's.
//
// The functions are checked against the codec when it is built, so that stale ones are not used unnoticed.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	out := flag.String("o", "wire_gen.go", "write this `file`, in the current directory")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: wiregen [-o file] type...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	source, err := generate(".", *out, flag.Args())
	if err == nil {
		err = os.WriteFile(*out, source, 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wiregen:", err)
		os.Exit(1)
	}
}
