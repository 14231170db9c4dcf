package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/suite"
)

func oneRow(lessIsMore bool, verdict suite.Verdict, values ...float64) Report {
	return Report{Tables: []suite.Table{{
		Name: "t", Title: "title", Unit: "replies/s", LessIsMore: lessIsMore,
		Rows: []suite.Row{{Name: "weir", Ours: true, Rounds: samples(values...)}},
		Bars: []suite.BarResult{{What: "a bar", Verdict: verdict}},
	}}}
}

func TestOnlyWhatIsSignificantIsAChange(t *testing.T) {
	before := oneRow(false, suite.Pass, 100, 101, 102, 103, 104)
	for _, c := range []struct {
		after       Report
		significant bool
		worse       int
		says        string
	}{
		{oneRow(false, suite.Pass, 100.5, 101.5, 102.5, 103.5, 99), false, 0, "~"},
		{oneRow(false, suite.Short, 80, 81, 82, 83, 84), true, 1, "-19.6 %, worse"},
		{oneRow(true, suite.Pass, 80, 81, 82, 83, 84), true, 0, "-19.6 %, better"},
		{oneRow(false, suite.Pass, 120, 121, 122, 123, 124), true, 0, "+19.6 %, better"},
		{oneRow(false, suite.Pass, 80, 81, 82), true, 1, "worse"}, // p is 0.036
		{oneRow(false, suite.Pass, 80, 81), false, 0, "~"},        // too few to tell
	} {
		got := Compare(before, c.after, 0.05)
		row := got.Groups[0].Rows[0]
		require.Equal(t, c.significant, row.Significant, "p=%v", row.P)
		require.Equal(t, c.worse, got.WorseBy(0.1))
		require.Zero(t, got.WorseBy(0.3))
		var b bytes.Buffer
		require.NoError(t, got.Text(&b))
		require.Contains(t, b.String(), c.says)
		require.Equal(t, c.after.Tables[0].Bars[0].Verdict == suite.Short, len(got.Verdicts) == 1)
	}
}

func TestRowsOfOneReportAloneAreLeftOut(t *testing.T) {
	before, after := oneRow(false, suite.Pass, 1, 2), oneRow(false, suite.Pass, 1, 2)
	after.Tables[0].Rows[0].Name = "other"
	require.Empty(t, Compare(before, after, 0.05).Groups)
	after.Tables[0].Name = "other"
	require.Empty(t, Compare(before, after, 0.05).Groups)
}
