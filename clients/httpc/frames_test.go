package httpc

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
)

// answer answers a request over HTTP/2.
type answer = func(f *frames.Framer, id uint32)

// framed is an HTTP/2 server without TLS. The n-th function answers the n-th request of a connection, and the last one
// all later requests.
func framed(t *testing.T, conns ...[]answer) *rawServer {
	answers := make([]func(net.Conn, *bufio.Reader), len(conns))
	for i, requests := range conns {
		answers[i] = func(nc net.Conn, in *bufio.Reader) { answerFrames(nc, in, requests) }
	}
	return raw(t, answers...)
}

// answerFrames serves a connection of HTTP/2.
func answerFrames(nc net.Conn, in *bufio.Reader, requests []answer, settings ...frames.Setting) {
	if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
		return
	}
	f := frames.NewFramer(nc, in)
	_ = f.WriteSettings(settings...)
	n := 0
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *frames.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *frames.HeadersFrame:
			requests[min(n, len(requests)-1)](f, frame.StreamID)
			n++
		}
	}
}

// answers200 sends a complete response.
func answers200(f *frames.Framer, id uint32) {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = f.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true})
	_ = f.WriteData(id, true, []byte("hello"))
}

func resets(code frames.ErrCode) func(f *frames.Framer, id uint32) {
	return func(f *frames.Framer, id uint32) { _ = f.WriteRSTStream(id, code) }
}

func goesAway(last uint32) func(f *frames.Framer, id uint32) {
	return func(f *frames.Framer, _ uint32) { _ = f.WriteGoAway(last, frames.ErrCodeNo, nil) }
}

func h2c() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// TestStreamsThatWereNotActedOnAreSentAgain sends POST requests, which are not idempotent.
func TestStreamsThatWereNotActedOnAreSentAgain(t *testing.T) {
	for name, k := range map[string]struct {
		first []answer
		conns int
		fails bool
	}{
		"refused":           {[]answer{resets(frames.ErrCodeRefusedStream), answers200}, 1, false},
		"refused for ever":  {[]answer{resets(frames.ErrCodeRefusedStream)}, 1, true},
		"goes away below":   {[]answer{goesAway(0)}, 2, false},
		"reset by an error": {[]answer{resets(frames.ErrCodeInternal), answers200}, 1, true},
		"cancelled":         {[]answer{resets(frames.ErrCodeCancel), answers200}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := framed(t, k.first, []answer{answers200})
			c := newClient(t, &Config{Protocols: h2c()})
			resp, err := c.Post(t.Context(), s.url, Text("x"))
			if k.fails {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				got, err := resp.Text(t.Context())
				require.NoError(t, err)
				require.Equal(t, "hello", got)
			}
			require.Equal(t, k.conns, s.accepted())
		})
	}
}

func TestStreamsBelowAGoAwayGoOn(t *testing.T) {
	s := framed(t, []answer{func(f *frames.Framer, id uint32) {
		_ = f.WriteGoAway(id, frames.ErrCodeNo, nil)
		answers200(f, id)
	}})
	c := newClient(t, &Config{Protocols: h2c()})
	for n := range 3 {
		resp, err := c.Post(t.Context(), s.url, Text("x"))
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.Equal(t, n+1, s.accepted(), "it takes no further request")
	}
}

// TestStreamsOfAConnectionThatTakesNoMoreAreCounted has a stream on each of several connections.
func TestStreamsOfAConnectionThatTakesNoMoreAreCounted(t *testing.T) {
	s := framed(t, []answer{func(f *frames.Framer, id uint32) {
		_ = f.WriteGoAway(id, frames.ErrCodeNo, nil)
		var b bytes.Buffer
		_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		_ = f.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true})
	}})
	c := newClient(t, &Config{Protocols: h2c()})
	for n := range 3 {
		resp, err := c.Get(t.Context(), s.url)
		require.NoError(t, err)
		defer func() { _ = resp.Close() }()
		stats := c.Stats()[0]
		require.Equal(t, []int{n + 1, n + 1}, []int{stats.Open, stats.Streams})
	}
}

func TestBodyOfAStreamThatIsResetIsNotComplete(t *testing.T) {
	s := framed(t, []answer{func(f *frames.Framer, id uint32) {
		var b bytes.Buffer
		_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		_ = f.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true})
		_ = f.WriteData(id, false, []byte("hel"))
		_ = f.WriteRSTStream(id, frames.ErrCodeInternal)
	}})
	c := newClient(t, &Config{Protocols: h2c()})
	resp, err := c.Get(t.Context(), s.url)
	if err == nil { // the reset may overtake the head
		_, err = resp.Text(t.Context())
	}
	require.Error(t, err)
}

// TestLimitsOverHTTP2 uses servers that exceed each limit of a head.
func TestLimitsOverHTTP2(t *testing.T) {
	for name, k := range map[string]struct {
		fields []string
		want   error
	}{
		"as much as may be": {[]string{":status", "200", "a", long(500), "b", "c"}, nil},
		"a long head":       {[]string{":status", "200", "a", long(600), "b", long(600)}, chanio.ErrTooLarge},
		"a long field":      {[]string{":status", "200", "a", long(2 << 10)}, chanio.ErrTooLarge},
		"many fields":       {[]string{":status", "200", "a", "b", "a", "b", "a", "b", "a", "b"}, chanio.ErrTooLarge},
		"informational":     {[]string{":status", "103"}, chanio.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			conns := map[bool]int{false: 1, true: 2}[name == "a long field"] // the decoding table may have missed it
			s := framed(t, []func(*frames.Framer, uint32){func(f *frames.Framer, id uint32) {
				if name == "informational" {
					writeHead(f, id, false, k.fields...)
					writeHead(f, id, false, k.fields...)
					k.fields[1] = "200"
				}
				writeHead(f, id, true, k.fields...)
			}, answers200}, []func(*frames.Framer, uint32){answers200})
			c := newClient(t, &Config{Protocols: h2c(), MaxHead: 1 << 10, MaxFields: 3, MaxInformational: 1})
			resp, err := c.Get(t.Context(), s.url)
			if k.want == nil {
				require.NoError(t, err)
				require.NoError(t, resp.Close())
			} else {
				require.ErrorIs(t, err, k.want)
			}
			_, body := text(t, c, s.url)
			require.Equal(t, "hello", body)
			require.Equal(t, conns, s.accepted(), "the stream ends, not the connection")
		})
	}
}

// TestRequestThatClosesEndsItsConnectionOfHTTP2 checks that the connection ends after the requests in progress.
func TestRequestThatClosesEndsItsConnectionOfHTTP2(t *testing.T) {
	s := framed(t, []func(*frames.Framer, uint32){answers200})
	c := newClient(t, &Config{Protocols: h2c()})
	for n := range 3 {
		resp, err := c.Do(t.Context(), &Request{URL: s.url, Close: true})
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.Equal(t, n+1, s.accepted())
		require.Eventually(t, func() bool { return c.Stats()[0].Open == 0 }, testPatience, 1e6)
	}
}
