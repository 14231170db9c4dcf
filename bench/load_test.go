package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/report"
)

// answering is a server that sends back what it reads, through a filter.
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
