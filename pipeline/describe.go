package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// describe returns the description of a stage that owns these upstreams.
func describe(ups ...chanio.Description) chanio.Description {
	d := chanio.Description{Upstream: ups}
	if len(ups) > 0 {
		d.Kind = ups[0].Consumer
	}
	return d
}

// Tree draws a live stream and everything above it as a tree, one line each. Its argument is the result of
// [chanio.Source.Describe] for the source at the end of a pipeline. Whatever appears twice, such as the source of a
// [Tee], is drawn once.
//
//	pipeline.Named "orders", 1200 passed
//	└─ pipeline.Buffer, 3 of 64 queued, 2 dropped
//	   └─ pipeline.Map
//	      └─ source
func Tree(d chanio.Description) string {
	t := tree{seen: map[string]bool{}}
	t.draw(d, "", "")
	return t.String()
}

type tree struct {
	strings.Builder
	seen map[string]bool
}

// draw writes d after the prefix first, and its upstreams after the prefix rest.
func (t *tree) draw(d chanio.Description, first, rest string) {
	t.WriteString(first + label(d, " ", ", "))
	if t.seen[d.ID] {
		t.WriteString(", see above\n")
		return
	}
	t.seen[d.ID] = d.ID != ""
	t.WriteString("\n")
	for i, up := range d.Upstream {
		if i < len(d.Upstream)-1 {
			t.draw(up, rest+"├─ ", rest+"│  ")
		} else {
			t.draw(up, rest+"└─ ", rest+"   ")
		}
	}
}

// label returns a description as text.
func label(d chanio.Description, space, comma string) string {
	s := d.Kind
	if d.Name != "" {
		s += space + fmt.Sprintf("%q", d.Name)
	}
	say := func(n uint64, format string, args ...any) {
		if n > 0 {
			s += comma + fmt.Sprintf(format, args...)
		}
	}
	say(uint64(d.Capacity), "%d of %d queued", d.Queued, d.Capacity)
	say(d.Passed, "%d passed", d.Passed)
	say(d.Dropped, "%d dropped", d.Dropped)
	if d.Err != nil {
		return s + comma + "ended: " + d.Err.Error()
	}
	if d.Ended {
		return s + comma + "ended"
	}
	return s
}

// Dot draws live streams and everything above them as one graph in the Graphviz language, sources first.
func Dot(ds ...chanio.Description) string {
	g := dot{nodes: map[string]bool{}, edges: map[[2]string]bool{}}
	for _, d := range ds {
		g.draw(d)
	}
	return "digraph pipeline {\n\tnode [shape=box]\n" + g.String() + "}\n"
}

type dot struct {
	strings.Builder
	nodes map[string]bool
	edges map[[2]string]bool
}

func (g *dot) draw(d chanio.Description) {
	if !g.nodes[d.ID] {
		g.nodes[d.ID] = true
		fmt.Fprintf(g, "\t%q [label=%q]\n", d.ID, label(d, "\n", "\n"))
	}
	for _, up := range d.Upstream {
		g.draw(up)
		if edge := [2]string{up.ID, d.ID}; !g.edges[edge] {
			g.edges[edge] = true
			fmt.Fprintf(g, "\t%q -> %q\n", up.ID, d.ID)
		}
	}
}

// Graph shows the running connections that use it; see [ConnectConfig]. The zero value is ready for use and safe for
// concurrent use.
type Graph struct {
	mu    sync.Mutex
	edges []*edge
}

type edge struct {
	name     string
	src, dst func() chanio.Description
}

// add shows a connection until remove is called.
func (g *Graph) add(name string, src, dst func() chanio.Description) (remove func()) {
	e := &edge{name, src, dst}
	g.mu.Lock()
	g.edges = append(g.edges, e)
	g.mu.Unlock()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.edges = slices.DeleteFunc(slices.Clone(g.edges), func(other *edge) bool { return other == e })
	}
}

// Describe returns the sinks of the running connections, each with everything above it.
func (g *Graph) Describe() []chanio.Description {
	g.mu.Lock()
	edges := slices.Clone(g.edges)
	g.mu.Unlock()
	var sinks []chanio.Description
	at := map[string]int{}
	for _, e := range edges {
		src, dst := e.src(), e.dst()
		i, ok := at[dst.ID]
		if !ok {
			i = len(sinks)
			at[dst.ID] = i
			sinks = append(sinks, dst)
		}
		between := describe(src)
		between.ID, between.Name = fmt.Sprintf("%p", e), e.name
		sinks[i].Upstream = append(sinks[i].Upstream, between)
	}
	return sinks
}

// String draws the connections as a [Tree] for each sink.
func (g *Graph) String() string {
	var s strings.Builder
	for _, d := range g.Describe() {
		s.WriteString(Tree(d))
	}
	return s.String()
}

// Dot draws the connections with [Dot].
func (g *Graph) Dot() string { return Dot(g.Describe()...) }
