package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/term"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/report"
	"github.com/weir-go/weir/bench/internal/suite"
)

type settings struct {
	quick    bool
	full     bool
	match    string
	only     string
	rounds   int
	time     time.Duration
	profiles string
	out      string
	list     bool
}

const suiteUsage = `usage: bench [flags]            measure, and leave a report
       bench load URL [flags]   send requests to any echo server
       bench compare OLD NEW    compare the report.json of two runs

`

func parseSettings(args []string, out io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.BoolVar(&s.quick, "quick", false, "measure within a minute")
	flags.BoolVar(&s.full, "full", false, "more rounds, sizes and connections, as long as it takes")
	flags.StringVar(&s.match, "run", "", "only groups whose name matches this regular `expression`")
	flags.StringVar(&s.only, "only", "", "only contenders whose name matches this regular `expression`")
	flags.IntVar(&s.rounds, "rounds", 0, "rounds of each group; 0 means 5, 3 with -quick, 9 with -full")
	flags.DurationVar(&s.time, "d", 0, "time of each measurement; 0 means what fits")
	flags.StringVar(&s.profiles, "profiles", "", "write the servers' CPU profiles to this `directory`")
	flags.StringVar(&s.out, "o", "bench-report", "leave the report in this `directory`")
	flags.BoolVar(&s.list, "list", false, "name the groups and measure nothing")
	flags.Usage = func() {
		fmt.Fprint(out, suiteUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("there is no command %q; bench -h tells more", flags.Arg(0))
	}
	return s, nil
}

// runSuite runs the suite and returns the exit status.
func runSuite(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parseSettings(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	if err := measure(ctx, s, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitOK
}

func measure(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	field := &suite.Field{Profiles: s.profiles}
	defer field.Close()
	chosen, err := choose(groups(field, s.full), s)
	if err != nil {
		return err
	}
	if s.list {
		return list(stdout, chosen)
	}
	if s.profiles != "" {
		if err := os.MkdirAll(s.profiles, 0o755); err != nil {
			return err
		}
	}
	opt := options(chosen, s)
	opt.Notice = notice(stderr)
	r := report.Report{Machine: report.ThisMachine(), Kind: s.kind(), Rounds: opt.Rounds, Time: opt.Time}
	machine := child.WatchMachine()
	r.Tables = suite.Run(ctx, chosen, opt)
	_ = field.Close() // it is one of the children that are counted; its errors are in the tables
	r.Others = machine.Others()
	r.Took, r.Interrupted = time.Since(r.Machine.At).Round(time.Second), ctx.Err() != nil
	if opt.Notice != nil {
		opt.Notice("")
	}
	if err := r.Text(stdout); err != nil {
		return err
	}
	return leave(r, s.out, stdout)
}

// leave writes the report in all formats.
func leave(r report.Report, dir string, stdout io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, form := range []struct {
		name  string
		write func(io.Writer) error
	}{{"report.json", r.JSON}, {"report.md", r.Markdown}, {"report.html", r.HTML}} {
		name := filepath.Join(dir, form.name)
		if err := toFile(name, form.write); err != nil {
			return err
		}
		fmt.Fprintln(stdout, name)
	}
	return nil
}

func list(w io.Writer, chosen []suite.Group) error {
	for _, g := range chosen {
		if _, err := fmt.Fprintf(w, "%-16s %s\n", g.Name, g.Title); err != nil {
			return err
		}
	}
	return nil
}

// notice shows on a terminal what is being measured, overwriting one line.
func notice(stderr io.Writer) func(string) {
	file, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return func(what string) { fmt.Fprintf(file, "\r\x1b[K%s", what) }
}

func (s settings) kind() string {
	switch {
	case s.quick:
		return "quick"
	case s.full:
		return "full"
	}
	return "short"
}

// choose keeps the groups and contenders that the flags select.
func choose(all []suite.Group, s settings) (chosen []suite.Group, err error) {
	match, err := regexp.Compile(s.match)
	if err != nil {
		return nil, err
	}
	only, err := regexp.Compile(s.only)
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		if !match.MatchString(g.Name) || s.quick && g.NotQuick {
			continue
		}
		var kept []suite.Contender
		for _, c := range g.Contenders {
			if only.MatchString(c.Name) {
				kept = append(kept, c)
			}
		}
		if g.Contenders = kept; len(kept) > 0 {
			chosen = append(chosen, g)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("nothing matches -run and -only; -list names the groups, and with -full those that only -full measures")
	}
	return chosen, nil
}

// The time limits of the suite, with some time left for starting, retrying and reporting.
const (
	shortTime = 260 * time.Second
	quickTime = 36 * time.Second
)

// options divides the time among the measurements.
func options(chosen []suite.Group, s settings) suite.Options {
	opt := suite.Options{Rounds: 5, Time: s.time, Budget: shortTime}
	switch {
	case s.quick:
		opt.Rounds, opt.Budget = 3, quickTime
	case s.full:
		opt.Rounds, opt.Budget = 9, 0
	}
	if s.rounds > 0 {
		opt.Rounds = s.rounds
	}
	if s.full && opt.Time == 0 {
		opt.Time = time.Second
	}
	if opt.Time == 0 {
		opt.Time = opt.Share(chosen)
	}
	return opt
}
