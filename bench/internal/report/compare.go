package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"

	"github.com/weir-go/weir/bench/internal/suite"
)

// Comparison is two reports side by side.
type Comparison struct {
	Old, New Report
	Groups   []GroupDelta
	Verdicts []VerdictDelta // that have changed
}

// GroupDelta has the rows that a table has in both reports.
type GroupDelta struct {
	Title, Unit string
	Rows        []RowDelta
}

// RowDelta is one row, then and now.
type RowDelta struct {
	Name     string
	Ours     bool
	Old, New suite.Spread
	NOld     int // rounds
	NNew     int

	// P is the probability of rounds at least so different if nothing had changed (Mann-Whitney U test, which assumes
	// no distribution). The change is significant if P is below alpha. Three rounds against three never reach 0.1.
	P           float64
	Significant bool
	Worse       float64 // the fraction by which it is worse; negative if it is better
}

// VerdictDelta is a threshold with another verdict than before.
type VerdictDelta struct {
	Table, What string
	Old, New    suite.Verdict
}

// Compare compares the rows that are in both reports.
func Compare(before, after Report, alpha float64) Comparison {
	c := Comparison{Old: before, New: after}
	for _, now := range after.Tables {
		i := slices.IndexFunc(before.Tables, func(t suite.Table) bool { return t.Name == now.Name })
		if i < 0 {
			continue
		}
		then := before.Tables[i]
		if d := compareRows(then, now, alpha); len(d.Rows) > 0 {
			c.Groups = append(c.Groups, d)
		}
		c.Verdicts = append(c.Verdicts, compareBars(then, now)...)
	}
	return c
}

func compareRows(then, now suite.Table, alpha float64) GroupDelta {
	d := GroupDelta{Title: now.Title, Unit: now.Unit}
	for _, row := range now.Rows {
		i := slices.IndexFunc(then.Rows, func(r suite.Row) bool { return r.Name == row.Name })
		if i >= 0 && len(row.Rounds) > 0 && len(then.Rows[i].Rounds) > 0 {
			d.Rows = append(d.Rows, compareRow(then.Rows[i], row, now.LessIsMore, alpha))
		}
	}
	return d
}

func compareRow(then, now suite.Row, lessIsMore bool, alpha float64) RowDelta {
	limits := &benchmath.Thresholds{CompareAlpha: alpha}
	test := benchmath.AssumeNothing.Compare(
		benchmath.NewSample(values(then), limits), benchmath.NewSample(values(now), limits))
	d := RowDelta{
		Name: now.Name, Ours: now.Ours, Old: then.Values(), New: now.Values(),
		NOld: len(then.Rounds), NNew: len(now.Rounds), P: test.P, Significant: test.P < alpha,
	}
	if d.Old.Median != 0 {
		d.Worse = d.New.Median/d.Old.Median - 1
	}
	if !lessIsMore {
		d.Worse = -d.Worse
	}
	return d
}

func values(r suite.Row) []float64 {
	all := make([]float64, len(r.Rounds))
	for i, s := range r.Rounds {
		all[i] = s.Value
	}
	return all
}

func compareBars(then, now suite.Table) (all []VerdictDelta) {
	for _, b := range now.Bars {
		i := slices.IndexFunc(then.Bars, func(o suite.BarResult) bool { return o.What == b.What })
		if i >= 0 && then.Bars[i].Verdict != b.Verdict {
			all = append(all, VerdictDelta{now.Title, b.What, then.Bars[i].Verdict, b.Verdict})
		}
	}
	return all
}

// WorseBy counts the rows of ours that are significantly worse by more than a part.
func (c Comparison) WorseBy(part float64) (n int) {
	for _, g := range c.Groups {
		for _, r := range g.Rows {
			if r.Ours && r.Significant && r.Worse > part {
				n++
			}
		}
	}
	return n
}

// Text writes the comparison for a terminal.
func (c Comparison) Text(w io.Writer) error {
	for i, m := range []Machine{c.Old.Machine, c.New.Machine} {
		fmt.Fprintf(w, "%s: %s, %d processors, kernel %s, %s, %s\n", []string{"old", "new"}[i], orUnknown(m.CPU),
			m.Processors, orUnknown(m.Kernel), m.Go, m.At.Format("2006-01-02 15:04"))
	}
	if o, n := c.Old.Machine, c.New.Machine; o.CPU != n.CPU || o.Processors != n.Processors {
		fmt.Fprintln(w, "these are two different machines: compare ratios, not figures")
	}
	for _, g := range c.Groups {
		if err := g.text(w); err != nil {
			return err
		}
	}
	if len(c.Verdicts) > 0 {
		fmt.Fprintln(w, "\nthresholds with another verdict")
	}
	for _, v := range c.Verdicts {
		fmt.Fprintf(w, "  %s: %s: %s, was %s\n", v.Table, v.What, v.New, v.Old)
	}
	return nil
}

func (g GroupDelta) text(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %s\n", g.Title, g.Unit)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  \told\t\tnew\t\tchange\t\t")
	for _, r := range g.Rows {
		name := r.Name
		if r.Ours {
			name = "* " + name
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t%s\t(p=%.3f n=%d+%d)\n",
			name, number(r.Old.Median), apart(r.Old), number(r.New.Median), apart(r.New), r.change(), r.P, r.NOld, r.NNew)
	}
	return tw.Flush()
}

// apart returns the largest distance of a round from the median.
func apart(s suite.Spread) string {
	if s.Median == 0 {
		return ""
	}
	return fmt.Sprintf("± %.0f %%", 100*math.Max(s.Max/s.Median-1, 1-s.Min/s.Median))
}

func (r RowDelta) change() string {
	if !r.Significant {
		return "~"
	}
	word := "better"
	if r.Worse > 0 {
		word = "worse"
	}
	if r.Old.Median == 0 {
		return word
	}
	return fmt.Sprintf("%+.1f %%, %s", 100*(r.New.Median/r.Old.Median-1), word)
}
