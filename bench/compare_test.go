package main

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/report"
	"github.com/weir-go/weir/bench/internal/suite"
)

func TestCompareFailsWhereItIsAskedTo(t *testing.T) {
	dir := t.TempDir()
	leave := func(name string, values ...float64) string {
		r := report.Report{Tables: []suite.Table{{Name: "t", Rows: []suite.Row{{Name: "weir", Ours: true}}}}}
		for _, v := range values {
			r.Tables[0].Rows[0].Rounds = append(r.Tables[0].Rows[0].Rounds, suite.Sample{Value: v})
		}
		name = filepath.Join(dir, name)
		require.NoError(t, toFile(name, r.JSON))
		return name
	}
	before, after := leave("old", 100, 101, 102, 103), leave("new", 80, 81, 82, 83)
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitOK, []string{before, after}},
		{exitOK, []string{"-worse", "30", before, after}},
		{exitFailed, []string{"-worse", "10", before, after}},
		{exitOK, []string{"-worse", "10", after, before}},
		{exitUsage, []string{before}},
		{exitUsage, []string{before, filepath.Join(dir, "none")}},
		{exitUsage, []string{"-nonsense"}},
	} {
		require.Equal(t, c.code, run(t.Context(), append([]string{"compare"}, c.args...), io.Discard, io.Discard), "%v", c.args)
	}
}
