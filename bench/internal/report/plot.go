package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/suite"
)

// The colours of the plots: ours, and those of the others.
var (
	oursColour   = color.RGBA{0x0b, 0x6e, 0x99, 0xff}
	theirsColour = color.RGBA{0xb8, 0xbf, 0xc6, 0xff}
	spreadColour = color.RGBA{0x33, 0x3a, 0x40, 0xff}

	lineColours = []color.RGBA{
		oursColour, {0xd9, 0x7b, 0x29, 0xff}, {0x5b, 0x8c, 0x3a, 0xff}, {0xa8, 0x3e, 0x5b, 0xff},
		{0x6a, 0x5a, 0xa8, 0xff}, {0x7d, 0x6b, 0x4f, 0xff}, {0x2f, 0x9c, 0x95, 0xff}, {0x8a, 0x93, 0x9b, 0xff},
	}
)

const (
	wideWidth   = 7.6 * vg.Inch
	narrowWidth = 4 * vg.Inch    // for a phone
	fontSize    = vg.Length(9.5) // points, as in the style of the page
)

var plotFont = font.Font{Typeface: "Liberation", Variant: "Sans"}

// plots returns the plots of a table, as SVG elements for a page. The narrow ones are for a phone.
func plots(t suite.Table, narrow bool) (all []template.HTML, err error) {
	width, bars := wideWidth, bars
	if narrow {
		width, bars = narrowWidth, narrowBars
	}
	for _, draw := range []func(suite.Table) (*plot.Plot, vg.Length, error){bars, lines, percentiles} {
		p, height, err := draw(t)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		svg, err := inline(p, width, height)
		if err != nil {
			return nil, err
		}
		all = append(all, svg)
	}
	return all, nil
}

// newPlot returns a plot with the properties that all plots share.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.X.Tick.Marker = figures{p.X.Tick.Marker}
	for _, f := range []*font.Font{
		&p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		*f = font.From(plotFont, fontSize)
	}
	return p
}

// figures formats the labels of an axis like the tables.
type figures struct{ plot.Ticker }

func (f figures) Ticks(low, high float64) []plot.Tick {
	ticks := f.Ticker.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = axisNumber(t.Value)
		}
	}
	return ticks
}

func axisNumber(f float64) string {
	switch a := math.Abs(f); {
	case a >= 1e6:
		return fmt.Sprintf("%gM", f/1e6)
	case a >= 1e4:
		return fmt.Sprintf("%gk", f/1e3)
	}
	return fmt.Sprintf("%g", f)
}

// bars draws a bar for each row, with the spread of its rounds and the name on its left.
func bars(t suite.Table) (*plot.Plot, vg.Length, error) {
	p, names, err := barsOf(t)
	if p == nil {
		return nil, 0, err
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	return p, vg.Points(44 + 18*float64(len(names))), nil
}

// narrowBars has the names above the bars, where they may be as long as the plot is wide.
func narrowBars(t suite.Table) (*plot.Plot, vg.Length, error) {
	p, names, err := barsOf(t)
	if p == nil {
		return nil, 0, err
	}
	var at plotter.XYs
	for i := range names {
		at = append(at, plotter.XY{Y: float64(i) + 0.3})
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: names})
	if err != nil {
		return nil, 0, err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = font.From(plotFont, fontSize)
	}
	p.Add(labels)
	p.HideY()
	p.Y.Min, p.Y.Max = -0.4, float64(len(names))-0.2
	return p, vg.Points(44 + 28*float64(len(names))), nil
}

// barsOf returns a plot of the bars, from the bottom up, and their names. It is nil if there are none.
func barsOf(t suite.Table) (p *plot.Plot, names []string, err error) {
	rows := measured(t)
	if len(rows) == 0 || t.X != "" {
		return nil, nil, nil
	}
	most := longest(rows)
	slices.Reverse(rows) // the first row is at the top
	p = newPlot()
	p.X.Label.Text, p.X.Min = t.Unit, 0
	spread := &spreads{}
	for i, r := range rows {
		v := r.Values()
		name := r.Name
		if v.Median > most {
			name = fmt.Sprintf("%s: %s, cut off", name, number(v.Median))
			v = suite.Spread{Median: most, Min: most, Max: most}
		}
		v.Max = min(v.Max, 1.1*most)
		bar, err := plotter.NewBarChart(plotter.Values{v.Median}, vg.Points(11))
		if err != nil {
			return nil, nil, err
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width, bar.Color = true, float64(i), 0, theirsColour
		if r.Ours {
			bar.Color = oursColour
		}
		p.Add(bar)
		names = append(names, name)
		spread.add(v, float64(i))
	}
	whiskers, err := plotter.NewXErrorBars(spread)
	if err != nil {
		return nil, nil, err
	}
	whiskers.Color, whiskers.CapWidth = spreadColour, vg.Points(4)
	p.Add(whiskers)
	return p, names, nil
}

// An outlier is this many times as long as the median bar. It is cut off, because it would flatten all others, at most
// at this many times the longest other bar.
const (
	outlier = 8
	cutOff  = 2
)

// longest returns the length at which bars are cut off.
func longest(rows []suite.Row) float64 {
	var medians []float64
	for _, r := range rows {
		medians = append(medians, r.Values().Median)
	}
	slices.Sort(medians)
	all, limit := medians[len(medians)-1], outlier*medians[len(medians)/2]
	if limit == 0 || all <= limit {
		return all
	}
	for i := len(medians) - 1; ; i-- {
		if medians[i] <= limit {
			return min(limit, cutOff*medians[i])
		}
	}
}

// spreads are the bounds of horizontal bars.
type spreads struct {
	plotter.XYs
	plotter.XErrors
}

func (s *spreads) add(v suite.Spread, y float64) {
	s.XYs = append(s.XYs, plotter.XY{X: v.Median, Y: y})
	s.XErrors = append(s.XErrors, struct{ Low, High float64 }{v.Median - v.Min, v.Max - v.Median})
}

func measured(t suite.Table) (rows []suite.Row) {
	for _, r := range t.Sorted() {
		if len(r.Rounds) > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// lines draws a line through the rows of each Line.
func lines(t suite.Table) (*plot.Plot, vg.Length, error) {
	rows := measured(t)
	if len(rows) == 0 || t.X == "" {
		return nil, 0, nil
	}
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = t.X, t.Unit
	p.X.Tick.Marker = ticksOf(rows)
	logarithmic(&p.Y)
	byLine, ours := map[string]plotter.XYs{}, map[string]bool{}
	var names []string
	for _, r := range rows {
		ours[r.Line] = r.Ours
		if _, ok := byLine[r.Line]; !ok {
			names = append(names, r.Line)
		}
		byLine[r.Line] = append(byLine[r.Line], plotter.XY{X: r.X, Y: max(r.Values().Median, 1e-3)})
	}
	for i, name := range names {
		if err := addLine(p, name, ours[name], byLine[name], i); err != nil {
			return nil, 0, err
		}
	}
	legendAbove(p, len(names))
	return p, 3.9 * vg.Inch, nil
}

// ticksOf labels the values of X that were measured.
func ticksOf(rows []suite.Row) (ticks plot.ConstantTicks) {
	seen := map[float64]bool{}
	for _, r := range rows {
		if !seen[r.X] {
			seen[r.X] = true
			ticks = append(ticks, plot.Tick{Value: r.X, Label: axisNumber(r.X)})
		}
	}
	return ticks
}

// addLine adds a line, which is bolder if it is ours.
func addLine(p *plot.Plot, name string, ours bool, xys plotter.XYs, i int) error {
	line, points, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	c := lineColours[i%len(lineColours)]
	line.Color, line.Width = c, vg.Points(1)
	if ours {
		line.Width = vg.Points(2.2)
	}
	points.Shape, points.Color, points.Radius = draw.CircleGlyph{}, c, vg.Points(2.4)
	p.Add(line, points)
	p.Legend.Add(name, line, points)
	return nil
}

// legendAbove makes room for the legend above the highest line of a logarithmic axis.
func legendAbove(p *plot.Plot, n int) {
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.Padding = true, true, vg.Points(8), vg.Points(2)
	decades := math.Log10(p.Y.Max / p.Y.Min)
	p.Y.Max *= math.Pow(10, decades*0.07*float64(n))
}

func logarithmic(a *plot.Axis) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, figures{plot.LogTicks{Prec: -1}}
}

// percentiles draws the latencies of the rows whose requests were sent at a constant rate.
func percentiles(t suite.Table) (*plot.Plot, vg.Length, error) {
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "percentile", "latency, ms"
	p.X.Tick.Marker = nines{}
	logarithmic(&p.Y)
	n := 0
	for _, r := range measured(t) {
		xys := latencies(r)
		if len(xys) < 2 {
			continue
		}
		if err := addLine(p, r.Name, r.Ours, xys, n); err != nil {
			return nil, 0, err
		}
		n++
	}
	if n == 0 {
		return nil, 0, nil
	}
	p.X.Min, p.X.Max = 0, math.Max(p.X.Max, 3)
	legendAbove(p, n)
	return p, 3.9 * vg.Inch, nil
}

// latencies returns the medians of the rounds at each percentile that all of them have, over the number of its nines.
func latencies(r suite.Row) (xys plotter.XYs) {
	least := r.Rounds[0].Points
	for _, s := range r.Rounds {
		if len(s.Points) < len(least) {
			least = s.Points
		}
	}
	for i, point := range least {
		values := make([]float64, len(r.Rounds))
		for k, s := range r.Rounds {
			values[k] = float64(s.Points[i].Value) / float64(time.Millisecond)
		}
		xys = append(xys, plotter.XY{X: nine(point), Y: math.Max(suite.SpreadOf(values).Median, 1e-3)})
	}
	return xys
}

// nine returns the position of a share on an axis where each further nine takes the same space: 90 % at 1, 99 % at 2.
func nine(p load.Point) float64 { return -math.Log10(1 - p.Share) }

// nines labels such an axis.
type nines struct{}

func (nines) Ticks(low, high float64) (ticks []plot.Tick) {
	for _, percent := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if at := -math.Log10(1 - percent/100); at >= low-1e-9 && at <= high+1e-9 {
			ticks = append(ticks, plot.Tick{Value: at, Label: fmt.Sprintf("%g %%", percent)})
		}
	}
	return ticks
}

var (
	prologue = regexp.MustCompile(`(?s)^.*?<svg`)
	spaces   = regexp.MustCompile(`\s+xmlns(:\w+)?="[^"]*"`)
	extent   = regexp.MustCompile(`<svg width="[^"]*" height="[^"]*"`)
	text     = regexp.MustCompile(`(<text [^>]*?)\s+style="[^"]*">([^<]*)</text>`)
)

// inline returns a plot as an element of a page. It omits the prologue of a file and the XML namespaces, which a page
// does not need. It states the width of each text, because the reader's machine may have another font than the one used
// for the layout.
func inline(p *plot.Plot, width, height vg.Length) (template.HTML, error) {
	c := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(c), 4, -20, 2, -2)) // half of the last label lies beyond its axis
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return "", err
	}
	svg := prologue.ReplaceAllString(buf.String(), "<svg")
	svg = spaces.ReplaceAllString(svg, "")
	svg = extent.ReplaceAllString(svg, `<svg role="img"`) // the style of the page sets the width
	face := font.DefaultCache.Lookup(plotFont, fontSize)
	svg = text.ReplaceAllStringFunc(svg, func(s string) string {
		parts := text.FindStringSubmatch(s)
		width := face.Width(html.UnescapeString(parts[2])).Points()
		return fmt.Sprintf(`%s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`, parts[1], width, parts[2])
	})
	return template.HTML(svg), nil //nolint:gosec // made above; the library escapes names
}
