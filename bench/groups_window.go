package main

import (
	"fmt"
	"runtime"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

// windowGroup shows the effect of holding output back: none with one frame in flight, and a larger one the more there
// are.
func windowGroup(f *suite.Field) suite.Group {
	g := suite.Group{
		Name: "window", Title: "TCP echo of 64 B frames with a u32 length, 64 connections, 1 to 64 in flight on each",
		Unit: "replies/s", X: "in flight", Rounds: 3, Share: 2, NotQuick: true,
	}
	names := []string{
		"bufio owned", "bufio unbatched", "two channels", "weir Recv/Send", "weir Recv/Send uncoalesced", "weir Connect",
	}
	if runtime.GOOS != "windows" {
		names = append(names, "gnet")
	}
	for _, name := range names {
		for _, window := range []int{1, 4, 16, 64} {
			c := f.Echo(name, isOurs(name), load.Spec{Size: 64, Conns: 64, Window: window})
			c.Name, c.Line, c.X = fmt.Sprintf("%s, %d in flight", name, window), name, float64(window)
			g.Contenders = append(g.Contenders, c)
		}
	}
	return g
}
