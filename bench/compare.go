package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/weir-go/weir/bench/internal/report"
)

const compareUsage = `usage: bench compare [flags] OLD NEW

Compares two report.json, row by row. A change is shown where the rounds lie so far apart that it is significant, and
~ otherwise. Exit status: 0; 1 if -worse is given and something of weir is worse by more; 2 if the flags are wrong.

`

// runCompare runs the command compare and returns the exit status.
func runCompare(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	alpha := flags.Float64("alpha", 0.05, "a change is significant if chance makes it with less than this `probability`")
	worse := flags.Float64("worse", 0, "exit with 1 if a row of weir is significantly worse by more than this many `percent`")
	flags.Usage = func() {
		fmt.Fprint(stderr, compareUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() != 2 {
		fmt.Fprintln(stderr, "bench: compare takes two files; bench compare -h tells more")
		return exitUsage
	}
	return compare(flags.Arg(0), flags.Arg(1), *alpha, *worse, stdout, stderr)
}

func compare(before, after string, alpha, worse float64, stdout, stderr io.Writer) int {
	reports := [2]report.Report{}
	for i, name := range []string{before, after} {
		var err error
		if reports[i], err = report.Read(name); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return exitUsage
		}
	}
	c := report.Compare(reports[0], reports[1], alpha)
	if err := c.Text(stdout); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if n := c.WorseBy(worse / 100); worse > 0 && n > 0 {
		fmt.Fprintf(stderr, "bench: %d rows of weir are worse by more than %g %%\n", n, worse)
		return exitFailed
	}
	return exitOK
}
