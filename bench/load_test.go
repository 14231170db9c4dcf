package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
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

// answering is a server that copies what it reads through a filter.
func answering(t *testing.T, filter func([]byte)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			echoThrough(conn, filter)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return "tcp://" + ln.Addr().String()
}

func echoThrough(conn net.Conn, filter func([]byte)) {
	defer conn.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		filter(buf[:n])
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestLoadWritesItsResultAsJSON(t *testing.T) {
	url := answering(t, func([]byte) {})
	hgrm := filepath.Join(t.TempDir(), "latency.hgrm")
	var out, said bytes.Buffer
	code := run(t.Context(), []string{
		"load", url, "-codec", "u32", "-rate", "1k", "-conns", "1", "-d", "50ms", "-warmup", "0", "-json", "-",
		"-hgrm", hgrm, "-pid", "1",
	}, &out, &said)
	require.Equal(t, exitOK, code, said.String())
	var got report.Load
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, 1000.0, got.Spec.Rate)
	require.GreaterOrEqual(t, got.Result.Replies, uint64(45))
	require.NotEmpty(t, got.Result.Latency.Points)
	require.NotEmpty(t, got.Machine.Go)
	require.NotNil(t, got.Server)
	require.FileExists(t, hgrm)
	require.Empty(t, said.String())
}

func TestLoadShowsItsResult(t *testing.T) {
	var out bytes.Buffer
	url := answering(t, func([]byte) {})
	code := run(t.Context(), []string{"load", "-d", "20ms", "-warmup", "0", "-rate", "1k", url}, &out, io.Discard)
	require.Equal(t, exitOK, code)
	for _, part := range []string{"open loop at 1000/s", "each of them checked", "p99.9", "sent after its time", "generator"} {
		require.Contains(t, out.String(), part)
	}
}

func TestLoadSaysWhatTheServerDidWrong(t *testing.T) {
	url := answering(t, func(p []byte) { p[len(p)-1]++ })
	var said bytes.Buffer
	code := run(t.Context(), []string{"load", url, "-d", "1h"}, io.Discard, &said)
	require.Equal(t, exitFailed, code)
	require.Equal(t, "bench: load: connection 1 of 1: reply 0: its bytes differ from the request's\n", said.String())
}

func TestLoadExitsWithTwoWhenTheFlagsAreWrong(t *testing.T) {
	for _, args := range [][]string{
		{"load"}, {"load", "gopher://x"}, {"load", "tcp://x:1", "y"}, {"load", "tcp://x:1", "-rate", "fast"},
		{"load", "tcp://x:1", "-codec", "u16"}, {"load", "tcp://x:1", "-ca", "/nowhere"}, {"nonsense"}, {"-nonsense"},
	} {
		var said bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), args, io.Discard, &said), "%v", args)
		require.NotEmpty(t, said.String())
	}
	require.Equal(t, exitOK, run(t.Context(), []string{"load", "-h"}, io.Discard, io.Discard))
	require.Equal(t, exitOK, run(t.Context(), []string{"-h"}, io.Discard, io.Discard))
}

// An interruption in the midst of a round over the network: the report is there, and no child.
func TestInterruptedRunLeavesAReportAndNoChild(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
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

// children returns the processes that this one has started and not waited for.
func children(t *testing.T) []string {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	var all []string
	for _, name := range tasks {
		b, _ := os.ReadFile(name) // a thread may have ended
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

func TestSuiteLeavesAReport(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-run", "encode|later", "-d", "1ms", "-o", dir}, &out, io.Discard)
	require.Equal(t, exitOK, code)
	require.Contains(t, out.String(), "not built")
	r, err := report.Read(filepath.Join(dir, "report.json"))
	require.NoError(t, err)
	require.False(t, r.Interrupted)
	require.Len(t, r.Tables, 2)
	require.Len(t, r.Tables[0].Rows[0].Rounds, 3)
}

// Every bar of the suite names contenders that its group has, or it would be missing for ever.
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

func TestRatesMayBeShort(t *testing.T) {
	for s, want := range map[string]float64{"5": 5, "50k": 50_000, "1.5M": 1.5e6, "0.5": 0.5} {
		var c count
		require.NoError(t, c.Set(s))
		require.InDelta(t, want, float64(c), 1e-9)
	}
	var c count
	require.Error(t, c.Set("1G"))
	require.Error(t, c.Set("NaN"))
}
