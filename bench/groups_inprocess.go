package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/weir-go/weir/bench/internal/buses"
	"github.com/weir-go/weir/bench/internal/records"
	"github.com/weir-go/weir/bench/internal/stages"
	"github.com/weir-go/weir/bench/internal/suite"
)

func stageGroup() suite.Group {
	g := suite.Group{
		Name: "stages", Title: "pipeline stages", Unit: "ns/item", LessIsMore: true,
		Note: "Five steps, each called through a variable. Libraries whose stages are goroutines run one for each step.",
		Bars: []suite.Bar{
			{
				What: "one fused stage", Needs: []string{"fused source", "fused 5"},
				Limit: 8, Most: true, Unit: "ns",
				Of: func(v func(string) suite.Sample) float64 {
					return (v("fused 5").Value - v("fused source").Value) / 5
				},
			},
			allocations("five fused stages", "fused 5"),
			timesAsLong(10, "5 goroutines, 128 slots", "fused 5"),
			suite.Aside("5 goroutines, 128 slots, select on ctx", "fused 5"),
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

// allocations is the threshold of no allocations, with some room for those of the runtime.
func allocations(what, row string) suite.Bar {
	return suite.Bar{
		What: "allocations of " + what, Needs: []string{row}, Limit: 0.001, Most: true, Unit: "per item",
		Of: func(v func(string) suite.Sample) float64 { return v(row).Allocs },
	}
}

// timesAsLong is the threshold for theirs to take at least limit times as long as ours.
func timesAsLong(limit float64, theirs, ours string) suite.Bar {
	return suite.AtLeast(limit, theirs, ours)
}

func depthGroup() suite.Group {
	g := suite.Group{
		Name: "depth", Title: "pipelines of 1 to 10 stages", Unit: "ns/item", LessIsMore: true, X: "stages",
		Rounds: 3, Share: 0.5, NotQuick: true,
	}
	for _, d := range stages.Depths() {
		c := suite.InProcess(d.Name(), d.Ours, d.Run)
		c.Line, c.X = d.Kind, float64(d.Stages)
		g.Contenders = append(g.Contenders, c)
	}
	return g
}

func bufferGroup() suite.Group {
	g := suite.Group{
		Name: "buffer", Title: fmt.Sprintf("a buffer of %d between two goroutines", stages.BufferSize),
		Unit: "ns/item", LessIsMore: true, Rounds: 3, Share: 0.3, NotQuick: true,
		Note: "The work is done twice with each item, by the producer and by the receiver. A bare channel cannot be " +
			"stopped while it waits; the rows that say ctx, and weir's, can.",
	}
	for _, b := range stages.Buffers() {
		g.Contenders = append(g.Contenders, suite.InProcess(b.Name(), b.Ours, b.Run))
	}
	for _, w := range stages.Works() {
		var theirs []string
		for _, b := range stages.Buffers() {
			if !b.Ours && b.Work.Name == w.Name {
				theirs = append(theirs, b.Name())
			}
		}
		ours := "weir Buffer, " + w.Name
		g.Bars = append(g.Bars, bestOf(parity(w), theirs, ours), fewAllocations(ours),
			suite.Aside("channel, select on ctx, "+w.Name, "weir Buffer, channel, "+w.Name))
	}
	return g
}

// mappedGroups compares concurrent maps: ordered and unordered, with little work and with more.
func mappedGroups() (all []suite.Group) {
	for i, w := range stages.Works() {
		size := []string{"small", "1us"}[i]
		all = append(all,
			mappedGroup("ordered-"+size, "results in order, "+w.Name, parity(w), stages.Ordered(w)),
			mappedGroup("unordered-"+size, "results as they come, "+w.Name, parity(w), stages.Unordered(w)))
	}
	return all
}

func mappedGroup(name, title string, limit float64, all []stages.Mapped) suite.Group {
	g := suite.Group{
		Name: name, Title: "a map with several workers, " + title, Unit: "ns/item", LessIsMore: true, X: "workers",
		Rounds: 3, Share: 0.3, NotQuick: true,
	}
	theirs, ours := map[int][]string{}, map[int]string{}
	for _, m := range all {
		c := suite.InProcess(m.Name(), m.Ours, m.Run)
		c.Line, c.X = m.Kind, float64(m.Workers)
		g.Contenders = append(g.Contenders, c)
		switch {
		case m.Ours:
			ours[m.Workers] = m.Name()
		case m.Slices:
			g.Note = "conc's iter takes slices of 1,024: it has no result before it has that many items, and takes no part " +
				"in the thresholds."
		default:
			theirs[m.Workers] = append(theirs[m.Workers], m.Name())
		}
	}
	for _, n := range stages.WorkerCounts() {
		g.Bars = append(g.Bars, bestOf(limit, theirs[n], ours[n]), fewAllocations(ours[n]))
	}
	return g
}

// fewAllocations is the threshold of no allocations, with room for starting a stage: at a microsecond per item there
// are few items.
func fewAllocations(row string) suite.Bar {
	bar := allocations(row, row)
	bar.Limit = 0.01
	return bar
}

// parity is the limit of bestOf. With real work, which is the same for all, one of the others is slightly faster in
// each round by chance.
func parity(w stages.Work) float64 {
	if w.Name == stages.Works()[0].Name {
		return 1
	}
	return 0.95
}

// bestOf is the threshold for the fastest of theirs, in each round, to take at least limit times as long as ours.
func bestOf(limit float64, theirs []string, ours string) suite.Bar {
	return suite.Bar{
		What: "best of the others / " + ours, Needs: append([]string{ours}, theirs...), Limit: limit,
		Of: func(v func(string) suite.Sample) float64 {
			best := math.Inf(1)
			for _, name := range theirs {
				best = min(best, v(name).Value)
			}
			return best / v(ours).Value
		},
	}
}

// codecBars compares with a hand-written Codec that is called as ours are: through the interface, and to decode through
// Unmarshal with its Reader. For a record of twelve fields a generated codec takes at most 1.3 times as long, and a
// Record, which is a table, at most 1.5 times. Neither allocates. Libraries that reflect on each frame take at least
// ten times as long as the table. Hand-written functions without interface and Reader are shown beside them.
func codecBars() []suite.Bar {
	return append(besideFunction(),
		suite.AtMost(1.3, records.Generated, records.ByHandCodec),
		suite.AtMost(1.5, records.ByValue, records.ByHandCodec),
		suite.AtMost(1.5, "weir Struct", records.ByHandCodec),
		suite.Aside(records.InPlace, records.ByHand),
		suite.Aside(records.Stream, records.ByHandStream),
		allocations(records.Generated, records.Generated),
		allocations(records.InPlace, records.InPlace),
		allocations(records.ByValue, records.ByValue),
		timesAsLong(10, "struc", records.InPlace),
		timesAsLong(10, "restruct", records.InPlace),
		timesAsLong(10, "struc", records.ByValue),
		timesAsLong(10, "restruct", records.ByValue),
		suite.Aside("encoding/binary, reflection", records.ByValue),
	)
}

// besideFunction compares with the hand-written function that takes the struct by value.
func besideFunction() []suite.Bar {
	return []suite.Bar{
		suite.Aside(records.Generated, records.ByHandValue),
		suite.Aside(records.ByValue, records.ByHandValue),
	}
}

const recordNote = "Twelve fields, 56 bytes, from and to a []byte: in place with a pointer to the struct, by value with the " +
	"struct as result or parameter; as a Codec means a call through that interface, and Unmarshal with its Reader to decode. " +
	"The thresholds compare with a Codec by hand. The rows named stream use an io.Reader and an io.Writer, record by record."

// codecGroups compares ways to encode and decode.
func codecGroups() []suite.Group {
	const textNote = "Twelve fields, two of them length-prefixed texts of 4 and 10 bytes; a received text is a copy. The " +
		"thresholds compare with a Codec by hand, which decodes through Unmarshal and takes its copies from the Reader, " +
		"many to an allocation. A function by hand has no Reader and allocates each copy."
	groups := []suite.Group{
		{Name: "encode", Title: "a record encoded", Note: recordNote, Bars: codecBars()},
		{Name: "decode", Title: "a record decoded", Note: recordNote, Bars: codecBars()},
		{Name: "encode-text", Title: "a record with texts encoded", Note: textNote, Bars: textBars(0.001)},
		{Name: "decode-text", Title: "a record with texts decoded", Note: textNote, Bars: textBars(0.1)},
	}
	for i, forms := range [][]records.Form{records.Forms(), records.Forms(), records.TextForms(), records.TextForms()} {
		g := &groups[i]
		g.Unit, g.LessIsMore = "ns/item", true
		for _, f := range forms {
			run := f.Encode
			if strings.HasPrefix(g.Name, "decode") {
				run = f.Decode
			}
			g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, run))
		}
	}
	return append(groups, linesGroup(40), linesGroup(200))
}

// textBars allows some allocations per record: blocks of 4 KiB for the texts of many.
func textBars(allocs float64) []suite.Bar {
	bars := besideFunction()
	for _, row := range []string{records.Generated, records.InPlace} {
		bar := allocations(row, row)
		bar.Limit = allocs
		bars = append(bars, bar)
	}
	return append(bars,
		suite.AtMost(1.5, records.Generated, records.ByHandCodec),
		suite.AtMost(1.5, records.ByValue, records.ByHandCodec),
		suite.Aside(records.InPlace, records.ByHand))
}

func linesGroup(width int) suite.Group {
	g := suite.Group{
		Name: fmt.Sprintf("lines-%d", width), Title: fmt.Sprintf("lines of %d bytes", width),
		Unit: "ns/line", LessIsMore: true,
		Note: "From an io.Reader, as an owned string (Text, Lines, Raw) or as bytes until the next line.",
		Bars: []suite.Bar{
			suite.AtMost(1, records.LinesText, records.ScannerText),
			suite.AtMost(1, records.DelimitedText, records.ScannerText),
			suite.Aside(records.DelimitedBorrow, records.ScannerBytes),
		},
	}
	for _, f := range records.LineForms(width) {
		g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, f.Read))
	}
	return g
}

func busGroup() suite.Group {
	g := suite.Group{
		Name: "bus", Title: fmt.Sprintf("a value to each of %d subscribers", buses.Subscribers),
		Unit: "ns/publication", LessIsMore: true, Rounds: 3, NotQuick: true,
		Note: "Nothing is lost: a publisher waits for subscribers that lag. NATS is a bus for networks: its server is in " +
			"this process too, but each value crosses a connection in memory to it, and again to each subscriber.",
	}
	for _, f := range buses.Forms() {
		g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, f.Run))
	}
	return g
}
