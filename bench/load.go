package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
	"github.com/weir-go/weir/bench/internal/report"
)

const loadUsage = `usage: bench load URL [flags]

Sends requests to an echo server, checks every reply byte for byte and measures how long the replies took.
URL is tcp://host:port, tls://host:port, unix:///path, udp://host:port, http://host:port/path or the same with https or h2c
(HTTP/2 without TLS, where each request in flight is a stream), ws://host:port/path or wss://.

With -rate requests begin at a constant rate whatever the server does, and latencies count from when a request was
to begin (an open loop). Without it each connection keeps -window requests in flight (a closed loop).

Exit status: 0 if every request was answered correctly, 1 if the server misbehaved, 2 if the flags are wrong,
130 if it was interrupted.

`

// loadFlags holds the flags of bench load.
type loadFlags struct {
	spec  load.Spec
	json  string // a file, or - for the standard output
	hgrm  string
	ca    string
	pid   int
	quiet bool
}

// count is a number that may end in k or M.
type count float64

func (c *count) String() string { return strconv.FormatFloat(float64(*c), 'g', -1, 64) }

func (c *count) Set(s string) error {
	scale := 1.0
	switch {
	case strings.HasSuffix(s, "k"):
		s, scale = strings.TrimSuffix(s, "k"), 1e3
	case strings.HasSuffix(s, "M"):
		s, scale = strings.TrimSuffix(s, "M"), 1e6
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("it is not a number such as 500, 50k or 1.5M")
	}
	*c = count(f * scale)
	return nil
}

func (f *loadFlags) define(flags *flag.FlagSet) {
	s := &f.spec
	flags.StringVar(&s.Codec, "codec", "raw", "how messages are told apart: "+strings.Join(load.Codecs(), ", "))
	flags.IntVar(&s.Size, "size", 64, "`bytes` of a message, without its length or newline")
	flags.BoolVar(&s.Deflate, "deflate", false, "ws: send text in JSON, each message compressed by itself, and have it compressed in return")
	flags.BoolVar(&s.Post, "post", false, "http: send POST with a body of -size bytes")
	flags.IntVar(&s.Conns, "conns", 1, "connections")
	flags.IntVar(&s.Window, "window", 1, "closed loop: `requests` in flight on each connection")
	flags.Var((*count)(&s.Rate), "rate", "open loop: requests per `second` over all connections, such as 50k; 0 is a closed loop")
	flags.Float64Var(&s.Idle, "idle", 0, "`share` of the connections that carry one message and then wait, such as 0.8")
	flags.IntVar(&s.Reuse, "reuse", 0, "closed loop: `requests` on a connection before another replaces it; 0 is any number")
	flags.DurationVar(&s.Time, "d", 10*time.Second, "time that counts")
	flags.DurationVar(&s.Warmup, "warmup", time.Second, "time before it that does not")
	flags.DurationVar(&s.Late, "late", 10*time.Millisecond, "from this latency on a reply is late")
	flags.DurationVar(&s.Timeout, "timeout", 0, "for connecting and for the last replies; udp: after it a request is lost; 0 is 5 s, udp: 1 s")
	flags.Float64Var(&s.Loss, "loss", 0, "udp: `share` of the requests that may stay without a reply")
	flags.StringVar(&f.ca, "ca", "", "tls: `file` with the certificates to trust, in PEM, instead of the system's")
	flags.StringVar(&s.ServerName, "name", "", "tls: the `host` that the certificate is for, instead of the URL's")
	flags.BoolVar(&s.Insecure, "insecure", false, "tls: accept any certificate")
	flags.StringVar(&f.json, "json", "", "write the result as JSON to this `file`; - is the standard output, and then nothing else")
	flags.StringVar(&f.hgrm, "hgrm", "", "write the latency distribution to this `file`, for HdrHistogram's plotter")
	flags.IntVar(&f.pid, "pid", 0, "the server's process `id`, if it runs here: its CPU time and memory are shown")
	flags.BoolVar(&f.quiet, "q", false, "no progress bar")
}

// parseLoad parses the command line; the URL may precede the flags.
func parseLoad(args []string, out io.Writer) (f loadFlags, err error) {
	flags := flag.NewFlagSet("bench load", flag.ContinueOnError)
	flags.SetOutput(out)
	f.define(flags)
	flags.Usage = func() {
		fmt.Fprint(out, loadUsage)
		flags.PrintDefaults()
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		f.spec.URL, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return f, err
	}
	rest := flags.Args()
	if f.spec.URL == "" && len(rest) > 0 {
		f.spec.URL, rest = rest[0], rest[1:]
	}
	if f.spec.URL == "" || len(rest) > 0 {
		return f, errors.New("bench load takes one URL; bench load -h tells more")
	}
	switch scheme, _, _ := strings.Cut(f.spec.URL, "://"); scheme {
	case "http", "https", "h2c":
		f.spec.Codec = "http"
	case "ws", "wss":
		f.spec.Codec = "ws"
	}
	if f.ca != "" {
		f.spec.CA, err = os.ReadFile(f.ca)
	}
	return f, err
}

// runLoad runs the command load and returns the exit status.
func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parseLoad(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	bar := newBar(f, stderr)
	server := child.Watch(f.pid)
	result, err := load.Run(ctx, f.spec, bar.second)
	bar.end()
	out := report.Load{Machine: report.ThisMachine(), Spec: f.spec, Result: result, Server: server.Since()}
	if e := f.write(stdout, out); e != nil {
		fmt.Fprintln(stderr, "bench:", e)
		return exitFailed
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return status(ctx, err)
}

// The exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func status(ctx context.Context, err error) int {
	var usage *load.UsageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}

func (f loadFlags) write(stdout io.Writer, out report.Load) error {
	if f.hgrm != "" {
		if err := toFile(f.hgrm, out.Result.WriteHistogram); err != nil {
			return err
		}
	}
	asJSON := func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	switch f.json {
	case "-":
		return asJSON(stdout)
	case "":
		if out.Result.Time == 0 {
			return nil // it was not that far
		}
	default:
		if err := toFile(f.json, asJSON); err != nil {
			return err
		}
	}
	return out.Text(stdout)
}

// toFile creates a file and has write fill it.
func toFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// bar shows the progress of a run on a terminal.
type bar struct {
	shown *progressbar.ProgressBar
	at    time.Duration
}

func newBar(f loadFlags, stderr io.Writer) *bar {
	file, ok := stderr.(*os.File)
	if f.quiet || f.json == "-" || !ok || !term.IsTerminal(int(file.Fd())) {
		return &bar{}
	}
	return &bar{shown: progressbar.NewOptions64(int64(f.spec.Time),
		progressbar.OptionSetWriter(stderr), progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetDescription("warming up"))}
}

func (b *bar) second(s load.Second) {
	if b.shown == nil {
		return
	}
	b.shown.Describe(fmt.Sprintf("%.0f/s  p50 %s  p99 %s",
		float64(s.Replies)/s.Took.Seconds(), report.Short(s.P50), report.Short(s.P99)))
	b.at = s.At + s.Took
	_ = b.shown.Set64(min(int64(b.at), b.shown.GetMax64())) // an error of the progress bar does not matter
}

func (b *bar) end() {
	if b.shown != nil {
		_ = b.shown.Finish()
	}
}
