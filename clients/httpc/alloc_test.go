package httpc

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// answersAll answers each request by a constant, without allocating.
func answersAll(nc net.Conn, in *bufio.Reader) {
	blank := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if blank++; len(line) == 2 {
			blank = 0
			if _, err := io.WriteString(nc, hello); err != nil {
				return
			}
		}
	}
}

// TestAllocationsAreHalfOfThoseOfNetHTTP counts those of the whole process, whose server allocates nothing.
func TestAllocationsAreHalfOfThoseOfNetHTTP(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := raw(t, answersAll)
	standard := &http.Transport{}
	t.Cleanup(standard.CloseIdleConnections)
	r := newRequest(t, "GET", s.url, nil)
	count := func(rt http.RoundTripper) float64 {
		return testing.AllocsPerRun(200, func() {
			resp, err := rt.RoundTrip(r)
			if err != nil {
				panic(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	ours, theirs := count(newClient(t, nil)), count(standard)
	t.Logf("%v and %v", ours, theirs)
	require.LessOrEqual(t, ours, theirs/2)
}

func benchmarkHello(b *testing.B, rt http.RoundTripper) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go answersAll(nc, bufio.NewReader(nc)) // until the client closes
		}
	}()
	r, err := http.NewRequest("GET", "http://"+ln.Addr().String(), nil)
	require.NoError(b, err)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := rt.RoundTrip(r)
			if err != nil {
				panic(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}

func BenchmarkHello(b *testing.B) {
	c := New(nil)
	defer func() { _ = c.Close() }()
	benchmarkHello(b, c)
}

func BenchmarkHelloStandard(b *testing.B) {
	standard := &http.Transport{MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64}
	defer standard.CloseIdleConnections()
	benchmarkHello(b, standard)
}
