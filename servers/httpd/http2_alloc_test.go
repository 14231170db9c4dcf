package httpd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// asker2 is asker for HTTP/2. Each request is a new stream.
type asker2 struct {
	nc   net.Conn
	in   *bufio.Reader
	raw  []byte // a HEADERS frame
	next uint32
}

func newAsker2(t testing.TB, nc net.Conn) *asker2 {
	var begin, block, frame bytes.Buffer
	begin.WriteString(frames.ClientPreface)
	fr := frames.NewFramer(&begin, nil)
	require.NoError(t, fr.WriteSettings(frames.Setting{ID: frames.SettingInitialWindowSize, Val: 1 << 20}))
	require.NoError(t, fr.WriteWindowUpdate(0, 1<<30))
	_, err := nc.Write(begin.Bytes())
	require.NoError(t, err)
	enc := hpack.NewEncoder(&block)
	for _, f := range append(ask2("GET"), hpack.HeaderField{Name: "user-agent", Value: "test/1.0"},
		hpack.HeaderField{Name: "accept", Value: "*/*"}, hpack.HeaderField{Name: "x-own", Value: "a"}) {
		f.Sensitive = true // never indexed, so that all requests have the same bytes
		require.NoError(t, enc.WriteField(f))
	}
	require.NoError(t, frames.NewFramer(&frame, nil).WriteHeaders(frames.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
	}))
	return &asker2{nc: nc, in: bufio.NewReader(nc), raw: frame.Bytes(), next: 1}
}

func (a *asker2) ask() {
	id := a.next
	a.next += 2
	binary.BigEndian.PutUint32(a.raw[5:], id)
	if _, err := a.nc.Write(a.raw); err != nil {
		panic(err)
	}
	for ended := false; !ended; {
		h, err := a.in.Peek(9)
		if err != nil {
			panic(err)
		}
		kind, flags, of := frames.FrameType(h[3]), frames.Flags(h[4]), binary.BigEndian.Uint32(h[5:])
		size := int(binary.BigEndian.Uint32(h) >> 8)
		switch kind {
		case frames.FrameRSTStream, frames.FrameGoAway:
			panic(kind)
		case frames.FrameData, frames.FrameHeaders:
			ended = of == id && flags.Has(frames.FlagDataEndStream)
		}
		if _, err := a.in.Discard(9 + size); err != nil {
			panic(err)
		}
	}
}

// TestRequestOfHTTP2CostsFewAllocations counts the allocations for a request and its reply: in both forms the stream,
// its goroutine and the strings of its fields, the request, its URL and header with its values, and the writer with its
// header. (net/http: 40.)
func TestRequestOfHTTP2CostsFewAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	hello := []byte("hello")
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		if x.Method() != http.MethodGet || x.Header("X-Own") != "a" {
			return errors.New("another request")
		}
		return x.Reply(http.StatusOK, "text/plain", hello)
	}, nil)
	bounds := map[string]float64{"http.Handler": 17, "native": 19}
	for name, addr := range map[string]string{
		"http.Handler": start(t, http.HandlerFunc(sayTyped), nil), "native": native,
		"net/http": startStandardH2(t, http.HandlerFunc(sayTyped)),
	} {
		nc, _ := dial(t, addr)
		a := newAsker2(t, nc)
		a.ask()
		got := testing.AllocsPerRun(500, a.ask)
		t.Logf("%s: %v allocations", name, got)
		if most, ok := bounds[name]; ok {
			require.LessOrEqual(t, got, most, name)
		}
	}
}

func BenchmarkHTTP2Hello(b *testing.B) {
	for name, srv := range map[string]*Server{
		"http.Handler": New(http.HandlerFunc(sayTyped), nil),
		"native": NewNative(func(_ context.Context, x Exchange) error {
			return x.Reply(http.StatusOK, "text/plain", []byte("hello"))
		}, nil),
	} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(b, err)
			served := goServe(srv, b.Context(), ln)
			nc, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(b, err)
			a := newAsker2(b, nc)
			a.ask()
			b.ReportAllocs()
			for b.Loop() {
				a.ask()
			}
			require.NoError(b, nc.Close())
			require.NoError(b, srv.Shutdown(context.Background()))
			require.NoError(b, <-served)
		})
	}
}
