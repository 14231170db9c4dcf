package main

import (
	"fmt"
	"strings"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

const (
	oursSocket = "weir ws Connect"
	socketLoop = "weir ws Recv/Send"
	oursLeased = "weir ws leased"
)

// socketGroups compares WebSocket servers. gws is the fastest of the peers.
func socketGroups(f *suite.Field) []suite.Group {
	return []suite.Group{
		socketGroup(f, load.Spec{Size: 64, Conns: 64, Window: 64}, 8),
		socketGroup(f, load.Spec{Size: 1 << 10, Conns: 64, Window: 16}, 2.5),
		socketGroup(f, load.Spec{Size: 64, Conns: 64, Window: 1}, 1),
		largeSocketGroup(f),
		deflateGroup(f),
		broadcastGroup(f, 1_000),
		broadcastGroup(f, 10_000),
		idleSocketGroup(f),
	}
}

// socketGroup compares WebSocket servers. Its threshold is limit times the rate of gws.
func socketGroup(f *suite.Field, spec load.Spec, limit float64) suite.Group {
	return suite.Group{
		Name: fmt.Sprintf("ws-%s-w%d", sizeName(spec.Size), spec.Window),
		Title: fmt.Sprintf("WebSocket echo of %s, %s, %d in flight on each",
			bytesName(spec.Size), connsName(spec.Conns), spec.Window),
		Unit: "replies/s", Rounds: 5, NotQuick: true,
		Note:       "Each message is owned, unless a row says leased. weir is behind its own HTTP server, the others behind net/http.",
		Contenders: echoes(f, spec, oursSocket, socketLoop, "gws", "gorilla", "gobwas", "coder"),
		Bars: []suite.Bar{
			suite.AtLeast(limit, oursSocket, "gws"),
			suite.Aside(socketLoop, "gws"),
		},
	}
}

func largeSocketGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64 << 10, Conns: 16, Window: 1}
	g := socketGroup(f, spec, 0.5)
	g.Contenders = append(g.Contenders, echoes(f, spec, oursLeased)...)
	g.Bars = append(g.Bars, suite.AtLeast(1, oursLeased, "gws"))
	g.Note = "gws and the leased row reuse the memory of messages; the others allocate each. " + g.Note
	return g
}

func deflateGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 1 << 10, Conns: 64, Window: 1}
	const ours, standard = "weir ws deflate", "weir ws deflate, compress/flate"
	return suite.Group{
		Name: "ws-deflate", Title: "WebSocket echo of 1 KiB of JSON, each message compressed by itself, 64 connections, 1 in flight on each",
		Unit: "replies/s", Rounds: 5, NotQuick: true,
		Note:       "gws and 'weir ws deflate' use klauspost's compressor, the other rows the standard library's.",
		Contenders: echoes(f, spec, ours, standard, "gws deflate", "gorilla deflate", "coder deflate"),
		Bars:       []suite.Bar{suite.AtLeast(1, ours, "gws deflate"), suite.Aside(standard, "gorilla deflate")},
	}
}

// broadcastGroup measures a room of n members, or of as many as one process may have.
func broadcastGroup(f *suite.Field, n int) suite.Group {
	const ours, theirs = "weir ws room", "gws room"
	spec := load.Spec{Size: 128, Conns: suite.ManyConns(n), Window: 1}
	g := suite.Group{
		Name: fmt.Sprintf("ws-broadcast-%d", n), Title: fmt.Sprintf("WebSocket message of 128 B to %d connections", spec.Conns),
		Unit: "messages/s", Rounds: 3, NotQuick: true,
		Note: "One member sends the next message when all have received the last: weir publishes a prepared message to a bus, " +
			"gws uses its Broadcaster.",
		Bars: []suite.Bar{suite.AtLeast(1.5, ours, theirs)},
	}
	for _, name := range []string{ours, theirs} {
		g.Contenders = append(g.Contenders, f.Broadcast(name, isOurs(name), spec))
	}
	return g
}

// idleSocketGroup measures the memory of a WebSocket that waits for its second message.
func idleSocketGroup(f *suite.Field) suite.Group {
	const least = "net.TCPConn idle"
	g := memoryGroup(f, many(), least, socketLoop, oursSocket, "gws", "gorilla", "gobwas", "coder")
	g.Name, g.Rounds, g.NotQuick = "ws-idle", 2, true
	g.Title = strings.Replace(g.Title, "TCP connections", "WebSockets", 1)
	g.Bars = []suite.Bar{beyond(7<<10, least, socketLoop), beyond(7<<10, least, oursSocket)}
	return g
}
