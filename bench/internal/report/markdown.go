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
	if warning := r.warning(); warning != "" {
		fmt.Fprintf(w, "> **Warning:** %s\n\n", warning)
	}
	for _, f := range r.facts() {
		fmt.Fprintf(w, "- %s\n", f)
	}
	fmt.Fprintf(w, "\n%s (short: it misses its threshold). A figure is the median of the rounds. Rows in bold are ours; %s marks the best "+
		"of a table.\n", r.summary(), best)
	for _, t := range r.Tables {
		if err := markdownTable(w, t); err != nil {
			return err
		}
	}
	r.markdownGlossary(w)
	return nil
}

func (r Report) markdownGlossary(w io.Writer) {
	entries := r.glossary()
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## What the rows and columns are\n\n| name | what it is |\n|---|---|\n")
	for _, e := range entries {
		fmt.Fprintf(w, "| %s | %s |\n", cell(e.Name), cell(e.Means))
	}
}

// best marks the best row of a table.
const best = "◆"

func markdownTable(w io.Writer, t suite.Table) error {
	fmt.Fprintf(w, "\n## %s\n\n%s, %s.\n\n", t.Title, upperFirst(t.Unit), t.Direction())
	if t.Note != "" {
		fmt.Fprintf(w, "%s\n\n", t.Note)
	}
	if len(t.Rows) > 0 {
		markdownRows(w, t)
	}
	if len(t.Bars) > 0 {
		fmt.Fprintf(w, "| comparison | measured | threshold | |\n|---|---|---|---|\n")
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
	for _, r := range t.Sorted() {
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

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
