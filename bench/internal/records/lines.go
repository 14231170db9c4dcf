package records

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/weir-go/weir/codec"
)

// LineForm is a way to read lines from an io.Reader.
type LineForm struct {
	Name string
	Ours bool
	Read func(n int) // reads n lines and checks their total length
}

// The names of ways that do the same: owned strings, and slices that are valid until the next line.
const (
	ScannerText     = "bufio.Scanner, Text"
	ScannerBytes    = "bufio.Scanner, Bytes"
	LinesText       = "weir Lines"
	DelimitedText   = "weir Delimited, Raw"
	DelimitedBorrow = "weir Delimited, Borrowed"
)

// LineForms returns the ways for lines of width bytes.
func LineForms(width int) []LineForm {
	line := append(bytes.Repeat([]byte("x"), width), '\n')
	src := func() io.Reader { return &again{p: bytes.Repeat(line, 100)} }
	return []LineForm{
		{ScannerText, false, func(n int) {
			s, total := bufio.NewScanner(src()), 0
			for range n {
				s.Scan()
				total += len(s.Text())
			}
			counted(total, n*width)
		}},
		{ScannerBytes, false, func(n int) {
			s, total := bufio.NewScanner(src()), 0
			for range n {
				s.Scan()
				total += len(s.Bytes())
			}
			counted(total, n*width)
		}},
		{LinesText, true, decodeLines(src, codec.Lines, width)},
		{DelimitedText, true, decodeLines(src, codec.Delimited(codec.RawString, "\n"), width)},
		{DelimitedBorrow, true, decodeLines(src, codec.Delimited(codec.Borrowed, "\n"), width)},
	}
}

func decodeLines[T ~string | ~[]byte](src func() io.Reader, c codec.Codec[T], width int) func(n int) {
	return func(n int) {
		d, total := codec.NewDecoder(src(), c), 0
		for range n {
			line, err := d.Decode()
			if err != nil {
				panic(err)
			}
			total += len(line)
		}
		counted(total, n*width)
	}
}

func counted(have, want int) {
	if have != want {
		panic(fmt.Sprintf("records: %d bytes in lines of %d", have, want))
	}
}
