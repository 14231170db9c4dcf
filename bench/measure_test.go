package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/report"
	"github.com/weir-go/weir/bench/internal/suite"
)

func TestMain(m *testing.M) {
	child.Main(suite.Roles())
	os.Exit(m.Run())
}

// An interruption in the middle of a round over the network leaves a report and no child process.
func TestInterruptedRunLeavesAReportAndNoChild(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(children(t)) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond) // a round has begun, or soon does
		cancel()
	}()
	var out, said bytes.Buffer
	code := run(ctx, []string{"-run", "^raw$", "-only", "net loop|Connect", "-d", "1h", "-o", dir}, &out, &said)
	require.Equal(t, exitInterrupted, code, said.String())
	r, err := report.Read(filepath.Join(dir, "report.json"))
	require.NoError(t, err)
	require.True(t, r.Interrupted)
	require.Len(t, r.Tables, 1)
	require.Contains(t, out.String(), "INTERRUPTED")
	require.FileExists(t, filepath.Join(dir, "report.html"))
	require.FileExists(t, filepath.Join(dir, "report.md"))
	require.Empty(t, children(t))
}

// children returns the processes that this one has started and has not waited for.
func children(t *testing.T) []string {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	var all []string
	for _, name := range tasks {
		b, _ := os.ReadFile(name) // the thread may have ended
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

func TestSuiteLeavesAReport(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-run", "^(encode|decode)$", "-d", "1ms", "-o", dir}, &out, io.Discard)
	require.Equal(t, exitOK, code)
	require.Contains(t, out.String(), "lower is better")
	r, err := report.Read(filepath.Join(dir, "report.json"))
	require.NoError(t, err)
	require.False(t, r.Interrupted)
	require.Len(t, r.Tables, 2)
	require.Len(t, r.Tables[0].Rows[0].Rounds, 3)
}

// Every threshold of the suite names contenders of its group; otherwise its verdict would always be "missing".
// onPages finds the commands of the suite on pages, up to the end of a code span or a comment.
var onPages = regexp.MustCompile("go run \\./bench((?: +-[^`\n#]*)?)")

func TestCommandsOnThePagesMeasureSomething(t *testing.T) {
	found := 0
	for _, page := range []string{"README.md", "CONTRIBUTING.md", "bench/README.md", "docs/performance.md", "docs/codecs.md"} {
		text, err := os.ReadFile(filepath.Join("..", page))
		require.NoError(t, err)
		for _, m := range onPages.FindAllStringSubmatch(string(text), -1) {
			found++
			s, err := parseSettings(strings.Fields(strings.ReplaceAll(m[1], "'", "")), io.Discard)
			if errors.Is(err, flag.ErrHelp) {
				continue
			}
			require.NoError(t, err, m[0])
			_, err = choose(groups(&suite.Field{}, s.full), s)
			require.NoError(t, err, m[0])
		}
	}
	require.Greater(t, found, 10)
}

func TestNothingToMeasureIsAnError(t *testing.T) {
	for _, args := range [][]string{{"-run", "no such group"}, {"-run", "^window$"}, {"-only", "no such contender"}} {
		var said bytes.Buffer
		dir := t.TempDir()
		require.Equal(t, exitFailed, run(t.Context(), append(args, "-o", dir), io.Discard, &said), args)
		require.Contains(t, said.String(), "nothing matches")
		require.NoFileExists(t, filepath.Join(dir, "report.json"))
	}
}

func TestBarsNameContendersOfTheirGroup(t *testing.T) {
	names := map[string]bool{}
	for _, g := range groups(&suite.Field{}, true) {
		require.False(t, names[g.Name], g.Name)
		names[g.Name] = true
		have := map[string]bool{}
		for _, c := range g.Contenders {
			require.False(t, have[c.Name], "%s: %s", g.Name, c.Name)
			have[c.Name] = true
		}
		for _, bar := range g.Bars {
			for _, name := range bar.Needs {
				require.True(t, have[name], "%s: %s", g.Name, name)
			}
		}
	}
}
