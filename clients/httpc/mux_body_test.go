package httpc

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/internal/http1"
)

// heardFrames is an HTTP/2 server that records frames as text, and answers heads with a function.
func heardFrames(t *testing.T, answer func(f *frames.Framer, id uint32)) (s *rawServer, got chan string) {
	got = make(chan string, 1000)
	return rawFrames(t, func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField) {
		switch frame := frame.(type) {
		case *frames.HeadersFrame:
			got <- headers(fields)
			answer(f, frame.StreamID)
		case *frames.DataFrame:
			if frame.StreamEnded() {
				got <- "END"
			}
		case *frames.RSTStreamFrame:
			got <- frame.ErrCode.String()
		}
	}), got
}

// TestBodyThatTheServerRefusesIsCancelled answers with an error before the body has arrived.
func TestBodyThatTheServerRefusesIsCancelled(t *testing.T) {
	s, got := heardFrames(t, func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "413") })
	c := newClient(t, &Config{Protocols: h2c()})
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	resp, err := c.Post(t.Context(), s.url, Reader(in, -1))
	require.NoError(t, err)
	require.Equal(t, 413, resp.Status)
	require.NoError(t, resp.Close())
	require.Contains(t, <-got, ":method=POST")
	require.Equal(t, "CANCEL", <-got, "the body is not complete, and does not look so")
	_, err = out.Write([]byte("x"))
	require.Error(t, err, "the body is closed")
	require.Equal(t, 1, s.accepted())
}

// TestResponseThatStopsTheBodyWithNoErrorIsWhole uses a server that does not need the rest of the body (RFC 9113 8.1).
func TestResponseThatStopsTheBodyWithNoErrorIsWhole(t *testing.T) {
	s, _ := heardFrames(t, func(f *frames.Framer, id uint32) {
		writeHead(f, id, false, ":status", "200")
		_ = f.WriteData(id, true, []byte("hello"))
		_ = f.WriteRSTStream(id, frames.ErrCodeNo)
	})
	c := newClient(t, &Config{Protocols: h2c()})
	for range 10 {
		in, out := io.Pipe()
		resp, err := c.Post(t.Context(), s.url, Reader(in, -1))
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", got)
		require.NoError(t, out.Close())
	}
	require.Equal(t, 1, s.accepted())
}

// TestBodyThatIsNotWhatWasAnnouncedIsCancelled is TestBodyThatIsNotWhatWasAnnouncedAbortsTheConnection for HTTP/2.
func TestBodyThatIsNotWhatWasAnnouncedIsCancelled(t *testing.T) {
	for name, k := range map[string]struct {
		body   string
		length int64
		want   error
	}{
		"short": {"hello", 10, http1.ErrBodyTooShort},
		"long":  {"hello", 2, http1.ErrBodyTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := heardFrames(t, func(*frames.Framer, uint32) {})
			c := newClient(t, &Config{Protocols: h2c()})
			r := newRequest(t, "POST", s.url, io.NopCloser(strings.NewReader(k.body)))
			r.ContentLength = k.length
			_, err := c.RoundTrip(r)
			require.ErrorIs(t, err, k.want)
			require.Contains(t, <-got, ":method=POST")
			require.NotEqual(t, "END", <-got, "the request never looks complete")
		})
	}
}

// TestFramingFieldsOfTheHeaderAreIgnoredOverEitherVersion sends fields that specify the length of a body.
func TestFramingFieldsOfTheHeaderAreIgnoredOverEitherVersion(t *testing.T) {
	s, got := heardFrames(t, answers200)
	c := newClient(t, &Config{Protocols: h2c(), KeepBodies: true})
	h := http.Header{
		"Content-Length": {"1"}, "Transfer-Encoding": {"chunked"}, "Host": {"evil"}, "Trailer": {"X"}, "Connection": {"x-a"},
		"Keep-Alive": {"1"}, "X-B": {"b"},
	}
	resp, err := c.Do(t.Context(), &Request{URL: s.url, Header: h, Body: Text("hello")})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	list := <-got
	require.Contains(t, list, "content-length=5")
	require.Contains(t, list, ":authority="+strings.TrimPrefix(s.url, "http://"))
	require.Contains(t, list, "x-b=b")
	for _, name := range []string{"transfer-encoding", "host=", "trailer", "connection", "keep-alive", "content-length=1"} {
		require.NotContains(t, list, name)
	}
}

// TestRefusedStreamWithABodyThatIsGoneIsAnError uses a body that can be read only once.
func TestRefusedStreamWithABodyThatIsGoneIsAnError(t *testing.T) {
	s := framed(t, []func(*frames.Framer, uint32){resets(frames.ErrCodeRefusedStream), answers200})
	c := newClient(t, &Config{Protocols: h2c()})
	in, out := io.Pipe()
	go func() {
		_, _ = io.WriteString(out, "x")
		_ = out.Close()
	}()
	_, err := c.Post(t.Context(), s.url, Reader(in, -1))
	require.Error(t, err)
	_, body := text(t, c, s.url)
	require.Equal(t, "hello", body, "the connection goes on")
}

// TestRefusedExpectationIsRepeatedOnce uses a server that refuses every request.
func TestRefusedExpectationIsRepeatedOnce(t *testing.T) {
	expected := make(chan string, 10)
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			expected <- r.Header.Get("Expect")
			_, _ = io.WriteString(nc, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
			if r.Header.Get("Expect") == "" {
				_, _ = io.Copy(io.Discard, r.Body)
			}
		}
	})
	c := newClient(t, nil)
	resp, err := c.Do(t.Context(), &Request{Method: "POST", URL: s.url, Header: http.Header{"Expect": {"100-continue"}}, Body: Text("hello")})
	require.NoError(t, err)
	require.Equal(t, 417, resp.Status)
	require.NoError(t, resp.Close())
	require.Equal(t, "100-continue", <-expected)
	require.Equal(t, "", <-expected)
	require.Empty(t, expected)
}

// TestIdleConnectionsOfHTTP1AreClosedWhenAskedTo checks that the connection in use stays open.
func TestIdleConnectionsOfHTTP1AreClosedWhenAskedTo(t *testing.T) {
	big := long(1 << 20)
	s := raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"+big), says(hello))
	c := newClient(t, nil)
	busy, err := c.Get(t.Context(), s.url)
	require.NoError(t, err)
	text(t, c, s.url)
	require.Equal(t, 2, s.accepted())
	require.Eventually(t, func() bool { return c.Stats()[0].Idle == 1 }, testPatience, 1e6)
	c.CloseIdleConnections()
	require.Eventually(t, func() bool { return c.Stats()[0].Open == 1 }, testPatience, 1e6)
	got, err := busy.Text(t.Context())
	require.NoError(t, err)
	require.True(t, got == big)
	require.Eventually(t, func() bool { return c.Stats()[0].Idle == 1 }, testPatience, 1e6)
	text(t, c, s.url)
	require.Equal(t, 2, s.accepted())
}

// TestBodyThatWasNotAskedForLeavesNoStream answers a request that expects 100 at once, without resetting the stream.
func TestBodyThatWasNotAskedForLeavesNoStream(t *testing.T) {
	s, got := heardFrames(t, func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "401") })
	c := newClient(t, &Config{Protocols: h2c()})
	resp, err := c.Do(t.Context(), &Request{URL: s.url, Body: Text("x"), Expect: true})
	require.NoError(t, err)
	require.Equal(t, 401, resp.Status)
	require.NoError(t, resp.Close())
	require.Contains(t, <-got, ":method=POST")
	require.Equal(t, "CANCEL", <-got)
	c.t.pool.mu.Lock()
	defer c.t.pool.mu.Unlock()
	for m := range c.t.pool.alive {
		if !m.idleLocked() {
			t.Error("the connection is not idle")
		}
	}
}

// TestLateRefusalOfAnExpectationIsRepeated uses a server that reads the body before it answers 417.
func TestLateRefusalOfAnExpectationIsRepeated(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		for r := readRequest(in); r != nil; r = readRequest(in) {
			answer := hello
			if r.Header.Get("Expect") != "" {
				answer = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
			}
			_, _ = io.WriteString(nc, answer)
		}
	})
	c := newClient(t, &Config{ExpectTimeout: 1})
	resp, err := c.Do(t.Context(), &Request{URL: s.url, Body: Text("x"), Expect: true})
	require.NoError(t, err)
	require.Equal(t, 200, resp.Status)
	require.NoError(t, resp.Close())
	resp, err = c.Do(t.Context(), &Request{URL: s.url, Body: Reader(strings.NewReader("x"), 1), Expect: true})
	require.NoError(t, err)
	require.Equal(t, 417, resp.Status, "the body is gone")
	require.NoError(t, resp.Close())
}

func TestUnknownExpectationIsRefused(t *testing.T) {
	c := newClient(t, &Config{Proxy: Direct})
	for _, value := range []string{"", "100-continue, other", "other"} {
		_, err := c.Do(t.Context(), &Request{Method: "POST", URL: "http://127.0.0.1:1/", Header: http.Header{"Expect": {value}}, Body: Text("hello")})
		require.ErrorContains(t, err, "unknown expectation", value)
	}
}
