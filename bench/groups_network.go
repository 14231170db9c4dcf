package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/queued"
	"github.com/weir-go/weir/bench/internal/suite"
)

// eventLoops are peers that some systems do not support.
func eventLoops(f *suite.Field, spec load.Spec, names ...string) []suite.Contender {
	all := echoes(f, spec, names...)
	if runtime.GOOS == "windows" {
		for i := range all {
			all[i] = suite.Skipped(all[i].Name, "it has no event loop for this system")
		}
	}
	return all
}

func rawGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64, Conns: 64, Window: 1}
	g := suite.Group{
		Name: "raw", Title: "TCP echo of 64 B, 64 connections, 1 in flight on each", Unit: "replies/s",
		Contenders: echoes(f, spec, "net loop", "weir raw Connect", "weir raw Recv/Send", "weir raw channels"),
		Bars:       []suite.Bar{suite.AtLeast(0.97, "weir raw Connect", "net loop")},
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet raw", "netpoll raw")...)
	return g
}

// framedGroup measures frames of 64 B on 64 connections. Rows with one connection have two modes on small machines, so
// their medians mean nothing.
func framedGroup(f *suite.Field, window int) suite.Group {
	spec := load.Spec{Size: 64, Conns: 64, Window: window}
	loop := 0.95 // the threshold for a loop of Recv and Send
	if window == 64 {
		loop = 0.85
	}
	g := suite.Group{
		Name:  fmt.Sprintf("framed-w%d", window),
		Title: fmt.Sprintf("TCP echo of 64 B frames with a u32 length, 64 connections, %d in flight on each", window),
		Unit:  "replies/s",
		Note:  "Frames are owned []byte, unless a row says borrowed or typed.",
		Contenders: echoes(f, spec,
			"bufio owned", "weir Connect", "weir Recv/Send", "weir Recv/Send uncoalesced", "bufio unbatched",
			"bufio borrowed", "weir borrowed Connect", "weir borrowed Recv/Send",
			"bufio typed", "weir typed Connect", "weir typed Recv/Send",
			"bufio wide", "weir wide Recv/Send",
			"two channels", "weir channels", "weir channel of batches"),
		Bars: []suite.Bar{
			suite.AtLeast(0.95, "weir Connect", "bufio owned"),
			suite.AtLeast(loop, "weir Recv/Send", "bufio owned"),
			suite.AtLeast(1, "weir typed Connect", "bufio owned"),
			suite.Aside("weir typed Connect", "bufio typed"),
			suite.AtLeast(1, "weir typed Recv/Send", "bufio owned"),
			suite.Aside("weir typed Recv/Send", "bufio typed"),
			suite.AtLeast(1, "weir borrowed Connect", "bufio owned"),
			suite.Aside("weir borrowed Connect", "bufio borrowed"),
			suite.AtLeast(1, "weir borrowed Recv/Send", "bufio owned"),
			suite.Aside("weir borrowed Recv/Send", "bufio borrowed"),
			suite.AtLeast(1, "weir channels", "two channels"),
		},
	}
	if window == 64 {
		g.Bars = append(g.Bars,
			suite.AtLeast(0.8, "weir channel of batches", "bufio owned"),
			suite.AtLeast(2.5, "weir Connect", "two bare channels"),
			suite.AtLeast(2.5, "weir Recv/Send", "two bare channels"),
			suite.Aside("weir Connect", "two channels"))
		g.Contenders = append(g.Contenders, echoes(f, spec, "two bare channels")...)
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet", "netpoll")...)
	return g
}

func largeGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64 << 10, Conns: 64, Window: 1}
	g := suite.Group{
		Name:  "framed-64k",
		Title: "TCP echo of 64 KiB frames with a u32 length, 64 connections, 1 in flight on each",
		Unit:  "replies/s",
		Contenders: echoes(f, spec,
			"bufio owned", "weir Connect", "weir Recv/Send",
			"bufio borrowed", "weir borrowed Connect", "weir borrowed Recv/Send"),
		Bars: []suite.Bar{
			suite.AtLeast(1, "weir Connect", "bufio owned"),
			suite.AtLeast(1, "weir Recv/Send", "bufio owned"),
			suite.AtLeast(1.5, "weir borrowed Connect", "bufio owned"),
			suite.Aside("weir borrowed Connect", "bufio borrowed"),
			suite.AtLeast(1.5, "weir borrowed Recv/Send", "bufio owned"),
			suite.Aside("weir borrowed Recv/Send", "bufio borrowed"),
		},
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet", "netpoll")...)
	return g
}

// many returns how many connections to open: as many as one process may have, at most a thousand.
func many() int { return suite.ManyConns(1000) }

// sizeGroups measures other sizes, windows and numbers of connections: a few combinations, or all.
func sizeGroups(f *suite.Field, full bool) (all []suite.Group) {
	framed := []load.Spec{
		{Size: 1 << 10, Conns: 64, Window: 64},
		{Size: 64, Conns: many(), Window: 1},
		{Size: 64, Conns: 1, Window: 64},
	}
	var raw []load.Spec
	if full {
		framed = allSizes(1, 64)
		raw = allSizes(1)
	}
	for _, spec := range framed {
		all = append(all, sizeGroup(f, "framed", "frames with a u32 length", spec,
			[]string{"bufio owned", "two channels", "weir Connect", "weir Recv/Send", "weir channels"}, "gnet", "netpoll"))
	}
	for _, spec := range raw {
		all = append(all, sizeGroup(f, "raw", "without frames", spec,
			[]string{"net loop", "weir raw Connect", "weir raw Recv/Send", "weir raw channels"}, "gnet raw", "netpoll raw"))
	}
	return all
}

// allSizes returns all combinations except those with more than a gigabyte in flight.
func allSizes(windows ...int) (all []load.Spec) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		for _, conns := range []int{1, 64, many()} {
			for _, window := range windows {
				if size*conns*window <= 1<<30 {
					all = append(all, load.Spec{Size: size, Conns: conns, Window: window})
				}
			}
		}
	}
	return all
}

func sizeName(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%dk", n>>10)
	}
	return fmt.Sprint(n)
}

func sizeGroup(
	f *suite.Field, kind, what string, spec load.Spec, names []string, loops ...string,
) suite.Group {
	g := suite.Group{
		Name: fmt.Sprintf("%s-%s-c%d-w%d", kind, sizeName(spec.Size), spec.Conns, spec.Window),
		Title: fmt.Sprintf("TCP echo of %s %s, %s, %d in flight on each",
			bytesName(spec.Size), what, connsName(spec.Conns), spec.Window),
		Unit: "replies/s", Rounds: 3, NotQuick: true,
		Contenders: echoes(f, spec, names...),
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, loops...)...)
	return g
}

func connsName(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

func bytesName(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// latencyRate is well below the capacity of the slowest contender on a small machine.
const latencyRate = 5000

func latencyGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64, Conns: 64, Window: 1, Rate: latencyRate}
	g := suite.Group{
		Name: "latency", Title: fmt.Sprintf("latency of 64 B frames with a u32 length at %d/s over 64 connections", latencyRate),
		Unit: "ms, 99th percentile", LessIsMore: true, Rounds: 3, Share: 2, NotQuick: true,
		Note: "Requests start at a constant rate whatever the server does; a latency counts from the start.",
	}
	for _, name := range []string{
		"bufio owned", "two channels", "weir Connect", "weir Recv/Send", "weir channels", "gnet", "netpoll",
	} {
		g.Contenders = append(g.Contenders, f.Latency(name, isOurs(name), spec))
	}
	return g
}

func idleMixGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64, Conns: many(), Window: 1, Idle: 0.8}
	g := suite.Group{
		Name:  "idle-mix",
		Title: fmt.Sprintf("TCP echo of 64 B frames with a u32 length, %d connections of which 80 %% are idle", spec.Conns),
		Unit:  "replies/s", Rounds: 3, NotQuick: true,
		Contenders: echoes(f, spec, "bufio owned", "two channels", "weir Connect", "weir Recv/Send", "weir channels"),
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet", "netpoll")...)
	return g
}

func connectGroup(f *suite.Field) suite.Group {
	spec := load.Spec{Size: 64, Conns: 16, Window: 1, Reuse: 1}
	g := suite.Group{
		Name: "connect", Title: "TCP connections that carry one frame of 64 B, 16 at a time", Unit: "connections/s",
		Rounds: 3, Share: 0.5, NotQuick: true,
		Contenders: echoes(f, spec,
			"net loop, 64 B buffer", "weir raw Recv/Send",
			"bufio owned", "weir Connect", "weir Recv/Send", "weir channels"),
		Bars: []suite.Bar{
			suite.AtLeast(0.97, "weir raw Recv/Send", "net loop, 64 B buffer"),
			suite.Aside("weir Recv/Send", "bufio owned"),
		},
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet", "netpoll")...)
	return g
}

func tlsGroup(f *suite.Field, wire string) suite.Group {
	g := suite.Group{Unit: "replies/s", Rounds: 3, NotQuick: true}
	if wire == "raw" {
		g.Name, g.Title = "tls-raw", "TLS 1.3 echo of 64 B, 64 connections, 1 in flight on each"
		g.Contenders = echoes(f, load.Spec{Size: 64, Conns: 64, Window: 1},
			"tls net loop", "weir tls raw Connect", "weir tls raw Recv/Send")
		return g
	}
	g.Name, g.Title = "tls-framed", "TLS 1.3 echo of 64 B frames with a u32 length, 64 connections, 64 in flight on each"
	g.Contenders = echoes(f, load.Spec{Size: 64, Conns: 64, Window: 64},
		"tls bufio owned", "weir tls Connect", "weir tls Recv/Send", "weir tls channels")
	return g
}

// proxyGroup measures a proxy between the generator and an echo server, each in its own process.
func proxyGroup(f *suite.Field) suite.Group {
	const ours, theirs = "weir proxy Transfer", "proxy io.Copy"
	return suite.Group{
		Name: "proxy", Title: "TCP proxy, 64 KiB echoed through it, 16 connections, 1 in flight on each", Unit: "replies/s",
		Rounds: 5, NotQuick: true,
		Contenders: echoes(f, load.Spec{Size: 64 << 10, Conns: 16, Window: 1}, theirs, ours, "weir proxy Connect"),
		Bars:       []suite.Bar{suite.AtLeast(1, ours, theirs), suite.Aside("weir proxy Connect", theirs)},
	}
}

// udpGroup measures one socket with several datagrams in flight, so at most that many are queued at the server.
func udpGroup(f *suite.Field, window int) suite.Group {
	spec := load.Spec{Size: 64, Conns: 1, Window: window}
	limit := 0.95
	if window > 1 {
		limit = 1.5
	}
	g := suite.Group{
		Name:  fmt.Sprintf("udp-w%d", window),
		Title: fmt.Sprintf("UDP echo of 64 B, %d in flight", window),
		Unit:  "replies/s", Rounds: 5,
		Contenders: echoes(f, spec, "udp loop", "weir udp Connect", "weir udp Recv/Send", "weir udp channels"),
		Bars: []suite.Bar{
			suite.AtLeast(limit, "weir udp Connect", "udp loop"),
			suite.AtLeast(limit, "weir udp Recv/Send", "udp loop"),
		},
	}
	g.Contenders = append(g.Contenders, eventLoops(f, spec, "gnet udp")...)
	return g
}

// udpQueuedGroup measures datagrams that are all queued before the first is received.
func udpQueuedGroup() suite.Group {
	const theirSink, theirEcho = "udp loop, receive", "udp loop, echo"
	g := suite.Group{
		Name:  "udp-queued",
		Title: fmt.Sprintf("UDP datagrams of %d B, %d of which are queued in advance", queued.Size, queued.Len),
		Unit:  "ns/datagram", LessIsMore: true, Rounds: 5,
		Note: "In this process; filling the queue is not counted.",
		Bars: []suite.Bar{
			suite.AtLeast(1.5, theirSink, "weir Recv, receive"),
			suite.AtLeast(1.5, theirSink, "weir All, receive"),
			suite.AtLeast(1.5, theirEcho, "weir Recv/Send, echo"),
		},
	}
	for _, f := range queued.Forms() {
		g.Contenders = append(g.Contenders,
			suite.Timed(f.Name, f.Ours, func() (suite.Stopwatch, error) { return f.Open() }))
	}
	return g
}

// udpSinkGroup measures datagrams in one direction, sent as fast as the generator can.
func udpSinkGroup(f *suite.Field) suite.Group {
	g := suite.Group{
		Name: "udp-sink", Title: "UDP datagrams of 64 B received, none answered", Unit: "datagrams/s", Rounds: 5,
		Note: "Sending costs more than receiving, so few are queued and the generator limits all rows.",
		Bars: []suite.Bar{suite.Aside("weir udp sink Recv", "udp sink loop")},
	}
	for _, name := range []string{"udp sink loop", "weir udp sink Recv", "weir udp sink channel"} {
		g.Contenders = append(g.Contenders, f.Sink(name, isOurs(name), load.Spec{Size: 64, Conns: 1, Window: 1}))
	}
	return g
}

// idleGroup measures the memory of a connection that waits in a handler's Recv, after one message.
func idleGroup(f *suite.Field) suite.Group {
	g := memoryGroup(f, many(),
		"net.TCPConn idle", "bufio owned", "two channels", "weir raw Recv/Send", "weir Recv/Send", "weir Connect",
		"weir channels", "gnet", "netpoll")
	g.Name, g.Rounds = "idle", 3
	g.Bars = []suite.Bar{
		beyond(6<<10, "net.TCPConn idle", "weir raw Recv/Send"),
		beyond(6<<10, "net.TCPConn idle", "weir Recv/Send"),
		{
			What: "goroutines of weir Recv/Send", Needs: []string{"weir Recv/Send"},
			Limit: 1.01, Most: true, Unit: "each",
			Of: func(v func(string) suite.Sample) float64 { return v("weir Recv/Send").Goroutines },
		},
	}
	return g
}

// beyond is the threshold for a connection of ours to hold at most limit bytes more than the net.Conn below it, which
// is the row least.
func beyond(limit float64, least, row string) suite.Bar {
	return suite.Bar{
		What: row + " beyond the " + strings.TrimSuffix(least, " idle"), Needs: []string{least, row},
		Limit: limit, Most: true, Unit: "B",
		Of: func(v func(string) suite.Sample) float64 { return v(row).Value - v(least).Value },
	}
}

// idleTLSGroup measures the same over TLS, compared with a tls.Conn.
func idleTLSGroup(f *suite.Field) suite.Group {
	const least, raw, framed = "tls.Conn idle", "weir tls raw Recv/Send", "weir tls Recv/Send"
	g := memoryGroup(f, suite.ManyConns(500), least, "tls bufio owned", raw, framed)
	g.Name, g.Rounds, g.NotQuick = "idle-tls", 2, true
	g.Title = strings.Replace(g.Title, "TCP", "TLS 1.3", 1)
	g.Bars = []suite.Bar{beyond(10<<10, least, raw), beyond(10<<10, least, framed)}
	return g
}

func manyIdleGroup(f *suite.Field) suite.Group {
	g := memoryGroup(f, suite.ManyConns(10_000), "net.TCPConn idle", "bufio owned", "weir Recv/Send", "gnet")
	g.Name, g.Rounds, g.NotQuick = "idle-many", 1, true
	return g
}

func memoryGroup(f *suite.Field, conns int, names ...string) suite.Group {
	g := suite.Group{
		Title: fmt.Sprintf("%d idle TCP connections, heap and stack in use for each", conns), Unit: "B", LessIsMore: true,
		Note: "After one message on each and a garbage collection.",
	}
	for _, name := range names {
		spec := load.Spec{Size: 64, Conns: conns, Window: 1}
		g.Contenders = append(g.Contenders, f.Idle(name, isOurs(name), spec))
	}
	return g
}
