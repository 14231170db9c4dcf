package httpc

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

func TestServersThatMisbehave(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		answer string
		head   bool // the client receives a response
		err    error
	}{
		"closes at once":             {"", false, io.ErrUnexpectedEOF},
		"ends in the head":           {ok + "A: b\r\n", false, io.ErrUnexpectedEOF},
		"ends in the body":           {ok + "Content-Length: 10\r\n\r\nhello", true, io.ErrUnexpectedEOF},
		"ends before a chunk":        {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true, io.ErrUnexpectedEOF},
		"ends in a chunk size":       {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1", true, io.ErrUnexpectedEOF},
		"ends in the trailers":       {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n", true, io.ErrUnexpectedEOF},
		"two lengths":                {ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false, new(http1.Error)},
		"wrong chunks":               {ok + "Transfer-Encoding: chunked\r\n\r\nhello\r\n", true, new(http1.Error)},
		"bare LF in chunks":          {ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", true, new(http1.Error)},
		"chunk of another size":      {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", true, new(http1.Error)},
		"no HTTP":                    {"SSH-2.0-OpenSSH_9.6\r\n", false, new(http1.Error)},
		"four digits":                {"HTTP/1.1 2000 OK\r\n\r\n", false, new(http1.Error)},
		"endless status line":        {"HTTP/1.1 200 " + long(1<<20), false, chanio.ErrTooLarge},
		"endless field":              {ok + "A: " + long(1<<20), false, chanio.ErrTooLarge},
		"endless fields":             {ok + strings.Repeat("A: b\r\n", 1<<16), false, chanio.ErrTooLarge},
		"endless trailers":           {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: b\r\n", 1<<16), true, chanio.ErrTooLarge},
		"endless chunk extension":    {ok + "Transfer-Encoding: chunked\r\n\r\n5;" + long(1<<16), true, chanio.ErrTooLarge},
		"100 for ever":               {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1<<12), false, errInformational},
		"long informational heads":   {strings.Repeat("HTTP/1.1 103 Hints\r\nA: "+long(100<<10)+"\r\n\r\n", 3) + hello, false, chanio.ErrTooLarge},
		"invalid field":              {ok + "A b: c\r\n\r\n", false, new(http1.Error)},
		"not gzip":                   {ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", true, errAny},
		"gzip that ends early":       {ok + "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + string(gzipped("hello")[:12]), true, io.ErrUnexpectedEOF},
		"gzip that is a bomb":        {sized("Content-Encoding: gzip\r\n", string(gzipped(strings.Repeat("\x00", 20<<20)))), true, chanio.ErrTooLarge},
		"well, one byte at a time":   {hello, true, nil},
		"until the end, well":        {ok + "\r\nhello", true, nil},
		"length and chunks, well":    {ok + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true, nil},
		"folded, LF, no reason":      {"HTTP/1.1 200\nContent-Length:\n 5\n\nhello", true, nil},
		"status 999, well":           {"HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\nhello", true, nil},
		"several informational":      {strings.Repeat("HTTP/1.1 103 Hints\r\n\r\n", 32) + hello, true, nil},
		"one informational too many": {strings.Repeat("HTTP/1.1 103 Hints\r\n\r\n", 33) + hello, false, errInformational},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, func(nc net.Conn, in *bufio.Reader) {
				if readRequest(in) == nil {
					return
				}
				if len(c.answer) < 200 { // one byte at a time
					_, _ = io.Copy(nc, iotest.OneByteReader(strings.NewReader(c.answer)))
				} else {
					_, _ = io.WriteString(nc, c.answer)
				}
				_ = nc.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, in)
			})
			client := newClient(t, nil)
			resp, err := client.RoundTrip(newRequest(t, "GET", s.url, nil))
			if !c.head {
				requireKind(t, c.err, err)
				return
			}
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			if c.err != nil {
				requireKind(t, c.err, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, "hello", string(body))
			}
			require.NoError(t, resp.Body.Close())
		})
	}
}

// errAny matches any error.
var errAny = errors.New("any")

func sized(fields, body string) string {
	r := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	var b strings.Builder
	_ = r.Write(&b)
	head, rest, _ := strings.Cut(b.String(), "\r\n")
	return head + "\r\n" + fields + rest
}

func requireKind(t *testing.T, want, got error) {
	t.Helper()
	require.Error(t, got)
	if _, ok := want.(*http1.Error); ok {
		var broken *http1.Error
		require.ErrorAs(t, got, &broken)
		return
	}
	if want != errAny {
		require.ErrorIs(t, got, want)
	}
}

func TestRefusalBeforeTheEndOfTheBodyStopsIt(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_, _ = in.ReadByte()
		_, _ = io.Copy(io.Discard, in)
	})
	c := newClient(t, nil)
	r, w := io.Pipe()
	wrote := make(chan error)
	go func() {
		for {
			if _, err := io.WriteString(w, "piece"); err != nil {
				wrote <- err
				return
			}
		}
	}()
	resp, err := c.RoundTrip(newRequest(t, "POST", s.url, r))
	require.NoError(t, err)
	require.ErrorIs(t, <-wrote, io.ErrClosedPipe)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "no", string(body))
	require.Zero(t, c.Stats()[0].Open, "the connection ends behind the reply")
}

func TestServerThatTakesNoBodyAndEndsIsHeard(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
			_ = nc.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, in)
		}
	})
	c := newClient(t, nil)
	resp, err := c.Post(t.Context(), s.url, Bytes(make([]byte, 8<<20)))
	require.NoError(t, err)
	require.Equal(t, 413, resp.Status)
	body, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "no", body)
}

func TestEarlyReplyOf200LetsTheBodyGoOn(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(r.Body, one); err != nil {
				break
			}
			_, _ = io.WriteString(nc, "1\r\n"+string(one)+"\r\n")
		}
		_, _ = io.WriteString(nc, "0\r\n\r\n")
		says(hello)(nc, in)
	})
	c := newClient(t, nil)
	r, w := io.Pipe()
	resp, err := c.RoundTrip(newRequest(t, "POST", s.url, r))
	require.NoError(t, err)
	one := make([]byte, 1)
	for _, letter := range "abc" {
		_, err := io.WriteString(w, string(letter))
		require.NoError(t, err)
		_, err = io.ReadFull(resp.Body, one)
		require.NoError(t, err)
		require.Equal(t, string(letter), string(one))
	}
	require.NoError(t, w.Close())
	_, err = resp.Body.Read(one)
	require.Equal(t, io.EOF, err)
	text(t, c, s.url)
	require.Equal(t, 1, s.accepted())
}

func TestBodyThatIsNotWhatWasAnnouncedAbortsTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		want   error
	}{
		"short":       {strings.NewReader("hello"), 10, http1.ErrBodyTooShort},
		"long":        {strings.NewReader("hello"), 2, http1.ErrBodyTooLong},
		"short, big":  {io.MultiReader(strings.NewReader(long(1 << 20))), 1<<20 + 1, http1.ErrBodyTooShort},
		"long, big":   {io.MultiReader(strings.NewReader(long(1 << 20))), 1<<20 - 1, http1.ErrBodyTooLong},
		"fails":       {iotest.ErrReader(errAny), -1, errAny},
		"fails sized": {iotest.ErrReader(errAny), 5, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			complete := make(chan bool, 1)
			s := raw(t, func(_ net.Conn, in *bufio.Reader) {
				r, err := http.ReadRequest(in)
				if err == nil {
					_, err = io.Copy(io.Discard, r.Body)
				}
				complete <- err == nil
			})
			client := newClient(t, nil)
			r := newRequest(t, "POST", s.url, io.NopCloser(c.body))
			r.ContentLength = c.length
			_, err := client.RoundTrip(r)
			require.ErrorIs(t, err, c.want)
			if s.accepted() > 0 {
				require.False(t, <-complete)
			}
		})
	}
}

func TestPanicOfABodyIsTheErrorOfTheRequest(t *testing.T) {
	s := raw(t, func(_ net.Conn, in *bufio.Reader) { _ = readRequest(in) })
	c := newClient(t, nil)
	_, err := c.RoundTrip(newRequest(t, "POST", s.url, readerFunc(func([]byte) (int, error) { panic("mine") })))
	var panicked *chanio.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Equal(t, "mine", panicked.Value)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
