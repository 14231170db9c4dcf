package suite

import (
	"cmp"
	"math"
	"slices"
)

// Spread is the median of the rounds and their bounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf returns the spread of values, or zero if there are none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// noisy is the factor by which the rounds of a comparison may differ.
const noisy = 1.3

// Noisy reports whether the rounds differ so much that their median is unreliable.
func (s Spread) Noisy() bool { return !(s.Max <= noisy*s.Min) }

// Row is the result of one contender.
type Row struct {
	Name   string   `json:"name"`
	Ours   bool     `json:"ours,omitempty"`
	Rounds []Sample `json:"rounds,omitempty"`
	Error  string   `json:"error,omitempty"` // why there is nothing, or not all
	Line   string   `json:"line,omitempty"`
	X      float64  `json:"x,omitempty"`
}

// Values returns the spread of the rounds' values.
func (r Row) Values() Spread { return r.Spread(func(s Sample) float64 { return s.Value }) }

// Spread returns the spread of one part of the rounds.
func (r Row) Spread(of func(Sample) float64) Spread {
	values := make([]float64, len(r.Rounds))
	for i, s := range r.Rounds {
		values[i] = of(s)
	}
	return SpreadOf(values)
}

// Verdict is the result of a threshold.
type Verdict string

// The verdicts.
const (
	Pass     Verdict = "pass"
	Short    Verdict = "short"
	TooNoisy Verdict = "too noisy"
	Missing  Verdict = "missing"      // a contender could not be measured
	NoBar    Verdict = "no threshold" // the figure is only shown
)

// Verdicts returns the verdicts of thresholds that have a limit.
func Verdicts() []Verdict { return []Verdict{Pass, Short, TooNoisy, Missing} }

// BarResult is a threshold and the measured value.
type BarResult struct {
	What    string  `json:"what"`
	Limit   float64 `json:"limit"`
	Most    bool    `json:"most,omitempty"`
	Unit    string  `json:"unit,omitempty"`
	Figure  Spread  `json:"figure"`
	Verdict Verdict `json:"verdict"`
	Note    string  `json:"note,omitempty"`
}

// Table is the result of a group.
type Table struct {
	Name       string      `json:"name"`
	Title      string      `json:"title"`
	Unit       string      `json:"unit"`
	LessIsMore bool        `json:"lessIsMore,omitempty"`
	X          string      `json:"x,omitempty"`
	Note       string      `json:"note,omitempty"`
	Rows       []Row       `json:"rows,omitempty"`
	Bars       []BarResult `json:"bars,omitempty"`
	Retried    bool        `json:"retried,omitempty"` // it was too noisy at first
}

// Direction says which values are better.
func (t Table) Direction() string {
	if t.LessIsMore {
		return "lower is better"
	}
	return "higher is better"
}

// Sorted returns the rows, the best first and those without a value last. Rows over an X keep their order.
func (t Table) Sorted() []Row {
	rows := slices.Clone(t.Rows)
	if t.X != "" {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		if len(a.Rounds) == 0 || len(b.Rounds) == 0 {
			return cmp.Compare(min(len(b.Rounds), 1), min(len(a.Rounds), 1))
		}
		by := cmp.Compare(a.Values().Median, b.Values().Median)
		if t.LessIsMore {
			return by
		}
		return -by
	})
	return rows
}

// Best returns the name of the row with the best median, or "" if fewer than two can be compared.
func (t Table) Best() string {
	best, value, n := "", 0.0, 0
	for _, r := range t.Rows {
		if len(r.Rounds) == 0 {
			continue
		}
		v := r.Values().Median
		if n++; n == 1 || (v < value) == t.LessIsMore {
			best, value = r.Name, v
		}
	}
	if n < 2 || t.X != "" {
		return ""
	}
	return best
}

// judge compares the rounds with the threshold.
func judge(bar Bar, rows []Row) BarResult {
	r := BarResult{What: bar.What, Limit: bar.Limit, Most: bar.Most, Unit: bar.Unit}
	needed, rounds := find(rows, bar.Needs)
	if rounds == 0 {
		r.Verdict = Missing
		return r
	}
	var figures []float64
	for i := range rounds {
		f := bar.Of(func(name string) Sample { return needed[name].Rounds[i] })
		if !math.IsNaN(f) && !math.IsInf(f, 0) { // a contender did nothing in a round, on a machine that stood still
			figures = append(figures, f)
		}
	}
	if len(figures) == 0 {
		r.Verdict = Missing
		return r
	}
	r.Figure = SpreadOf(figures)
	if r.Verdict = bar.verdict(r.Figure); r.Verdict == TooNoisy {
		r.Note = bar.everyRound(r.Figure)
	}
	return r
}

// everyRound reports on which side of the limit all rounds lie, if they agree: this is reliable even for a noisy
// figure.
func (b Bar) everyRound(figure Spread) string {
	above, below := figure.Min >= b.Limit, figure.Max < b.Limit
	if b.Most {
		above, below = figure.Max <= b.Limit, figure.Min > b.Limit
	}
	switch {
	case above:
		return "passed in every round"
	case below:
		return "short in every round"
	}
	return ""
}

func (b Bar) verdict(figure Spread) Verdict {
	met := figure.Median >= b.Limit
	if b.Most {
		met = figure.Median <= b.Limit
	}
	switch {
	case b.Aside:
		return NoBar
	case b.Unit == "" && figure.Noisy():
		return TooNoisy
	case met:
		return Pass
	}
	return Short
}

// find returns the rows of the given names, and how many rounds they have in common.
func find(rows []Row, names []string) (map[string]Row, int) {
	found, rounds := map[string]Row{}, 0
	for i, name := range names {
		at := slices.IndexFunc(rows, func(r Row) bool { return r.Name == name })
		if at < 0 {
			return nil, 0
		}
		found[name] = rows[at]
		if n := len(rows[at].Rounds); i == 0 || n < rounds {
			rounds = n
		}
	}
	return found, rounds
}
