package httpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/codec"
)

// replying returns a handler that replies with the Response that f returns.
func replying(f func() (Response, error)) http.Handler {
	return Reply(func(context.Context, *http.Request) (Response, error) { return f() })
}

func record(h http.Handler, method string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// closing is a body that records its Close.
type closing struct {
	io.Reader
	closed atomic.Int32
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return nil
}

type point struct {
	X int `json:"x"`
}

func TestRepliesInAllForms(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	empty := filepath.Join(t.TempDir(), "empty.bin")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	forms := []struct {
		name    string
		make    func() (Response, error)
		status  int
		kind    string
		body    string
		length  string
		unsized bool // the server adds Content-Length if the handler is quick
	}{
		{"zero", func() (Response, error) { return Response{}, nil }, 204, "", "", "", false},
		{"status", func() (Response, error) { return Response{Status: 404}, nil }, 404, "", "", "0", false},
		{"text", func() (Response, error) { return Text("hé"), nil }, 200, typeText, "hé", "3", false},
		{"text with status and header", func() (Response, error) {
			return Text("No such page.").WithStatus(404).With("content-type", "text/x").With("X-A", "b"), nil
		}, 404, "text/x", "No such page.", "13", false},
		{"bytes", func() (Response, error) { return Bytes([]byte("<html>")), nil }, 200, "text/html; charset=utf-8", "<html>", "6", false},
		{"json", func() (Response, error) { return JSON(point{1}), nil }, 200, "application/json", `{"x":1}`, "7", false},
		{"text stream", func() (Response, error) {
			return TextStream(chanio.FromSlice([]string{"a", "b", "c"})), nil
		}, 200, typeText, "abc", "", true},
		{"empty stream", func() (Response, error) {
			return ByteStream(chanio.FromSlice[[]byte](nil)), nil
		}, 200, typeBytes, "", "", true},
		{"byte stream", func() (Response, error) {
			return ByteStream(chanio.FromSlice([][]byte{[]byte("ab"), bytes.Repeat([]byte("c"), 50000)})), nil
		}, 200, typeBytes, "ab" + strings.Repeat("c", 50000), "", true},
		{"ndjson", func() (Response, error) {
			return NDJSON(chanio.FromSlice([]point{{1}, {2}})), nil
		}, 200, "application/x-ndjson", "{\"x\":1}\n{\"x\":2}\n", "", true},
		{"encoded", func() (Response, error) {
			return Encoded(chanio.FromSlice([]uint16{1, 2}), codec.Uint16), nil
		}, 200, typeBytes, "\x00\x01\x00\x02", "", true},
		{"reader", func() (Response, error) { return Reader(onlyReader{strings.NewReader("read")}), nil }, 200, typeBytes, "read", "", true},
		{"reader with a length", func() (Response, error) { return Reader(strings.NewReader("read")), nil }, 200, typeBytes, "read", "4", false},
		{"file", func() (Response, error) { return File(name) }, 200, "text/plain; charset=utf-8", "0123456789", "10", false},
		{"file with a status", func() (Response, error) {
			resp, err := File(name)
			return resp.WithStatus(404), err
		}, 404, "text/plain; charset=utf-8", "0123456789", "10", false},
		{"region", func() (Response, error) { return FileRegion(name, 2, 3) }, 200, "text/plain; charset=utf-8", "234", "3", false},
		{"empty region", func() (Response, error) { return FileRegion(name, 10, 0) }, 200, "text/plain; charset=utf-8", "", "0", false},
		{"empty file", func() (Response, error) { return File(empty) }, 200, typeBytes, "", "0", false},
		{"later", func() (Response, error) {
			var f future.Future[Response]
			f.Complete(Text("later").With("X-B", "inner"))
			return Later(&f).With("X-A", "outer").WithStatus(201), nil
		}, 201, typeText, "later", "5", false},
	}
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, e environment) {
				s := e.start(t, replying(form.make))
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					resp, body, err := s.call(t, method, "/", nil)
					require.NoError(t, err)
					require.Equal(t, form.status, resp.StatusCode)
					if method == http.MethodGet {
						require.Equal(t, form.body, body)
					}
					if form.name == "empty file" || form.name == "bytes" && method == http.MethodHead {
						continue // depends on detection
					}
					require.Equal(t, form.kind, resp.Header.Get("Content-Type"), method)
					if !form.unsized {
						require.Equal(t, form.length, resp.Header.Get("Content-Length"), method)
					}
				}
			})
		})
	}
}

type onlyReader struct{ io.Reader }

func TestInvalidRepliesAreErrors(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	failing := func() (Response, error) { return Text("x"), errors.New("failed") }
	for what, f := range map[string]func() (Response, error){
		"error":             failing,
		"status 99":         func() (Response, error) { return Text("x").WithStatus(99), nil },
		"status 101":        func() (Response, error) { return Text("x").WithStatus(101), nil },
		"status 1000":       func() (Response, error) { return Text("x").WithStatus(1000), nil },
		"negative status":   func() (Response, error) { return Text("x").WithStatus(-100), nil },
		"name":              func() (Response, error) { return Response{Header: http.Header{"a b": {"c"}}}, nil },
		"CR":                func() (Response, error) { return Text("x").With("X-A", "a\rb"), nil },
		"LF":                func() (Response, error) { return Text("x").With("X-A", "a\nSet-Cookie: b"), nil },
		"NUL":               func() (Response, error) { return Text("x").With("X-A", "a\x00"), nil },
		"length":            func() (Response, error) { return Text("x").With("Content-Length", "2"), nil },
		"odd length":        func() (Response, error) { return Text("x").With("Content-Length", "+1"), nil },
		"transfer encoding": func() (Response, error) { return Text("x").With("Transfer-Encoding", "chunked"), nil },
		"lower case":        func() (Response, error) { return with(Text("x"), "transfer-encoding", "gzip"), nil },
		"length lower case": func() (Response, error) { return with(Text("x"), "content-length", "2"), nil },
		"JSON":              func() (Response, error) { return JSON(func() {}), nil },
		"missing file":      func() (Response, error) { return File(name + "x") },
		"directory":         func() (Response, error) { return File(dir) },
		"offset":            func() (Response, error) { return FileRegion(name, -1, 2) },
		"outside":           func() (Response, error) { return FileRegion(name, 8, 3) },
		"far outside":       func() (Response, error) { return FileRegion(name, 1<<62, 1<<62) },
		"behind the end":    func() (Response, error) { return FileRegion(name, 11, -1) },
		"later": func() (Response, error) {
			var f future.Future[Response]
			f.Fail(errors.New("failed"))
			return Later(&f), nil
		},
		"stream that fails at once": func() (Response, error) {
			return TextStream(failingSource("", errors.New("failed"))), nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			rec := record(replying(f), http.MethodGet)
			require.Equal(t, http.StatusInternalServerError, rec.Code)
			require.Equal(t, "Internal Server Error\n", rec.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", rec.Header().Get("Content-Type"))

			told := make(chan error, 1)
			s := &site{"http://" + start(t, replying(f), &Config{Error: func(w http.ResponseWriter, _ *http.Request, err error) {
				told <- err
				w.WriteHeader(http.StatusTeapot)
			}}), newClient(t, nil), nil}
			resp, _, err := s.call(t, http.MethodGet, "/", nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusTeapot, resp.StatusCode)
			require.Error(t, awaitIn(t, told))
		})
	}
}

// with returns resp with a field whose name is not in canonical form.
func with(resp Response, name, value string) Response {
	resp.Header = http.Header{name: {value}}
	return resp
}

// failingSource yields first, unless it is "", and then fails.
func failingSource(first string, failure error) *chanio.Source[string] {
	return chanio.NewSource(chanio.SourceHooks[string]{
		TryNext: func() (string, bool, error) {
			if first == "" {
				return "", false, failure
			}
			return "", false, nil
		},
		Next: func(context.Context) (string, error) {
			v := first
			if first = ""; v == "" {
				return "", failure
			}
			return v, nil
		},
	})
}

func TestReplyThatFailsBehindItsHeadNeverLooksComplete(t *testing.T) {
	failure := errors.New("failed")
	forEach(t, func(t *testing.T, e environment) {
		for name, make := range map[string]func() Response{
			"stream": func() Response { return TextStream(failingSource("begun", failure)) },
			"ndjson": func() Response {
				return NDJSON(chanio.FromSlice([]any{1, strings.Repeat("x", 2*pourSize), func() {}}))
			},
			"reader": func() Response {
				return Reader(io.MultiReader(strings.NewReader("begun"), errReader{failure}))
			},
			"short reader": func() Response { return Reader(shortReader{strings.NewReader("begun")}) },
		} {
			s := e.start(t, replying(func() (Response, error) { return make(), nil }))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
			require.NoError(t, err)
			resp, err := s.client.Do(r)
			if err != nil {
				continue // aborted before the head was sent
			}
			_, err = io.ReadAll(resp.Body)
			require.Error(t, err, name)
			require.NoError(t, resp.Body.Close())
		}
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// shortReader reports more bytes than it has.
type shortReader struct{ *strings.Reader }

func (r shortReader) Len() int { return r.Reader.Len() + 10 }

func TestFileThatBecomesShorterCutsItsReply(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		name := filepath.Join(t.TempDir(), "a")
		require.NoError(t, os.WriteFile(name, make([]byte, 100000), 0o600))
		s := e.start(t, replying(func() (Response, error) {
			resp, err := File(name)
			return resp, errors.Join(err, os.Truncate(name, 50000))
		}))
		_, body, err := s.call(t, http.MethodGet, "/", nil)
		require.Error(t, err)
		require.LessOrEqual(t, len(body), 50000)
	})
}

func TestBodyOfAReplyIsClosedOnEveryPath(t *testing.T) {
	for name, path := range map[string]struct {
		method string
		make   func(Response) (Response, error)
		header []string
	}{
		"sent":      {"GET", func(r Response) (Response, error) { return r, nil }, nil},
		"HEAD":      {"HEAD", func(r Response) (Response, error) { return r, nil }, nil},
		"304":       {"GET", func(r Response) (Response, error) { return r.With("ETag", `"a"`), nil }, []string{"If-None-Match", `"a"`}},
		"204":       {"GET", func(r Response) (Response, error) { return r.WithStatus(204), nil }, nil},
		"error":     {"GET", func(r Response) (Response, error) { return r, errors.New("failed") }, nil},
		"invalid":   {"GET", func(r Response) (Response, error) { return r.WithStatus(7), nil }, nil},
		"not found": {"GET", func(r Response) (Response, error) { return r.WithStatus(404), nil }, nil},
		"later": {"GET", func(r Response) (Response, error) {
			var f future.Future[Response]
			f.Complete(r)
			return Later(&f), nil
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader("hello")}
			record(replying(func() (Response, error) { return path.make(Reader(body)) }), path.method, path.header...)
			require.EqualValues(t, 1, body.closed.Load())
		})
	}
	t.Run("panic", func(t *testing.T) {
		body := &closing{Reader: panicking{}}
		require.Panics(t, func() { record(replying(func() (Response, error) { return Reader(body), nil }), "GET") })
		require.EqualValues(t, 1, body.closed.Load())
	})
	t.Run("client gone", func(t *testing.T) {
		forEach(t, func(t *testing.T, e environment) {
			reader, writer := io.Pipe() // its Close unblocks a Read
			s := e.start(t, replying(func() (Response, error) { return Reader(reader), nil }))
			ctx, leave := context.WithCancel(t.Context())
			go func() { _, _ = io.WriteString(writer, "x") }() // until it is read
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
			require.NoError(t, err)
			resp, err := s.client.Do(r)
			require.NoError(t, err)
			require.Equal(t, "x", readN(t, resp.Body, 1))
			leave()
			_ = resp.Body.Close()
			failed := make(chan error)
			go func() {
				_, err := io.WriteString(writer, strings.Repeat("y", 1<<20))
				for err == nil {
					_, err = io.WriteString(writer, "y")
				}
				failed <- err
			}()
			require.ErrorIs(t, awaitIn(t, failed), io.ErrClosedPipe)
		})
	})
	t.Run("later, when the client has gone", func(t *testing.T) {
		var f future.Future[Response]
		ctx, leave := context.WithCancel(t.Context())
		leave()
		require.Panics(t, func() {
			h := replying(func() (Response, error) { return Later(&f), nil })
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		})
		body := &closing{Reader: strings.NewReader("late")}
		f.Complete(Reader(body))
		require.EqualValues(t, 1, body.closed.Load())
	})
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("in a Read") }

func TestStreamLeavesValueByValue(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		src, sink := chanio.PipeOf[string](1)
		s := e.start(t, replying(func() (Response, error) { return TextStream(src), nil }))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
		require.NoError(t, err)
		resp, err := s.client.Do(r) // the head arrives before any value
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		for i := range 5 {
			require.NoError(t, sink.Send(t.Context(), fmt.Sprintln(i)))
			require.Equal(t, fmt.Sprintln(i), readN(t, resp.Body, 2))
		}
		require.NoError(t, sink.Close())
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, rest)
	})
}

func TestConditions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	modified := time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)
	require.NoError(t, os.Chtimes(name, modified, modified))
	file := replying(func() (Response, error) {
		resp, err := File(name)
		return resp.With("ETag", `"tag"`), err
	})
	const same, before, later = "Thu, 02 Jan 2020 03:04:05 GMT", "Thu, 02 Jan 2020 03:04:04 GMT", "Thu, 02 Jan 2020 03:04:06 GMT"
	for _, c := range []struct {
		header string
		status int
		body   string
	}{
		{"", 200, "0123456789"},
		{`If-None-Match: "tag"`, 304, ""},
		{`If-None-Match: W/"tag"`, 304, ""},
		{`If-None-Match: "a", "tag"`, 304, ""},
		{`If-None-Match: *`, 304, ""},
		{`If-None-Match: "other"`, 200, "0123456789"},
		{`If-None-Match: tag`, 200, "0123456789"},
		{`If-None-Match: "other"` + "\n" + `If-Modified-Since: ` + same, 200, "0123456789"},
		{`If-Modified-Since: ` + same, 304, ""},
		{`If-Modified-Since: ` + later, 304, ""},
		{`If-Modified-Since: ` + before, 200, "0123456789"},
		{`If-Modified-Since: yesterday`, 200, "0123456789"},
		{`If-Match: "tag"`, 200, "0123456789"},
		{`If-Match: *`, 200, "0123456789"},
		{`If-Match: W/"tag"`, 412, ""},
		{`If-Match: "other"`, 412, ""},
		{`If-Unmodified-Since: ` + same, 200, "0123456789"},
		{`If-Unmodified-Since: ` + before, 412, ""},
		{`If-Match: "tag"` + "\n" + `If-Unmodified-Since: ` + before, 200, "0123456789"},
		{"Range: bytes=2-4", 206, "234"},
		{"Range: Bytes=3-3", 206, "3"}, // RFC 9110 14.1
		{"Range: bytes=8-", 206, "89"},
		{"Range: bytes=8-100", 206, "89"},
		{"Range: bytes=-3", 206, "789"},
		{"Range: bytes=-100", 206, "0123456789"},
		{"Range: bytes=10-", 416, "Requested Range Not Satisfiable\n"},
		{"Range: bytes=-0", 416, "Requested Range Not Satisfiable\n"},
		{"Range: bytes=4-2", 200, "0123456789"},
		{"Range: bytes=a-b", 200, "0123456789"},
		{"Range: bytes=+1-2", 200, "0123456789"},
		{"Range: bytes=", 200, "0123456789"},
		{"Range: lines=1-2", 200, "0123456789"},
		{"Range: bytes=0-99999999999999999999", 206, "0123456789"},
		{"Range: bytes=1-3,3-4", 200, "0123456789"},
		{"Range: bytes=" + strings.Repeat("1-1,", 16) + "1-1", 200, "0123456789"},
		{"Range: bytes=2-4\nIf-Range: \"tag\"", 206, "234"},
		{"Range: bytes=2-4\nIf-Range: W/\"tag\"", 200, "0123456789"},
		{"Range: bytes=2-4\nIf-Range: \"other\"", 200, "0123456789"},
		{"Range: bytes=2-4\nIf-Range: " + same, 206, "234"},
		{"Range: bytes=2-4\nIf-Range: " + later, 200, "0123456789"},
		{"Range: bytes=2-4\nIf-None-Match: \"tag\"", 304, ""},
	} {
		t.Run(c.header, func(t *testing.T) {
			var header []string
			for line := range strings.SplitSeq(c.header, "\n") {
				if key, value, ok := strings.Cut(line, ": "); ok {
					header = append(header, key, value)
				}
			}
			rec := record(file, http.MethodGet, header...)
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.body, rec.Body.String())
			switch c.status {
			case 206:
				off := strings.Index("0123456789", c.body)
				require.Equal(t, fmt.Sprintf("bytes %d-%d/10", off, off+len(c.body)-1), rec.Header().Get("Content-Range"))
				require.Equal(t, strconv.Itoa(len(c.body)), rec.Header().Get("Content-Length"))
			case 416:
				require.Equal(t, "bytes */10", rec.Header().Get("Content-Range"))
			case 304:
				require.Equal(t, `"tag"`, rec.Header().Get("Etag"))
				require.Empty(t, rec.Header().Get("Content-Type"))
			case 200:
				require.Equal(t, "bytes", rec.Header().Get("Accept-Ranges"))
				require.Equal(t, same, rec.Header().Get("Last-Modified"))
			}
		})
	}
}

// net/http is the oracle for several ranges.
func TestSeveralRangesAreThoseOfNetHTTP(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	parts := func(h http.Handler) string {
		rec := record(h, http.MethodGet, "Range", "bytes=0-1, 4-5,-2, 20-")
		require.Equal(t, http.StatusPartialContent, rec.Code)
		require.Equal(t, rec.Header().Get("Content-Length"), strconv.Itoa(rec.Body.Len()))
		_, boundary, ok := strings.Cut(rec.Header().Get("Content-Type"), "multipart/byteranges; boundary=")
		require.True(t, ok)
		return strings.ReplaceAll(rec.Body.String(), boundary, "boundary")
	}
	standard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
	require.Equal(t, parts(standard), parts(replying(func() (Response, error) { return File(name) })))
}

func TestEntityTagOfAFileChangesWithIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	tags := map[string]bool{}
	for i := range 3 {
		require.NoError(t, os.WriteFile(name, make([]byte, i), 0o600))
		tags[record(replying(func() (Response, error) { return File(name) }), "GET").Header().Get("Etag")] = true
	}
	when := time.Unix(1e9, 5)
	require.NoError(t, os.Chtimes(name, when, when))
	tags[record(replying(func() (Response, error) { return File(name) }), "GET").Header().Get("Etag")] = true
	tags[record(replying(func() (Response, error) { return FileRegion(name, 1, -1) }), "GET").Header().Get("Etag")] = true
	require.Len(t, tags, 5)
	require.NotContains(t, tags, "")
}

func TestResponseMethodsChangeNoOtherResponse(t *testing.T) {
	first := Text("a")
	second := first.With("X-A", "b").WithStatus(404)
	require.Empty(t, first.Header.Get("X-A"))
	require.Zero(t, first.Status)
	require.Equal(t, "b", second.Header.Get("X-A"))
	body := &closing{Reader: strings.NewReader("")}
	require.NoError(t, Reader(body).Close())
	require.EqualValues(t, 1, body.closed.Load())
	require.NoError(t, first.Close())
}

// A reply without validators matches no tag, but exists: RFC 9110 13.1.1 and 13.1.2.
func TestAReplyWithoutValidatorsHeedsConditions(t *testing.T) {
	made := replying(func() (Response, error) { return Text("made"), nil })
	for condition, status := range map[[2]string]int{
		{"If-Match", `"tag"`}:      412,
		{"If-Match", `*`}:          200,
		{"If-None-Match", `"tag"`}: 200,
		{"If-None-Match", `*`}:     304,
		{"If-Modified-Since", "Thu, 02 Jan 2020 03:04:05 GMT"}: 200,
	} {
		require.Equal(t, status, record(made, http.MethodGet, condition[:]...).Code, condition)
	}
}

// TestFailedConditionHasNoLengthOfTheBody has a Response with a Content-Length of its own, and requires the 412 to be
// complete without it.
func TestFailedConditionHasNoLengthOfTheBody(t *testing.T) {
	addr := start(t, Reply(func(context.Context, *http.Request) (Response, error) {
		return Text("hello").With("Content-Length", "5").With("ETag", `"a"`), nil
	}), nil)
	const failing = "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"b\"\r\n\r\n"
	replies, _ := talk(t, addr, failing+failing, "GET", "GET")
	require.Len(t, replies, 2)
	require.Contains(t, rawReply(t, addr, failing), "\r\nContent-Length: 0\r\n")
}
