package httpc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
)

// answersAll answers each request with a constant response, without allocating.
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

// answersAllHTTP2 does the same over HTTP/2, without decoding header blocks.
func answersAllHTTP2(nc net.Conn, in *bufio.Reader) {
	var out bytes.Buffer
	fr := frames.NewFramer(&out, nil)
	head, body := []byte{0x88}, []byte("hello") // :status 200, of the static table
	_, _ = in.Discard(len(frames.ClientPreface))
	for err := fr.WriteSettings(); err == nil; {
		if _, err = nc.Write(out.Bytes()); err != nil {
			return
		}
		out.Reset()
		p, failed := in.Peek(9)
		if failed != nil {
			return
		}
		id := binary.BigEndian.Uint32(p[5:])
		switch kind, flags := frames.FrameType(p[3]), frames.Flags(p[4]); {
		case kind == frames.FrameHeaders:
			_ = fr.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: head, EndHeaders: true}) // to a buffer
			err = fr.WriteData(id, true, body)
		case kind == frames.FrameSettings && !flags.Has(frames.FlagSettingsAck):
			err = fr.WriteSettingsAck()
		}
		_, _ = in.Discard(9 + int(binary.BigEndian.Uint32(p)>>8)) // Peek fails next
	}
}

// TestAllocationsAreHalfOfThoseOfNetHTTP counts the allocations of the process. Its server does not allocate.
func TestAllocationsAreHalfOfThoseOfNetHTTP(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, answers := range map[string]func(net.Conn, *bufio.Reader){"HTTP/1": answersAll, "HTTP/2": answersAllHTTP2} {
		t.Run(name, func(t *testing.T) { compareAllocations(t, answers, name == "HTTP/2") })
	}
}

func compareAllocations(t *testing.T, answers func(net.Conn, *bufio.Reader), http2 bool) {
	s := raw(t, answers)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	standard := &http.Transport{Protocols: protocols}
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
	ours, theirs := count(newClient(t, &Config{Protocols: protocols})), count(standard)
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
			go answersAll(nc, bufio.NewReader(nc)) // ends when the client closes
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
