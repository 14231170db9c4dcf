package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/weir-go/weir/bench/internal/suite"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page").Parse(page))

// HTML writes the report as one page that includes its plots and needs no other file.
func (r Report) HTML(w io.Writer) error {
	p := htmlPage{Facts: r.facts(), Interrupted: r.Interrupted, Kind: r.Kind, Warning: r.warning(), Glossary: r.glossary()}
	for _, v := range suite.Verdicts() {
		if n := r.count(v); n > 0 {
			p.Counts = append(p.Counts, htmlCount{n, string(v), class(v)})
		}
	}
	for _, t := range r.Tables {
		ht, err := htmlTableOf(t)
		if err != nil {
			return err
		}
		p.Tables = append(p.Tables, ht)
	}
	return pageTemplate.Execute(w, p)
}

type htmlPage struct {
	Kind        string
	Facts       []string
	Interrupted bool
	Warning     string
	Glossary    []entry
	Counts      []htmlCount
	Tables      []htmlTable
}

type htmlCount struct {
	N           int
	What, Class string
}

type htmlTable struct {
	Name, Title, Unit, Note string
	Direction               string
	Retried                 bool
	Columns                 []string
	Rows                    []htmlRow
	Bars                    []htmlBar
	Plots, Narrow           []template.HTML
}

type htmlRow struct {
	Name, Error string
	Ours, Best  bool
	Cells       []string
}

type htmlBar struct {
	What, Figure, Limit, Verdict, Class string
}

func htmlTableOf(t suite.Table) (h htmlTable, err error) {
	h = htmlTable{Name: t.Name, Title: t.Title, Unit: t.Unit, Note: t.Note, Direction: t.Direction(), Retried: t.Retried}
	shown := present(t.Rows)
	for _, c := range shown {
		h.Columns = append(h.Columns, c.title)
	}
	winner := t.Best()
	for _, r := range t.Sorted() {
		h.Rows = append(h.Rows, htmlRowOf(r, shown, winner))
	}
	for _, b := range t.Bars {
		h.Bars = append(h.Bars, htmlBar{b.What, figure(b), limit(b), verdict(b, t.Retried), class(b.Verdict)})
	}
	if h.Plots, err = plots(t, false); err == nil {
		h.Narrow, err = plots(t, true)
	}
	return h, err
}

func htmlRowOf(r suite.Row, shown []column, winner string) htmlRow {
	h := htmlRow{Name: r.Name, Error: firstLine(r.Error), Ours: r.Ours, Best: r.Name == winner}
	if len(r.Rounds) == 0 {
		return h
	}
	v := r.Values()
	h.Cells = []string{number(v.Median), number(v.Min), number(v.Max)}
	for _, c := range shown {
		h.Cells = append(h.Cells, c.show(r.Spread(c.of).Median))
	}
	return h
}

// class returns a verdict as the name of a style.
func class(v suite.Verdict) string { return strings.ReplaceAll(string(v), " ", "-") }
