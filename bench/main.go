// Command bench runs the benchmark suite of weir beside hand-written loops and its peers:
//
//	go run ./bench            the short suite, within five minutes
//	go run ./bench -quick     a first impression, within one minute
//	go run ./bench -run raw   only the groups whose name matches
//
// Every server and the load generator run in processes of their own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/report"
	"github.com/weir-go/weir/bench/internal/suite"
)

func main() {
	child.Main(suite.Roles())
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type settings struct {
	quick    bool
	match    string
	only     string
	rounds   int
	time     time.Duration
	profiles string
}

func run(args []string) error {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.BoolVar(&s.quick, "quick", false, "measure within a minute")
	flags.StringVar(&s.match, "run", "", "only groups whose name matches this regular `expression`")
	flags.StringVar(&s.only, "only", "", "only contenders whose name matches this regular `expression`")
	flags.IntVar(&s.rounds, "rounds", 0, "rounds of each group; 0 means 5, or 3 with -quick")
	flags.DurationVar(&s.time, "d", 0, "time of each measurement; 0 means what fits")
	flags.StringVar(&s.profiles, "profiles", "", "write the servers' CPU profiles to this `directory`")
	_ = flags.Parse(args) // it exits
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return measure(ctx, s)
}

func measure(ctx context.Context, s settings) error {
	field := &suite.Field{Profiles: s.profiles}
	defer field.Close()
	chosen, err := choose(groups(field), s)
	if err != nil {
		return err
	}
	tables := suite.Run(ctx, chosen, options(chosen, s))
	return report.Text(os.Stdout, tables)
}

// choose keeps the groups and contenders that were asked for.
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
		if !match.MatchString(g.Name) {
			continue
		}
		var kept []suite.Contender
		for _, c := range g.Contenders {
			if only.MatchString(c.Name) {
				kept = append(kept, c)
			}
		}
		g.Contenders = kept
		chosen = append(chosen, g)
	}
	return chosen, nil
}

// Times within which the suite is to end, with something left for starting, retrying and reporting.
const (
	shortTime = 200 * time.Second
	quickTime = 40 * time.Second
)

// options divides the time among the measurements.
func options(chosen []suite.Group, s settings) suite.Options {
	opt := suite.Options{Rounds: 5, Time: s.time, Budget: shortTime}
	if s.quick {
		opt.Rounds, opt.Budget = 3, quickTime
	}
	if s.rounds > 0 {
		opt.Rounds = s.rounds
	}
	slots := 0
	for _, g := range chosen {
		slots += opt.Rounds * len(g.Contenders)
	}
	if opt.Time == 0 {
		opt.Time = min(time.Second, opt.Budget*2/3/time.Duration(max(slots, 1)))
	}
	return opt
}
