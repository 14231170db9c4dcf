package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/weir-go/weir/bench/internal/suite"
)

// Markdown writes the report as a document.
func (r Report) Markdown(w io.Writer) error {
	fmt.Fprintf(w, "# Benchmarks\n\n")
	for _, f := range r.facts() {
		fmt.Fprintf(w, "- %s\n", f)
	}
	fmt.Fprintf(w, "\n%s. Rows in bold are ours; %s marks the best of a table.\n", r.summary(), best)
	for _, t := range r.Tables {
		if err := markdownTable(w, t); err != nil {
			return err
		}
	}
	return nil
}

// best marks the row that no other beats.
const best = "◆"

func markdownTable(w io.Writer, t suite.Table) error {
	fmt.Fprintf(w, "\n## %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(w, "%s\n\n", t.Note)
	}
	if len(t.Rows) > 0 {
		markdownRows(w, t)
	}
	if len(t.Bars) > 0 {
		fmt.Fprintf(w, "| bar | measured | limit | |\n|---|---|---|---|\n")
	}
	for _, b := range t.Bars {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", cell(b.What), figure(b), limit(b), cell(verdict(b, t.Retried)))
	}
	return nil
}

func markdownRows(w io.Writer, t suite.Table) {
	shown := present(t.Rows)
	fmt.Fprintf(w, "| | %s | min | max |", t.Unit)
	for _, c := range shown {
		fmt.Fprintf(w, " %s |", c.title)
	}
	fmt.Fprintf(w, "\n|---|--:|--:|--:|%s\n", strings.Repeat("--:|", len(shown)))
	winner := t.Best()
	for _, r := range t.Rows {
		name := cell(r.Name)
		if r.Ours {
			name = "**" + name + "**"
		}
		if r.Name == winner {
			name += " " + best
		}
		if len(r.Rounds) == 0 {
			fmt.Fprintf(w, "| %s | %s | | |%s\n", name, cell(firstLine(r.Error)), strings.Repeat(" |", len(shown)))
			continue
		}
		v := r.Values()
		fmt.Fprintf(w, "| %s | %s | %s | %s |", name, number(v.Median), number(v.Min), number(v.Max))
		for _, c := range shown {
			fmt.Fprintf(w, " %s |", c.show(r.Spread(c.of).Median))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
