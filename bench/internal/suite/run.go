package suite

import (
	"context"
	"fmt"
	"time"
)

// Options say how long to measure.
type Options struct {
	Rounds int
	Time   time.Duration // of one contender in one round
	Budget time.Duration // no noisy group is measured again beyond it; 0 means no limit
	Notice func(string)  // receives the name of what is being measured; may be nil
}

// The cost of a measurement besides its time: a warm-up of a fifth, and starting and ending processes.
const (
	warmup   = 0.2
	overhead = 60 * time.Millisecond
)

// Share returns the time of one measurement with which all groups fit into three quarters of the budget, at most a
// second. The rest is for groups that are measured again.
func (o Options) Share(groups []Group) time.Duration {
	slots, weight := 0, 0.0
	for _, g := range groups {
		n := g.rounds(o.Rounds) * len(g.Contenders)
		slots += n
		weight += float64(n) * float64(g.share(1000)) / 1000
	}
	left := float64(o.Budget*3/4 - time.Duration(slots)*overhead)
	return min(time.Second, max(20*time.Millisecond, time.Duration(left/(max(weight, 1)*(1+warmup)))))
}

// Run measures groups one after the other. If ctx ends it returns the results so far.
func Run(ctx context.Context, groups []Group, opt Options) []Table {
	began := time.Now()
	var tables []Table
	for i, g := range groups {
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		table := g.measure(ctx, opt)
		if table.noisy() && ctx.Err() == nil && opt.retry(time.Since(began)+time.Since(start), groups[i+1:]) {
			table = g.measure(ctx, opt)
			table.Retried = true
		}
		tables = append(tables, table)
	}
	return tables
}

// retry reports whether there is time to measure a group again. after is the time from the start to the end of that
// measurement, and rest are the groups still to come.
func (o Options) retry(after time.Duration, rest []Group) bool {
	for _, g := range rest {
		n := g.rounds(o.Rounds) * len(g.Contenders)
		after += time.Duration(n) * (g.share(o.Time)*6/5 + overhead) // with the warm-up
	}
	return o.Budget == 0 || after < o.Budget
}

func (t Table) noisy() bool {
	for _, bar := range t.Bars {
		if bar.Verdict == TooNoisy {
			return true
		}
	}
	return false
}

// measure starts every contender and runs the rounds.
func (g Group) measure(ctx context.Context, opt Options) Table {
	table := Table{Name: g.Name, Title: g.Title, Unit: g.Unit, LessIsMore: g.LessIsMore, X: g.X, Note: g.Note}
	lanes := make([]lane, len(g.Contenders))
	for i, c := range g.Contenders {
		lanes[i].row = Row{Name: c.Name, Ours: c.Ours, Line: c.Line, X: c.X}
		lanes[i].start(ctx, c)
		defer lanes[i].close()
	}
	rounds := g.rounds(opt.Rounds)
	for round := range rounds {
		for i := range lanes {
			if opt.Notice != nil {
				opt.Notice(g.status(round, rounds, lanes[i].row.Name))
			}
			lanes[i].round(ctx, g.share(opt.Time))
		}
	}
	for _, l := range lanes {
		table.Rows = append(table.Rows, l.row)
	}
	for _, bar := range g.Bars {
		table.Bars = append(table.Bars, judge(bar, table.Rows))
	}
	return table
}

// lane is a contender during the rounds.
type lane struct {
	row     Row
	measure Measure
}

func (l *lane) start(ctx context.Context, c Contender) {
	m, err := c.Start(ctx)
	if err != nil {
		l.row.Error = err.Error()
		return
	}
	l.measure = m
}

// round measures once. A contender that fails is excluded from further rounds.
func (l *lane) round(ctx context.Context, d time.Duration) {
	if l.measure == nil || ctx.Err() != nil {
		return
	}
	sample, err := l.measure.Round(ctx, d)
	if err != nil {
		l.row.Error = err.Error()
		l.close()
		return
	}
	l.row.Rounds = append(l.row.Rounds, sample)
}

func (l *lane) close() {
	if l.measure != nil {
		if err := l.measure.Close(); err != nil && l.row.Error == "" {
			l.row.Error = err.Error()
		}
		l.measure = nil
	}
}

// status returns the text of a notice.
func (g Group) status(round, rounds int, contender string) string {
	return fmt.Sprintf("%s, round %d of %d: %s", g.Name, round+1, rounds, contender)
}
