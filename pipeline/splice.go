package pipeline

import "github.com/weir-go/weir/chanio"

// Splice combines two halves into one Duplex.
func Splice[R, W any](out *chanio.Sink[W], in *chanio.Source[R]) *chanio.Duplex[R, W] {
	must(out != nil, "Splice: out is nil")
	must(in != nil, "Splice: in is nil")
	return &chanio.Duplex[R, W]{In: in, Out: out}
}
