package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-go/weir/bench/internal/suite"
)

// Text writes the report for a terminal.
func (r Report) Text(w io.Writer) error {
	if warning := r.warning(); warning != "" {
		fmt.Fprintf(w, "\nWARNING: %s\n", warning)
	}
	for _, t := range r.Tables {
		if err := textTable(w, t); err != nil {
			return err
		}
	}
	for _, e := range r.glossary() {
		fmt.Fprintf(w, "\n%s: %s", e.Name, e.Means)
	}
	_, err := fmt.Fprintf(w, "\n\n%s\n%s\n", strings.Join(r.facts(), "\n"), r.summary())
	if warning := r.warning(); warning != "" {
		_, err = fmt.Fprintf(w, "WARNING: %s\n", warning) // once more, because the first one has scrolled away
	}
	return err
}

func textTable(w io.Writer, t suite.Table) error {
	fmt.Fprintf(w, "\n%s (%s)\n", t.Title, t.Direction())
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown := present(t.Rows)
	if len(t.Rows) > 0 {
		fmt.Fprintf(tw, "  \t%s\tmin\tmax", t.Unit)
		for _, c := range shown {
			fmt.Fprintf(tw, "\t%s", c.title)
		}
		fmt.Fprintln(tw)
	}
	for _, r := range t.Sorted() {
		textRow(tw, r, shown, t.Best())
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

func textRow(w io.Writer, r suite.Row, shown []column, winner string) {
	name := r.Name
	if r.Ours {
		name = "* " + name
	}
	if r.Name == winner {
		name += " " + best
	}
	if len(r.Rounds) == 0 {
		fmt.Fprintf(w, "  %s\t%s\n", name, firstLine(r.Error))
		return
	}
	v := r.Values()
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s", name, number(v.Median), number(v.Min), number(v.Max))
	for _, c := range shown {
		fmt.Fprintf(w, "\t%s", c.show(r.Spread(c.of).Median))
	}
	fmt.Fprintln(w)
	if r.Error != "" {
		fmt.Fprintf(w, "  \t%s\n", firstLine(r.Error))
	}
}

// column is a part of the samples that is shown if any row has it.
type column struct {
	title string
	means string
	of    func(suite.Sample) float64
	show  func(float64) string
}

func columns() []column {
	decimals := func(f float64) string { return fmt.Sprintf("%.2f", f) }
	return []column{
		{"server CPU", "processor time of the whole server for each reply", func(s suite.Sample) float64 { return float64(s.CPU) }, brief},
		{"allocs", "allocations of the measured process for each reply or item", func(s suite.Sample) float64 { return s.Allocs }, decimals},
		{"reads", "system calls that read, of the server for each reply, as Linux counts them: without recvmsg", func(s suite.Sample) float64 { return s.Reads }, decimals},
		{"writes", "system calls that write, of the server for each reply, as Linux counts them: without sendmsg", func(s suite.Sample) float64 { return s.Writes }, decimals},
		{"p50", "the median latency; in a closed loop, that of a target that is always busy", func(s suite.Sample) float64 { return float64(s.P50) }, brief},
		{"p99", "the latency that 99 % of the replies did not exceed", func(s suite.Sample) float64 { return float64(s.P99) }, brief},
		{"late", "the replies that took more than 10 ms", func(s suite.Sample) float64 { return 100 * s.Late }, func(f float64) string { return fmt.Sprintf("%.1f %%", f) }},
		{"load CPU", "how many processors the load generator used", func(s suite.Sample) float64 { return s.LoadCPU }, decimals},
		{"RSS, MiB", "memory of the server's process", func(s suite.Sample) float64 { return float64(s.RSS) / (1 << 20) }, number},
		{"stack", "bytes of goroutine stacks among those of the first column", func(s suite.Sample) float64 { return s.Stack }, number},
		{"goroutines", "goroutines for each connection", func(s suite.Sample) float64 { return s.Goroutines }, decimals},
	}
}

func brief(f float64) string { return Short(time.Duration(f)) }

// present returns the columns that are not empty.
func present(rows []suite.Row) (shown []column) {
	for _, c := range columns() {
		if c.in(rows) {
			shown = append(shown, c)
		}
	}
	return shown
}

// in reports whether any row has the column.
func (c column) in(rows []suite.Row) bool {
	return slices.ContainsFunc(rows, func(r suite.Row) bool { return r.Spread(c.of).Max > 0 })
}

// number formats a value with about four digits.
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
	if b.Verdict == suite.Missing {
		return ""
	}
	spread := fmt.Sprintf("(%s to %s)", number(b.Figure.Min), number(b.Figure.Max))
	if b.Verdict == suite.TooNoisy {
		return spread
	}
	return number(b.Figure.Median) + " " + spread
}

func limit(b suite.BarResult) string {
	if b.Verdict == suite.NoBar {
		return ""
	}
	sign := "≥"
	if b.Most {
		sign = "≤"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %g %s", sign, b.Limit, b.Unit))
}

func verdict(b suite.BarResult, retried bool) string {
	s := string(b.Verdict)
	if retried && b.Verdict == suite.TooNoisy {
		s += ", twice"
	}
	if b.Note != "" {
		s += ": " + b.Note
	}
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
