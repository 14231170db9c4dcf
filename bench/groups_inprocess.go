package main

import (
	"fmt"

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

// allocations is the bar of none, with some room for what the runtime does beside.
func allocations(what, row string) suite.Bar {
	return suite.Bar{
		What: "allocations of " + what, Needs: []string{row}, Limit: 0.001, Most: true, Unit: "per item",
		Of: func(v func(string) suite.Sample) float64 { return v(row).Allocs },
	}
}

// timesAsLong is the bar for theirs to take at least limit times as long as ours.
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

// The codecs' bars: a record of twelve fields takes at most 1.5 times what code by hand takes and allocates nothing, and
// libraries that reflect on each frame take at least ten times as long.
func codecBars() []suite.Bar {
	const ours = "weir Record"
	return []suite.Bar{
		suite.AtMost(1.5, ours, "by hand, encoding/binary"),
		suite.AtMost(1.5, "weir Struct", "by hand, encoding/binary"),
		suite.Aside("weir Record, stream", "by hand, encoding/binary"),
		allocations(ours, ours),
		allocations("weir Struct", "weir Struct"),
		timesAsLong(10, "struc", ours),
		timesAsLong(10, "restruct", ours),
		suite.Aside("encoding/binary, reflection", ours),
	}
}

const recordNote = "Twelve fields, 56 bytes, from and to a []byte; in the row that says stream, from an io.Reader and to an " +
	"io.Writer, record by record."

func encodeGroup() suite.Group {
	g := suite.Group{
		Name: "encode", Title: "a record encoded", Unit: "ns/item", LessIsMore: true, Note: recordNote, Bars: codecBars(),
	}
	for _, f := range records.Forms() {
		g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, f.Encode))
	}
	return g
}

func decodeGroup() suite.Group {
	g := suite.Group{
		Name: "decode", Title: "a record decoded", Unit: "ns/item", LessIsMore: true, Note: recordNote, Bars: codecBars(),
	}
	for _, f := range records.Forms() {
		g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, f.Decode))
	}
	return g
}

func busGroup() suite.Group {
	g := suite.Group{
		Name: "bus", Title: fmt.Sprintf("a value to each of %d subscribers", buses.Subscribers),
		Unit: "ns/publication", LessIsMore: true, Rounds: 3, NotQuick: true,
		Note: "Nothing is lost: a publisher waits for subscribers that lag.",
	}
	for _, f := range buses.Forms() {
		g.Contenders = append(g.Contenders, suite.InProcess(f.Name, f.Ours, f.Run))
	}
	return g
}
