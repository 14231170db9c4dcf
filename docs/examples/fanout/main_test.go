package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// numbered returns n lines of about a kilobyte.
func numbered(n int) *chanio.Source[string] {
	return chanio.FromSeq(func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000))) {
				return
			}
		}
	})
}

func TestASlowDestinationIsToldWhatItLostAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var dsts []*chanio.Sink[string]
		var ends []*chanio.Source[string]
		for range 2 {
			near, far := chanio.Pipe()
			defer near.Close()
			defer far.Close()
			dsts = append(dsts, codec.Encode(near.Out, codec.Lines))
			ends = append(ends, codec.Decode(far.In, codec.Lines))
		}
		var report bytes.Buffer
		result := make(chan error, 1)
		go func() { result <- fan(t.Context(), numbered(n), &report, []string{"archive", "display"}, dsts) }()

		for i := range n { // all of them, while display reads nothing
			line, err := ends[0].Recv(t.Context())
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(line, fmt.Sprint(i, " ")))
		}
		synctest.Wait()
		next := 0
		for line := range ends[1].All(t.Context()) {
			var i, lost int
			if k, _ := fmt.Sscanf(line, "(%d lines lost)", &lost); k == 1 {
				next += lost
				continue
			}
			_, err := fmt.Sscanf(line, "%d ", &i)
			require.NoError(t, err)
			require.Equal(t, next, i)
			next++
		}
		require.NoError(t, ends[1].Err())
		require.Equal(t, n, next)
		_, err := ends[0].Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, <-result)
		require.Regexp(t, `(?s)"archive".*ended.*"display".* dropped`, report.String())
	})
}

func TestTheFirstDestinationSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		taken := 0
		lines := chanio.FromSeq(func(yield func(string) bool) {
			for yield(strings.Repeat("x", 1000)) {
				taken++
			}
		})
		result := make(chan error, 1)
		go func() {
			result <- fan(t.Context(), lines, io.Discard, []string{"archive"},
				[]*chanio.Sink[string]{codec.Encode(near.Out, codec.Lines)})
		}()
		synctest.Wait()
		require.Less(t, taken, 1000) // the pipe and the queue are full
		near.Out.Abort(io.ErrClosedPipe)
		require.ErrorIs(t, <-result, io.ErrClosedPipe)
		require.NoError(t, near.In.Close())
		_ = far.Close()
	})
}

func TestFanoutOverTCP(t *testing.T) {
	var addrs []string
	got := make(chan string, 2)
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
		go func() {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(nc)
			_ = nc.Close()
			got <- string(text)
		}()
	}
	require.NoError(t, run(t.Context(), strings.NewReader("one\ntwo\n"), io.Discard, addrs))
	require.Equal(t, "one\ntwo\n", <-got)
	require.Equal(t, "one\ntwo\n", <-got)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, strings.NewReader(""), io.Discard, addrs), context.Canceled)
}
