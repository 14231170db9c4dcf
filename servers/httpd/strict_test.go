package httpd

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

const evil = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"

// TestWhatIsRefusedEndsTheConnection sends a request after each bad one. It must never be read.
func TestWhatIsRefusedEndsTheConnection(t *testing.T) {
	var called atomic.Int64
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/evil" {
			called.Add(1)
		}
	}), nil)
	for raw, want := range map[string]string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "400 Bad Request",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                                 "400 Bad Request",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n":                "501 Not Implemented",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx":                  "400 Bad Request",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n":                                                "400 Bad Request",
		"GET / HTTP/1.1\nHost: a\n\n":                                                                    "400 Bad Request",
		"GET / HTTP/1.1\r\n\r\n":                                                                         "400 Bad Request",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                                                "400 Bad Request",
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n":                                                           "400 Bad Request",
		"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n":                                                           "400 Bad Request",
		"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03":                                                   "400 Bad Request",
		"GET /" + strings.Repeat("x", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n":                            "414 Request URI Too Long",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 16<<10) + "\r\n\r\n":                    "431 Request Header Fields Too Large",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n":                       "431 Request Header Fields Too Large",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\nhello":                 "417 Expectation Failed",
	} {
		got := rawReply(t, addr, raw+evil)
		require.Equal(t, "HTTP/1.1 "+want, statusLine(got), "%q", raw)
		require.Contains(t, got, "\r\nConnection: close\r\n")
		require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "%q", got)
	}
	require.Zero(t, called.Load())
}

// TestFramingErrorInABodyIsToldToTheHandler is row 12 of the checklist.
func TestFramingErrorInABodyIsToldToTheHandler(t *testing.T) {
	const bad = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n"
	read := make(chan error, 1)
	silent := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}), nil)
	got := rawReply(t, silent, bad+evil)
	require.Equal(t, "HTTP/1.1 400 Bad Request", statusLine(got))
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
	var broken *http1.Error
	require.ErrorAs(t, <-read, &broken)

	answering := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "own answer", http.StatusTeapot)
		}
	}), nil)
	got = rawReply(t, answering, bad+evil)
	require.Equal(t, "HTTP/1.1 418 I'm a teapot", statusLine(got))
	require.Contains(t, got, "\r\nConnection: close\r\n")
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
}

// brokenPosts are requests with a malformed body, and the status of the refusal.
var brokenPosts = map[string]string{
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n": "400 Bad Request",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel":                        "400 Bad Request",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " +
		strings.Repeat("y", 9<<10) + "\r\n\r\n": "431 Request Header Fields Too Large",
}

// TestSuccessOfAMalformedRequestIsNotSent has handlers that reply with what they could read.
func TestSuccessOfAMalformedRequestIsNotSent(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter) error{
		"nothing": func(http.ResponseWriter) error { return nil },
		"a status": func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusFound)
			return nil
		},
		"a short body": func(w http.ResponseWriter) error {
			w.Header().Set("X-Mine", "y")
			_, err := io.WriteString(w, "mine")
			return err
		},
	} {
		for _, reads := range []bool{true, false} {
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if reads {
					_, _ = io.ReadAll(r.Body)
				}
				if err := reply(w); err != nil {
					panic(err)
				}
			}), nil)
			for raw, want := range brokenPosts {
				got := rawReply(t, addr, raw)
				require.Equal(t, "HTTP/1.1 "+want, statusLine(got), "%s of %q", name, raw)
				require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
				require.Contains(t, got, "\r\nConnection: close\r\n")
				require.NotContains(t, strings.ToLower(got), "mine")
			}
		}
	}
}

func TestLongReplyToAMalformedRequestIsAnErrorOfWrite(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("mine", 16<<10)), 0o600))
	for name, reply := range map[string]func(http.ResponseWriter, *http.Request) error{
		"write": func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, strings.Repeat("mine", 1000))
			_, again := io.WriteString(w, "mine")
			return errors.Join(err, again)
		},
		"flush": func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "mine")
			return http.NewResponseController(w).Flush()
		},
		"hijack": func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusSwitchingProtocols)
			_, _, err := http.NewResponseController(w).Hijack()
			return err
		},
		"file": func(w http.ResponseWriter, _ *http.Request) error {
			f, err := os.Open(file)
			if err != nil {
				return nil
			}
			defer func() { _ = f.Close() }()
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "65536")
			_, err = io.Copy(w, f)
			return err
		},
		"sink": func(w http.ResponseWriter, r *http.Request) error {
			return Sink(w, r, nil).Send(r.Context(), []byte(strings.Repeat("mine", 1000)))
		},
	} {
		failed := make(chan error, 1)
		addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			failed <- reply(w, r)
		}), &Config{HalfClose: true})
		for raw, want := range brokenPosts {
			got := rawReply(t, addr, raw)
			require.Equal(t, "HTTP/1.1 "+want, statusLine(got), name)
			require.NotContains(t, got, "mine", name)
			require.Error(t, <-failed, name)
		}
	}
}

func TestReplyThatHasBegunIsNotTakenBack(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		_, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "mine")
	}), nil)
	for raw := range brokenPosts {
		got := rawReply(t, addr, raw)
		require.Equal(t, "HTTP/1.1 200 OK", statusLine(got))
		require.Contains(t, got, "mine")
		require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
	}
}

func TestMalformedBodyIsTheFaultOfTheClient(t *testing.T) {
	read := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}), nil)
	rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\n")
	var fault *RequestError
	require.ErrorAs(t, <-read, &fault)
	require.Equal(t, http.StatusBadRequest, fault.Status)
}

func TestBodyThatEndsEarlyIsUnexpectedEOF(t *testing.T) {
	read := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}), nil)
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	require.Equal(t, io.ErrUnexpectedEOF, <-read)
}

func TestMaxBodyHoldsAtItsEdge(t *testing.T) {
	var calls atomic.Int64
	read := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		_, err := io.ReadAll(r.Body)
		read <- err
	}), &Config{MaxBody: 5})
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, addr, post5)))
	require.NoError(t, <-read)
	got := rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello!"+evil)
	require.Equal(t, "HTTP/1.1 413 Request Entity Too Large", statusLine(got))
	require.EqualValues(t, 1, calls.Load(), "the handler is not called")
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, addr, chunked5)))
	require.NoError(t, <-read)
	got = rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n"+evil)
	require.Equal(t, "HTTP/1.1 413 Request Entity Too Large", statusLine(got))
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
	require.ErrorIs(t, <-read, chanio.ErrTooLarge)
}

func TestUnreadBodyIsDrainedUpToMaxDrain(t *testing.T) {
	addr := start(t, say("x"), nil)
	for n, kept := range map[int]bool{256 << 10: true, 256<<10 + 1: false} {
		raw := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			string(chunked(n)) + "0\r\n\r\n" + getLine
		got := rawReply(t, addr, raw)
		want := 1
		if kept {
			want = 2
		}
		require.Equal(t, want, strings.Count(got, "HTTP/1.1 200 OK"), "%d bytes", n)
		require.Equal(t, !kept, strings.Contains(got, "Connection: close"))
	}
}

// chunked returns n bytes in chunks of 4 KiB.
func chunked(n int) []byte {
	var all []byte
	for n > 0 {
		size := min(n, 4<<10)
		all = append(all, []byte(hex(size)+"\r\n"+strings.Repeat("x", size)+"\r\n")...)
		n -= size
	}
	return all
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	if n < 16 {
		return digits[n : n+1]
	}
	return hex(n/16) + digits[n%16:n%16+1]
}

func TestUnansweredExpectationEndsTheConnection(t *testing.T) {
	addr := start(t, say("x"), nil)
	got := rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"+evil)
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
	require.Contains(t, got, "\r\nConnection: close\r\n")
}

func TestHandlersLengthThatIsNoneIsLeftOut(t *testing.T) {
	for _, bad := range []string{"x", "-5", "1 1"} {
		got := rawReply(t, start(t, withHeader("Content-Length", bad), nil), getLine)
		require.Contains(t, got, "\r\nContent-Length: 5\r\n")
	}
}

func TestCloseAmongOtherOptionsCloses(t *testing.T) {
	got := rawReply(t, start(t, withHeader("Connection", "x, Close"), nil), getLine+evil)
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))
	require.Contains(t, got, "Connection: x, Close\r\n")
}

func TestTooShortAReplyNeverLooksComplete(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
	}), nil)
	replies, ended := talk(t, addr, getLine, "GET")
	require.Len(t, replies, 1)
	require.Equal(t, "hello", replies[0].body)
	require.False(t, replies[0].complete)
	require.True(t, ended)
}

func TestPanicCutsTheReply(t *testing.T) {
	for _, what := range []any{"planted", http.ErrAbortHandler, errors.New("planted")} {
		logged := newLockedBuffer()
		addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
			panic(what)
		}), &Config{Logger: logTo(logged)})
		replies, ended := talk(t, addr, getLine+getLine, "GET")
		require.Len(t, replies, 1)
		require.False(t, replies[0].complete)
		require.True(t, ended)
		if what == http.ErrAbortHandler {
			require.NotContains(t, logged.String(), "panic")
		} else {
			require.Contains(t, logged.String(), "planted")
			require.Contains(t, logged.String(), "strict_test.go", "the stack is there")
		}
	}
}

// TestBodyThatTimedOutIsNotARequest has the rest of a body arrive behind the reply to a handler that did not wait for it
// (golang/go#11930). With full duplex net/http serves it.
func TestBodyThatTimedOutIsNotARequest(t *testing.T) {
	for _, duplex := range []bool{false, true} {
		addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			if duplex {
				require.NoError(t, rc.EnableFullDuplex())
			}
			require.NoError(t, rc.SetReadDeadline(time.Unix(1, 0)))
			_, err := io.ReadAll(r.Body)
			w.Header().Set("X-Path", r.URL.Path+" "+strconv.FormatBool(errors.Is(err, os.ErrDeadlineExceeded)))
			require.NoError(t, rc.Flush())
		}), nil)
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, "/ true", resp.Header.Get("X-Path"))
		_, _ = io.WriteString(nc, evil) // may fail, as the server closes
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		_, err = http.ReadResponse(in, nil)
		require.Error(t, err)
	}
}
