// Package report shows what was measured.
package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-go/weir/bench/internal/suite"
)

// Text writes tables for a terminal.
func Text(w io.Writer, tables []suite.Table) error {
	for _, t := range tables {
		if err := textTable(w, t); err != nil {
			return err
		}
	}
	return nil
}

func textTable(w io.Writer, t suite.Table) error {
	fmt.Fprintf(w, "\n%s\n", t.Title)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(t.Rows) > 0 {
		fmt.Fprintf(tw, "  \t%s\tmin\tmax\tserver CPU\tallocs\tload CPU\tstack\tgoroutines\n", t.Unit)
	}
	for _, r := range t.Rows {
		textRow(tw, r)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	tw = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, b := range t.Bars {
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", b.What, figure(b), limit(b), verdict(b, t.Retried))
	}
	return tw.Flush()
}

func textRow(w io.Writer, r suite.Row) {
	name := r.Name
	if r.Ours {
		name = "* " + name
	}
	if len(r.Rounds) == 0 {
		fmt.Fprintf(w, "  %s\t%s\n", name, firstLine(r.Error))
		return
	}
	v := r.Values()
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, number(v.Median), number(v.Min), number(v.Max),
		blank(r.Spread(func(s suite.Sample) float64 { return float64(s.CPU) }).Median, func(f float64) string { return time.Duration(f).String() }),
		fmt.Sprintf("%.2f", r.Spread(func(s suite.Sample) float64 { return s.Allocs }).Median),
		blank(r.Spread(func(s suite.Sample) float64 { return s.LoadCPU }).Median, func(f float64) string { return fmt.Sprintf("%.2f", f) }),
		blank(r.Spread(func(s suite.Sample) float64 { return s.Stack }).Median, number),
		blank(r.Spread(func(s suite.Sample) float64 { return s.Goroutines }).Median, func(f float64) string { return fmt.Sprintf("%.2f", f) }))
	if r.Error != "" {
		fmt.Fprintf(w, "  \t%s\n", firstLine(r.Error))
	}
}

func blank(f float64, show func(float64) string) string {
	if f == 0 {
		return ""
	}
	return show(f)
}

// number shows about four figures.
func number(f float64) string {
	switch {
	case f >= 1e6:
		return fmt.Sprintf("%.0fk", f/1e3)
	case f >= 1000 || f <= -1000:
		return fmt.Sprintf("%.0f", f)
	case f >= 100:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func figure(b suite.BarResult) string {
	if b.Verdict == suite.NotBuilt || b.Verdict == suite.Missing {
		return ""
	}
	spread := fmt.Sprintf("(%s to %s)", number(b.Figure.Min), number(b.Figure.Max))
	if b.Verdict == suite.TooNoisy {
		return spread
	}
	return number(b.Figure.Median) + " " + spread
}

func limit(b suite.BarResult) string {
	sign := "≥"
	if b.Most {
		sign = "≤"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %g %s", sign, b.Limit, b.Unit))
}

func verdict(b suite.BarResult, retried bool) string {
	s := string(b.Verdict)
	if b.Note != "" {
		s += ": " + b.Note
	}
	if retried && b.Verdict == suite.TooNoisy {
		s += ", twice"
	}
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
