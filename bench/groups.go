package main

import (
	"fmt"
	"strings"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/stages"
	"github.com/weir-go/weir/bench/internal/suite"
)

// groups is the suite: every comparison and its bars.
func groups(f *suite.Field, full bool) []suite.Group {
	return []suite.Group{
		stageGroup(),
		rawGroup(f),
		framedGroup(f, 1),
		framedGroup(f, 64),
		largeGroup(f),
		idleGroup(f),
		laterGroup(),
	}
}

func stageGroup() suite.Group {
	g := suite.Group{
		Name: "stages", Title: "pipeline stages", Unit: "ns/item", LessIsMore: true,
		Bars: []suite.Bar{
			{
				What: "one fused stage", Needs: []string{"fused source", "fused 5"},
				Limit: 8, Most: true, Unit: "ns",
				Of: func(v func(string) suite.Sample) float64 {
					return (v("fused 5").Value - v("fused source").Value) / 5
				},
			},
			{
				What: "allocations of five fused stages", Needs: []string{"fused 5"},
				Limit: 0.001, Most: true, Unit: "per item",
				Of: func(v func(string) suite.Sample) float64 { return v("fused 5").Allocs },
			},
			{
				What: "5 goroutines, 128 slots / fused 5", Needs: []string{"fused 5", "5 goroutines, 128 slots"}, Limit: 10,
				Of: func(v func(string) suite.Sample) float64 {
					return v("5 goroutines, 128 slots").Value / v("fused 5").Value
				},
			},
			suite.AtMost(1.15, "C over fused 5", "hand-written goroutine"),
			suite.AtMost(1.15, "C over fused 5", "hand-written goroutine over fused 5"),
		},
	}
	for _, form := range stages.Forms() {
		ours := form.Name[0] == 'f' || form.Name[0] == 'C'
		g.Contenders = append(g.Contenders, suite.InProcess(form.Name, ours, form.Run))
	}
	return g
}

func echoes(f *suite.Field, spec load.Spec, names ...string) (all []suite.Contender) {
	for _, name := range names {
		all = append(all, f.Echo(name, strings.HasPrefix(name, "weir"), spec))
	}
	return all
}

func rawGroup(f *suite.Field) suite.Group {
	return suite.Group{
		Name: "raw", Title: "TCP echo of 64 B, 64 connections, 1 in flight on each", Unit: "replies/s",
		Contenders: echoes(f, load.Spec{Size: 64, Conns: 64, Window: 1},
			"net loop", "weir raw Connect", "weir raw Recv/Send", "weir raw channels"),
		Bars: []suite.Bar{suite.AtLeast(0.95, "weir raw Connect", "net loop")},
	}
}

// framedGroup has frames of 64 B on 64 connections. Rows with one connection are two-moded on small machines and prove
// nothing.
func framedGroup(f *suite.Field, window int) suite.Group {
	g := suite.Group{
		Name:  fmt.Sprintf("framed-w%d", window),
		Title: fmt.Sprintf("TCP echo of 64 B frames behind a u32, 64 connections, %d in flight on each", window),
		Unit:  "replies/s",
		Contenders: echoes(f, load.Spec{Size: 64, Conns: 64, Window: window},
			"bufio owned", "weir Connect", "weir Recv/Send", "weir Recv/Send uncoalesced", "bufio unbatched",
			"bufio borrowed", "weir borrowed Connect", "weir borrowed Recv/Send",
			"bufio typed", "weir typed Connect", "weir typed Recv/Send",
			"bufio wide", "weir wide Recv/Send",
			"two channels", "weir channels"),
		Bars: []suite.Bar{
			suite.AtLeast(0.9, "weir Connect", "bufio owned"),
			suite.AtLeast(0.9, "weir Recv/Send", "bufio owned"),
			suite.AtLeast(1, "weir typed Connect", "bufio typed"),
			suite.AtLeast(1, "weir typed Recv/Send", "bufio typed"),
			suite.AtLeast(1, "weir borrowed Connect", "bufio borrowed"),
			suite.AtLeast(1, "weir borrowed Recv/Send", "bufio borrowed"),
			suite.AtLeast(0.95, "weir channels", "two channels"),
		},
	}
	if window == 64 {
		g.Bars = append(g.Bars,
			suite.AtLeast(2.5, "weir Connect", "two channels"),
			suite.AtLeast(2.5, "weir Recv/Send", "two channels"))
	}
	return g
}

func largeGroup(f *suite.Field) suite.Group {
	return suite.Group{
		Name:  "framed-64k",
		Title: "TCP echo of 64 KiB frames behind a u32, 64 connections, 1 in flight on each",
		Unit:  "replies/s",
		Contenders: echoes(f, load.Spec{Size: 64 << 10, Conns: 64, Window: 1},
			"bufio owned", "weir Connect", "weir Recv/Send",
			"bufio borrowed", "weir borrowed Connect", "weir borrowed Recv/Send"),
		Bars: []suite.Bar{
			suite.AtLeast(0.75, "weir Connect", "bufio owned"),
			suite.AtLeast(0.75, "weir Recv/Send", "bufio owned"),
			suite.AtLeast(0.95, "weir borrowed Connect", "bufio borrowed"),
			suite.AtLeast(0.95, "weir borrowed Recv/Send", "bufio borrowed"),
		},
	}
}

// idleGroup has what a connection holds that waits in a handler's Recv, after one message.
func idleGroup(f *suite.Field) suite.Group {
	g := suite.Group{
		Name: "idle", Title: "1,000 idle TCP connections, heap and stack in use for each", Unit: "B", LessIsMore: true,
		Bars: []suite.Bar{
			{
				What: "weir Recv/Send beyond the net.TCPConn", Needs: []string{"net.TCPConn idle", "weir Recv/Send"},
				Limit: 6 << 10, Most: true, Unit: "B",
				Of: func(v func(string) suite.Sample) float64 {
					return v("weir Recv/Send").Value - v("net.TCPConn idle").Value
				},
			},
			{
				What: "goroutines of weir Recv/Send", Needs: []string{"weir Recv/Send"},
				Limit: 1.01, Most: true, Unit: "each",
				Of: func(v func(string) suite.Sample) float64 { return v("weir Recv/Send").Goroutines },
			},
		},
	}
	for _, name := range []string{
		"net.TCPConn idle", "bufio owned", "two channels", "weir Recv/Send", "weir Connect", "weir channels",
	} {
		spec := load.Spec{Size: 64, Conns: 1000, Window: 1}
		g.Contenders = append(g.Contenders, f.Idle(name, strings.HasPrefix(name, "weir"), spec))
	}
	return g
}

// laterGroup has the bars whose subject is not there yet.
func laterGroup() suite.Group {
	const unbuilt = "its subject comes later"
	later := func(what string, limit float64) suite.Bar {
		return suite.Bar{What: what, Limit: limit, Later: unbuilt}
	}
	return suite.Group{Name: "later", Title: "bars to come", Bars: []suite.Bar{
		later("WebSocket echo 64 B, 64 in flight / gws", 2.5),
		later("WebSocket echo 64 B, 1 in flight / gws", 1),
		later("WebSocket echo 64 KiB / gws", 0.9),
		later("HTTP/1 hello, http.Handler / net/http", 1.35),
		later("HTTP/1 hello, native form / fasthttp", 1),
		later("HTTP/1 hello, pipelined 16 / net/http", 3),
		later("HTTP/2 hello / net/http", 0.97),
		later("streamed body of 1 M items / Write and Flush for each", 3),
		later("UDP echo and sink 64 B, 32 queued / ReadFromUDPAddrPort loop", 1.5),
		later("UDP echo 64 B, 1 queued / ReadFromUDPAddrPort loop", 0.95),
		{What: "codec of a 12-field record / encoding/binary by hand, time", Limit: 1.5, Most: true, Later: unbuilt},
		later("reflection for each frame / codec of a 12-field record, time", 10),
	}}
}
