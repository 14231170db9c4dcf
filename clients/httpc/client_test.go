package httpc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/internal/http1"
)

func TestEveryKindOfBodyArrives(t *testing.T) {
	base := serve(t, echo)
	c := newClient(t, nil)
	path := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"a":1}`), 0o600))
	big := long(300 << 10)
	for name, k := range map[string]struct {
		body       Body
		want, kind string
	}{
		"text":    {Text("hé"), "hé", "text/plain; charset=utf-8"},
		"bytes":   {Bytes([]byte("x")), "x", "application/octet-stream"},
		"nothing": {Bytes(nil), "", "application/octet-stream"},
		"json":    {JSON(map[string]int{"a": 1}), `{"a":1}`, "application/json"},
		"form":    {Form(Params{"a": 1, "b": []string{"x y", "&"}}, Style{}), "a=1&b=x+y&b=%26", "application/x-www-form-urlencoded"},
		"reader":  {Reader(readerOf("x"), -1), "x", "application/octet-stream"},
		"sized":   {Reader(readerOf(big), int64(len(big))), big, "application/octet-stream"},
		"stream":  {Stream(chanio.FromSlice([][]byte{[]byte("a"), []byte("bc")})).As("x/y"), "abc", "x/y"},
		"encoded": {Encoded(chanio.FromSlice([]string{"a", "b"}), codec.Codec[string](codec.Lines)), "a\nb\n", "application/octet-stream"},
		"file":    {File(path), `{"a":1}`, "application/json"},
	} {
		resp, err := c.Post(t.Context(), base, k.body)
		require.NoError(t, err, name)
		got, err := resp.Text(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, k.want, got, name)
		require.Equal(t, k.kind, resp.Header.Get("X-Type"), name)
		require.Equal(t, "POST", resp.Header.Get("X-Method"))
	}
	for _, bad := range []Body{JSON(func() {}), File("/nowhere"), File(t.TempDir()), Form(Params{"a": struct{}{}}, Style{})} {
		_, err := c.Post(t.Context(), base, bad)
		require.Error(t, err)
	}
}

// TestBodyOfAStreamIsNotSentTwice checks that a second request does not send an empty body.
func TestBodyOfAStreamIsNotSentTwice(t *testing.T) {
	base := serve(t, echo)
	c := newClient(t, nil)
	for _, body := range []Body{
		Reader(readerOf("x"), -1), Reader(readerOf("x"), 1), Multipart(Part{Name: "a", Body: Reader(readerOf("x"), -1)}),
		Reader(readerOf("x"), -1).WithProgress(func(int64) {}), Stream(chanio.FromSlice([][]byte{{'x'}})),
	} {
		resp, err := c.Post(t.Context(), base, body)
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		_, err = c.Post(t.Context(), base, body)
		require.ErrorContains(t, err, "second time")
	}
}

func TestBodyOfASourceIsClosedWhenItIsNotWanted(t *testing.T) {
	c := newClient(t, nil)
	closed := make(chan struct{})
	src := chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next:  func(ctx context.Context) ([]byte, error) { <-ctx.Done(); return nil, chanio.Cause(ctx) },
		Close: func() error { close(closed); return nil },
	})
	_, err := c.Post(t.Context(), "http://127.0.0.1:1/", Stream(src))
	require.Error(t, err)
	<-closed
}

// TestBodyOfARequestThatCannotBeSentIsClosed uses requests that fail before anything is dialled. Each is tried twice.
func TestBodyOfARequestThatCannotBeSentIsClosed(t *testing.T) {
	c := newClient(t, nil)
	for name, k := range map[string]struct {
		url   string
		query Params
		more  []Part
	}{
		"URL":           {url: "http://[::1"},
		"query":         {url: "http://a", query: Params{"a": make(chan int)}},
		"another part":  {url: "http://a", more: []Part{{Name: "a", Body: File("/does/not/exist")}}},
		"nested parts":  {url: "http://a", more: []Part{{Name: "a", Body: Multipart(Field("", "no name"))}}},
		"name of parts": {url: "http://a", more: []Part{Field("", "no name")}},
	} {
		t.Run(name, func(t *testing.T) {
			file, closed := recordClose(strings.NewReader("x")), make(chan struct{})
			src := chanio.NewSource(chanio.SourceHooks[[]byte]{
				Next:  func(context.Context) ([]byte, error) { return nil, io.EOF },
				Close: func() error { close(closed); return nil },
			})
			r := &Request{URL: k.url, Query: k.query, Body: Multipart(append([]Part{
				{Name: "b", Body: Reader(file, 1)}, {Name: "c", Body: Multipart(Part{Name: "d", Body: Stream(src).WithProgress(func(int64) {})})},
			}, k.more...)...)}
			for range 2 {
				_, err := c.Do(t.Context(), r)
				require.Error(t, err)
			}
			file.requireClosed(t)
			<-closed
		})
	}
}

// TestConfigIsCopied changes a Config after New, as for another Client.
func TestConfigIsCopied(t *testing.T) {
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = fmt.Fprint(w, r.Header["X-A"], r.Header["X-B"])
	})
	cfg := &Config{Header: http.Header{"X-A": make([]string, 1, 4)}, Connect: trusting(), Retry: &RetryPolicy{First: -1, Statuses: []int{500}}}
	cfg.Header["X-A"][0] = "1"
	c := newClient(t, cfg)
	cfg.Header["X-A"][0] = "2"
	cfg.Header.Set("X-B", "2")
	cfg.Connect.TLS.RootCAs = nil
	cfg.Retry.Statuses[0] = 200
	_, got := text(t, c, url)
	require.Equal(t, "[1] []", got)
	require.EqualValues(t, 1, asked.Load(), "200 is no status to try again")
	_, got = text(t, c, serveTLS(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method) }))
	require.Equal(t, "GET", got)
}

func TestMultipartIsReadByTheStandardLibrary(t *testing.T) {
	var lengths []int64
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		lengths = append(lengths, r.ContentLength)
		require.NoError(t, r.ParseMultipartForm(1<<20))
		seen := map[string]any{"values": r.MultipartForm.Value}
		for name, files := range r.MultipartForm.File {
			f, _ := files[0].Open()
			content, _ := io.ReadAll(f)
			_ = f.Close()
			seen[name] = []string{files[0].Filename, files[0].Header.Get("Content-Type"), string(content)}
		}
		_ = json.NewEncoder(w).Encode(seen)
	})
	c := newClient(t, nil)
	path := filepath.Join(t.TempDir(), "a.html")
	require.NoError(t, os.WriteFile(path, []byte("<p>"), 0o600))
	var sent atomic.Int64
	known := Multipart(
		Field("a", "1"), Field("a", "2"), FilePart("f", path),
		Part{Name: "q", FileName: "we\"ird\r\n.txt", Body: Bytes([]byte("q"))},
	).WithProgress(sent.Store)
	unknown := Multipart(Field("a", "1"), Field("a", "2"), FilePart("f", path),
		Part{Name: "q", FileName: "we\"ird\r\n.txt", Body: Reader(readerOf("q"), -1)})
	for _, body := range []Body{known, known, unknown} {
		resp, err := c.Post(t.Context(), base, body)
		require.NoError(t, err)
		var got struct {
			Values map[string][]string
			F, Q   []string
		}
		require.NoError(t, resp.Into(t.Context(), &got))
		require.Equal(t, []string{"1", "2"}, got.Values["a"])
		require.Equal(t, []string{"a.html", "text/html; charset=utf-8", "<p>"}, got.F)
		require.Equal(t, []string{"we%22ird%0D%0A.txt", "application/octet-stream", "q"}, got.Q)
	}
	require.EqualValues(t, lengths[0], sent.Load())
	require.EqualValues(t, -1, lengths[2])

	for _, bad := range []Part{{}, {Name: "a\x00"}, {Name: "a\x01"}, {Name: "a", FileName: "a\x7f"}, {Name: "a", Header: http.Header{"A b": {"c"}}}, {Name: "a", Header: http.Header{"X": {"a\r\nb"}}}} {
		_, err := c.Post(t.Context(), base, Multipart(bad))
		require.Error(t, err)
	}
	r, err := Multipart().reader(t.Context())
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	_, err = multipart.NewReader(bytes.NewReader(p), strings.Trim(string(p), "-\r\n")).NextPart()
	require.Equal(t, io.EOF, err)
}

func TestParamsHaveAnyBasicType(t *testing.T) {
	type status string
	n := 3
	for want, p := range map[string]Params{
		"a=new":          {"a": status("new")},
		"a=3":            {"a": &n},
		"a=1.5&a=2":      {"a": []float64{1.5, 2}},
		"a=x&a=y":        {"a": []status{"x", "y"}},
		"a=1s":           {"a": time.Second},
		"a=255&b=-1":     {"a": uint8(255), "b": int64(-1)},
		"a=0.1":          {"a": float32(0.1)},
		"a%5Bb%5D=1":     {"a": map[status]int{"b": 1}},
		"a%5Bb%5D=1&c=2": {"a": url.Values{"b": {"1"}}, "c": []any{2, nil, (*int)(nil)}},
		"":               {"a": []*int{nil}, "b": map[string]int(nil)},
	} {
		got, err := p.Encode(Style{})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []any{[]byte("a"), struct{}{}, map[int]int{1: 1}, func() {}, complex(1, 1)} {
		_, err := Params{"a": bad}.Encode(Style{})
		require.ErrorContains(t, err, `parameter "a"`)
	}
}

func TestParamsRepeatAndNestAsAsked(t *testing.T) {
	p := Params{"a": []int{1, 2}, "b": Params{"c": "d", "e": map[string]any{"f": true}}, "n": nil, "o": (*time.Time)(nil), "t": time.Unix(0, 0).UTC()}
	for style, want := range map[Style]string{
		{}:                      "a=1&a=2&b[c]=d&b[e][f]=true&t=1970-01-01T00:00:00Z",
		{Repeat: RepeatArray}:   "a[]=1&a[]=2&b[c]=d&b[e][f]=true&t=1970-01-01T00:00:00Z",
		{Repeat: RepeatIndexed}: "a[0]=1&a[1]=2&b[c]=d&b[e][f]=true&t=1970-01-01T00:00:00Z",
	} {
		got, err := p.Encode(style)
		require.NoError(t, err)
		got, err = url.QueryUnescape(got)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := p.Encode(Style{Nest: NestRefuse})
	require.Error(t, err)
	_, err = Params{"a": []any{failingText{}}}.Encode(Style{})
	require.ErrorIs(t, err, errAny)
	require.ErrorContains(t, err, `parameter "a"`)
}

// failingText is a value without a text.
type failingText struct{}

func (failingText) MarshalText() ([]byte, error) { return nil, errAny }

func TestURLsAsPeopleWriteThem(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI+" "+r.Host)
	})
	host := strings.TrimPrefix(base, "http://")
	c := newClient(t, nil)
	for in, want := range map[string]string{
		"": "/", "/a b?c d#e": "/a%20b?c%20d", "?a=1": "/?a=1", "/%2F/%41": "/%2F/%41", "/é?é=\"<>": "/%C3%A9?%C3%A9=%22%3C%3E",
		"/a b%2Fc": "/a%20b%2Fc", "/{é|^%3B": "/%7B%C3%A9%7C%5E%3B",
	} {
		resp, err := c.Get(t.Context(), base+in)
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, want+" "+host, got)
	}
	resp, err := c.Do(t.Context(), &Request{URL: base + "/?a=1", Query: Params{"b": "é"}, Host: "other:1"})
	require.NoError(t, err)
	got, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "/?a=1&b=%C3%A9 other:1", got)
	for _, bad := range []string{"", "example.org", "ftp://a", "http://", "http://a b/", "http://a\x00/", "http://[::1/", "http://exa mple/"} {
		_, err := c.Get(t.Context(), bad)
		require.Error(t, err, bad)
	}
}

func TestInternationalHostIsSentInASCII(t *testing.T) {
	r := newRequest(t, "GET", "http://bücher.example:81/", nil)
	x, err := newClient(t, &Config{Proxy: Direct}).t.prepare(r)
	require.NoError(t, err)
	require.Equal(t, "xn--bcher-kva.example:81 xn--bcher-kva.example:81", x.host+" "+x.to.addr)
}

func TestWhatCannotBeSentAsItIsIsNotSent(t *testing.T) {
	s := raw(t, says(hello))
	c := newClient(t, nil)
	for name, r := range map[string]*Request{
		"method":         {Method: "GET /x HTTP/1.1\r\nA:"},
		"field name":     {Header: http.Header{"A b": {"c"}}},
		"field value":    {Header: http.Header{"A": {"b\r\nX: y"}}},
		"NUL":            {Header: http.Header{"A": {"b\x00"}}},
		"host":           {Host: "a\r\nb"},
		"host and path":  {Host: "a/b"},
		"cookie":         {Cookies: []*http.Cookie{{Name: "a", Value: "b; c=d"}}},
		"cookie's name":  {Cookies: []*http.Cookie{{Name: "a b", Value: "c"}}},
		"trailer":        {Trailer: http.Header{"Content-Length": {"1"}}, Body: Reader(readerOf("x"), -1)},
		"TRACE and body": {Method: "TRACE", Body: Text("x")},
		"basic's user":   {Auth: Basic("a:b", "c")},
		"bearer":         {Auth: Bearer("a\r\nb")},
		"Accept":         {Accept: "a\r\nb"},
		"no cookie name": {Cookies: []*http.Cookie{{Value: "a"}}},
		"trailer's name": {Trailer: http.Header{"A b": {"1"}}, Body: Reader(readerOf("x"), -1)},
		"CONNECT, body":  {Method: "CONNECT", Body: Text("x")},
	} {
		r.URL = s.url
		_, err := c.Do(t.Context(), r)
		require.Error(t, err, name)
	}
	for name, target := range map[string]*url.URL{
		"a space":       {Opaque: "/a b"},
		"a line":        {Opaque: "/a\r\nHost: b"},
		"a raw query":   {Path: "/", RawQuery: "a b"},
		"a line in one": {Path: "/", RawQuery: "a\r\nb"},
		"a raw path":    {Opaque: "/\x00"},
		"no such Host":  {Path: "/", Host: "a\nb"},
	} {
		r := newRequest(t, "GET", s.url, nil)
		target.Scheme = r.URL.Scheme
		if target.Host == "" {
			target.Host = r.URL.Host
		}
		r.URL = target
		_, err := c.RoundTrip(r)
		require.Error(t, err, name)
	}
	require.Zero(t, s.accepted())
}

// TestTrailerThatCannotBeSentAbortsTheRequest sets the value of a trailer while the body is sent.
func TestTrailerThatCannotBeSentAbortsTheRequest(t *testing.T) {
	whole := make(chan bool, 1)
	handler := func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole <- err == nil
	}
	overBoth(t, handler, func(t *testing.T, c *Client, base string) {
		for name, v := range map[string]http.Header{"a line": {"X-A": {"b\r\nc"}}, "another name": {"Content-Length": {"5"}}} {
			trailer := http.Header{"X-A": nil}
			body := &atEnd{Reader: readerOf(long(100 << 10)), f: func() {
				for name, values := range v {
					trailer[name] = values
				}
			}}
			_, err := c.Do(t.Context(), &Request{URL: base, Body: Reader(body, -1), Trailer: trailer})
			require.ErrorContains(t, err, "invalid trailer", name)
			require.False(t, <-whole, name)
		}
	})
}

func TestFramingFieldsOfTheHeaderAreIgnored(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Host+" "+string(body)+" "+strings.Join(r.TransferEncoding, ","))
	})
	c := newClient(t, nil)
	h := http.Header{"Content-Length": {"1"}, "Transfer-Encoding": {"chunked"}, "Host": {"evil"}, "Trailer": {"X"}}
	resp, err := c.Do(t.Context(), &Request{URL: base, Header: h, Body: Text("hello")})
	require.NoError(t, err)
	got, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, strings.TrimPrefix(base, "http://")+" hello ", got)
}

func TestResponseIsReadInEveryWay(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latin":
			w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
			_, _ = w.Write([]byte("h\xe9"))
		case "/big-endian":
			w.Header().Set("Content-Type", "text/plain; charset=utf-16")
			_, _ = w.Write([]byte("\xfe\xff\x00h\x00\xe9"))
		case "/little-endian":
			w.Header().Set("Content-Type", "text/plain; charset=utf-16")
			_, _ = w.Write([]byte("\xff\xfeh\x00\xe9\x00"))
		case "/mark":
			_, _ = io.WriteString(w, "\ufeffhé")
		case "/mark-and-charset":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "\ufeffhé")
		case "/unknown":
			w.Header().Set("Content-Type", "text/plain; charset=nonsense")
			_, _ = io.WriteString(w, "x")
		case "/json":
			_, _ = io.WriteString(w, "\ufeff{\"a\":1}")
		case "/trailing":
			_, _ = io.WriteString(w, "{\"a\":1} {\"a\":2}")
		case "/big":
			_, _ = io.WriteString(w, long(1<<20))
		default:
			_, _ = io.WriteString(w, "one\ntwo\r\nthree")
		}
	})
	c := newClient(t, &Config{MaxBody: 1 << 16})
	get := func(path string) *Response {
		resp, err := c.Get(t.Context(), base+path)
		require.NoError(t, err)
		return resp
	}
	var lines []string
	resp := get("/")
	for line := range resp.Lines().All(t.Context()) {
		lines = append(lines, line)
	}
	require.NoError(t, resp.Err())
	require.Equal(t, []string{"one", "two", "three"}, lines)

	for _, path := range []string{"/latin", "/big-endian", "/little-endian", "/mark", "/mark-and-charset"} {
		got, err := get(path).Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hé", got, path)
	}
	_, err := get("/unknown").Text(t.Context())
	require.Error(t, err)

	var v struct{ A int }
	require.NoError(t, get("/json").Into(t.Context(), &v))
	require.Equal(t, 1, v.A)
	require.ErrorContains(t, get("/latin").Into(t.Context(), &v), "httpc: Into: body of type")

	_, err = get("/big").Bytes(t.Context())
	require.ErrorIs(t, err, chanio.ErrTooLarge)
	p, err := io.ReadAll(get("/big").Reader(t.Context()))
	require.NoError(t, err)
	require.Len(t, p, 1<<20)

	for path, want := range map[string]string{"/json": "", "/trailing": "invalid character"} {
		err := get(path).Into(t.Context(), &v)
		require.Equal(t, want != "", err != nil, path)
		if want != "" {
			require.ErrorContains(t, err, want)
		}
	}
	require.Error(t, get("/big").Into(t.Context(), &v))

	resp = get("/big") // one line
	_, err = resp.Lines().Recv(t.Context())
	require.ErrorIs(t, err, chanio.ErrTooLarge)
	require.NoError(t, resp.Close())

	resp = get("/big")
	reader := resp.Reader(t.Context())
	_, err = io.ReadFull(reader, make([]byte, 10))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, reader.Close())
		require.NoError(t, resp.Close())
	}
	_, err = io.ReadAll(reader)
	require.ErrorIs(t, err, net.ErrClosed)

	resp = get("/big")
	lines2 := resp.Lines()
	require.NoError(t, resp.Close(), "no matter who took the body")
	_, err = lines2.Recv(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestCancelledRecvOfABodyTookNothing checks that a cancelled Recv consumes nothing of a response body.
func TestCancelledRecvOfABodyTookNothing(t *testing.T) {
	more := make(chan struct{})
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, " world")
	})
	c := newClient(t, nil)
	resp, err := c.Get(t.Context(), base)
	require.NoError(t, err)
	p, err := resp.Body.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(p))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = resp.Body.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(more)
	rest, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, " world", rest)
}

func TestStatusErrorsWhereAskedFor(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "b")
		w.WriteHeader(418)
		_, _ = io.WriteString(w, long(100<<10))
	})
	c := newClient(t, nil)
	status, _ := text(t, c, base)
	require.Equal(t, 418, status)
	_, err := c.Do(t.Context(), &Request{URL: base, StatusErrors: true})
	var refused *StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 418, refused.Status)
	require.Equal(t, "b", refused.Header.Get("X-A"))
	require.Len(t, refused.Body, 64<<10)

	s := raw(t, says("HTTP/1.1 700 Odd\r\nContent-Length: 3\r\n\r\nodd"))
	_, err = c.Do(t.Context(), &Request{URL: s.url, StatusErrors: true})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 700, refused.Status)
	require.Equal(t, "odd", string(refused.Body))
	status, body := text(t, c, s.url)
	require.Equal(t, 700, status)
	require.Equal(t, "odd", body)
	require.Equal(t, 1, s.accepted(), "the connection stays")
}

func TestCookiesOfFieldRequestAndJar(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "jar", Value: "j"})
		http.SetCookie(w, &http.Cookie{Name: "both", Value: "j"})
		_, _ = io.WriteString(w, r.Header.Get("Cookie"))
	})
	c := newClient(t, &Config{Jar: NewJar()})
	_, got := text(t, c, base)
	require.Equal(t, "", got)
	_, got = text(t, c, base)
	require.Equal(t, "jar=j; both=j", got)
	resp, err := c.Do(t.Context(), &Request{
		URL: base, Header: http.Header{"Cookie": {"all=f; both=f"}},
		Cookies: []*http.Cookie{{Name: "both", Value: "r"}, {Name: "req", Value: "r"}, {Name: "all", Value: "r"}},
	})
	require.NoError(t, err)
	got, err = resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "all=f; both=f; req=r; jar=j", got)
	require.Len(t, resp.Cookies(), 2)
	r, err := c.HTTP().Get(base)
	require.NoError(t, err)
	p, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "jar=j; both=j", string(p))
}

func TestMiddlewareSeesEachHop(t *testing.T) {
	base := serve(t, redirecting)
	c := newClient(t, nil)
	var seen []string
	c.Use(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.URL.Path)
			return next.RoundTrip(r)
		})
	})
	refused := errors.New("mine")
	c.OnResponse(func(r *http.Response) error {
		if r.Request.URL.Path == "/bad" {
			return refused
		}
		return nil
	})
	text(t, c, base+"/302?to=/x")
	require.Equal(t, []string{"/302", "/x"}, seen)
	_, err := c.Get(t.Context(), base+"/bad")
	require.ErrorIs(t, err, refused)
}

func TestTimingTellsThePhases(t *testing.T) {
	base := serve(t, echo)
	c := newClient(t, nil)
	for _, reused := range []bool{false, true} {
		resp, err := c.Do(t.Context(), &Request{URL: base, Timing: true})
		require.NoError(t, err)
		_, err = resp.Text(t.Context())
		require.NoError(t, err)
		m := resp.Timing()
		require.Equal(t, reused, m.Reused)
		require.Equal(t, !reused, m.Dial > 0)
		require.Positive(t, m.Total)
		require.Positive(t, m.Server)
		require.GreaterOrEqual(t, m.Total, m.Server)
	}
}

func TestDumpAndCurlHideSecrets(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "set", Value: "secret3"})
		w.Header().Set("Location", "http://a:secret5@b/c")
		echo(w, r)
	})
	r := &Request{
		URL: strings.Replace(base, "http://", "http://me:secret1@", 1) + "/it's", Header: http.Header{"X-Key": {"secret4"}, "X-Plain": {"it's"}, "Referer": {"http://a:secret6@b/c"}},
		Cookies: []*http.Cookie{{Name: "a", Value: "secret2"}}, Body: Text("it's $HOME\n"),
	}
	for _, show := range []bool{false, true} {
		c := newClient(t, &Config{ShowSecrets: show, SensitiveHeaders: []string{"x-key"}})
		var b bytes.Buffer
		c.Dump(&b, 5)
		resp, err := c.Do(t.Context(), r)
		require.NoError(t, err)
		_, err = resp.Text(t.Context())
		require.NoError(t, err)
		curl, err := c.Curl(r)
		require.NoError(t, err)
		all := b.String() + curl
		for _, part := range []string{"X-Plain: it's", "11 bytes\n\"it's \"", "< 1 HTTP/1.1 200 OK", `-H 'X-Plain: it'\''s'`, `--data-binary 'it'\''s $HOME` + "\n'"} {
			require.Contains(t, all, part)
		}
		require.Equal(t, show, strings.Contains(all, "secret"), all)
		require.Equal(t, 3, strings.Count(all, "@b/c"), all)
	}
	_, err := newClient(t, nil).Get(t.Context(), "http://me:secret@127.0.0.1:1/")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestDefaultClientIsMadeWhenNeededAndCloses(t *testing.T) {
	base := serve(t, echo)
	require.NoError(t, CloseDefault())
	resp, err := Get(t.Context(), base)
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	first := Default()
	resp, err = Post(t.Context(), base, Text("x"))
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Same(t, first, Default())
	resp, err = Do(t.Context(), &Request{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "by default") })})
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "by default", text)
	require.NoError(t, CloseDefault())
	_, err = first.Get(t.Context(), base)
	require.ErrorIs(t, err, ErrClosed)
	require.NotSame(t, first, Default())
	require.NoError(t, CloseDefault())
}

func TestLinksAreParsed(t *testing.T) {
	base, err := url.Parse("http://a/b?page=2")
	require.NoError(t, err)
	h := http.Header{"Link": {`<?page=3>; rel="next last"; title="a, \"b\"; c" , </x>;rel=prev;hreflang=de;hreflang=en`, `bad, <y>; rel=no`, `<z`}}
	links := ParseLinks(base, h)
	require.Len(t, links, 2)
	require.Equal(t, "http://a/b?page=3", links[0].URL.String())
	require.Equal(t, []string{"next", "last"}, links[0].Rel)
	require.Equal(t, `a, "b"; c`, links[0].Params["title"])
	require.Equal(t, "http://a/x", links[1].URL.String())
	require.Equal(t, "de", links[1].Params["hreflang"])
}

// TestConfigThatCannotBeSentIsRefused uses fields of a Config with line breaks and other invalid values.
func TestConfigThatCannotBeSentIsRefused(t *testing.T) {
	s := raw(t, says(hello))
	proxy, err := url.Parse(s.url)
	require.NoError(t, err)
	for name, cfg := range map[string]*Config{
		"UserAgent":                 {UserAgent: "a\r\nX: y"},
		"value of the ProxyHeader":  {Proxy: http.ProxyURL(proxy), ProxyHeader: http.Header{"A": {"a\r\nX: y"}}},
		"name in the ProxyHeader":   {Proxy: http.ProxyURL(proxy), ProxyHeader: http.Header{"A: b\r\nC": {"a"}}},
		"Host in the ProxyHeader":   {Proxy: http.ProxyURL(proxy), ProxyHeader: http.Header{"Host": {"a"}}},
		"length in the ProxyHeader": {Proxy: http.ProxyURL(proxy), ProxyHeader: http.Header{"content-length": {"5"}}},
		"coding in the ProxyHeader": {Proxy: http.ProxyURL(proxy), ProxyHeader: http.Header{"Transfer-Encoding": {"chunked"}}},
		"name of a Coding":          {Codings: []Coding{namedCoding{name: "a\r\nX: y"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, cfg).Get(t.Context(), s.url)
			require.ErrorContains(t, err, "invalid")
		})
	}
	require.Zero(t, s.accepted())
}

// namedCoding is gzip under another name.
type namedCoding struct {
	gzipCoding
	name string
}

func (c namedCoding) Name() string { return c.name }

// TestEveryKindOfRequestHasCookiesAndCredentials checks that streams, WebSockets and tunnels use the jar, the Auth and the
// pool of the Client.
func TestEveryKindOfRequestHasCookiesAndCredentials(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Method+" "+r.Header.Get("Accept")+" "+r.Header.Get("Upgrade")] = r.Header.Get("Authorization") + " " + r.Header.Get("Cookie")
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b", Path: "/"})
		w.WriteHeader(http.StatusForbidden)
	})
	c := newClient(t, &Config{Jar: NewJar(), Auth: Bearer("t"), Proxy: Direct})
	text(t, c, base)
	_, err := c.Events(t.Context(), base, nil)
	require.Error(t, err)
	_, err = c.DialWebSocket(t.Context(), strings.Replace(base, "http:", "ws:", 1), nil)
	require.Error(t, err)
	_, err = c.Connect(t.Context(), base, "a.example:80")
	require.Error(t, err)
	resp, _, err := c.Upgrade(t.Context(), &Request{URL: base, Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}})
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Equal(t, map[string]string{
		"GET  ": "Bearer t ", "GET text/event-stream ": "Bearer t a=b", "GET  websocket": "Bearer t a=b", "CONNECT  ": "Bearer t a=b", "GET  x": "Bearer t a=b",
	}, seen)
	dials := uint64(0)
	for _, s := range c.Stats() {
		dials += s.Dials
	}
	require.LessOrEqual(t, dials, uint64(2), "HTTP/1.1 alone is a target of its own")
}

func TestDumpShowsTheStartOfBothBodies(t *testing.T) {
	var b bytes.Buffer
	c := newClient(t, nil)
	c.Dump(&b, 5)
	resp, err := c.Post(t.Context(), serve(t, echo), Text("a long body"))
	require.NoError(t, err)
	_, err = resp.Text(t.Context())
	require.NoError(t, err)
	require.Contains(t, b.String(), "> 1 body")
	require.Contains(t, b.String(), "< 1 body")
	require.Equal(t, 2, strings.Count(b.String(), `"a lon"`), b.String())
}

// TestCloseIsSaidOnce checks that a request that closes its connection says so once, whatever else its Connection field
// says.
func TestCloseIsSaidOnce(t *testing.T) {
	for given, want := range map[string][]string{"": {"close"}, "X-A": {"X-A", "close"}, "close": {"close"}, "X-A, Close": {"X-A, Close"}} {
		got := make(chan []string, 1)
		s := raw(t, func(nc net.Conn, in *bufio.Reader) {
			lines := textproto.NewReader(in)
			_, _ = lines.ReadLine()
			fields, _ := lines.ReadMIMEHeader()
			got <- fields["Connection"]
			_, _ = io.WriteString(nc, hello)
		})
		r := Request{URL: s.url, Close: true}
		if given != "" {
			r.Header = http.Header{"Connection": {given}}
		}
		resp, err := newClient(t, nil).Do(t.Context(), &r)
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		require.Equal(t, want, <-got)
	}
}

// TestTypesOfPartsAreSentOnce has parts whose fields, in any letter case, name another type than their Body.
func TestTypesOfPartsAreSentOnce(t *testing.T) {
	var got string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if !assert.NoError(t, err) {
			return
		}
		got, _, _ = mime.ParseMediaType(r.Header.Get("Content-Type"))
		for part, err := parts.NextPart(); err == nil; part, err = parts.NextPart() {
			got += fmt.Sprint(part.Header["Content-Type"])
		}
	})
	c := newClient(t, nil)
	resp, err := c.Post(t.Context(), url, Multipart(
		Part{Name: "a", Body: Text("a")},
		Part{Name: "b", Body: Text("b"), Header: http.Header{"content-type": {"b/b"}}},
		Part{Name: "c", Body: Text("c").As("c/c")},
		Field("d", "d"),
	).As("multipart/mixed"))
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Equal(t, "multipart/mixed[text/plain; charset=utf-8][b/b][c/c][]", got)
}

// TestMiddlewareThatReturnsNothingFailsTheRequest has middleware break the contract of an http.RoundTripper.
func TestMiddlewareThatReturnsNothingFailsTheRequest(t *testing.T) {
	nothing := func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil })
	}
	for name, around := range map[string]func(*Client){
		"alone":            func(*Client) {},
		"below OnResponse": func(c *Client) { c.OnResponse(func(*http.Response) error { return nil }) },
		"below Dump":       func(c *Client) { c.Dump(io.Discard, 1) },
	} {
		c := newClient(t, &Config{Retry: &RetryPolicy{First: -1}})
		c.Use(nothing)
		around(c)
		_, err := c.Get(t.Context(), "http://a")
		require.ErrorContains(t, err, "neither a response nor an error", name)
	}
}

// TestMiddlewareMayAnswerWithoutABody answers with a nil Body and Header below middleware of the Client that uses them.
func TestMiddlewareMayAnswerWithoutABody(t *testing.T) {
	refused := errors.New("refused")
	c := newClient(t, nil)
	c.Use(func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: len(r.URL.Path)}, nil
		})
	})
	c.OnResponse(func(r *http.Response) error {
		r.Header.Set("Seen", "yes")
		_, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		if r.StatusCode == 403 {
			return refused
		}
		return nil
	})
	c.Dump(io.Discard, 10)
	_, got := text(t, c, "http://a/"+long(199))
	require.Empty(t, got)
	_, err := c.Get(t.Context(), "http://a/"+long(402))
	require.ErrorIs(t, err, refused)

	c = newClient(t, nil)
	c.Use(func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })
	})
	c.Dump(io.Discard, 10)
	_, got = text(t, c, "http://a/")
	require.Empty(t, got)
}

// TestBodyThatIsSaidToBeEmptyIsNotCut sends bodies that have bytes though their length was 0.
func TestBodyThatIsSaidToBeEmptyIsNotCut(t *testing.T) {
	base := serve(t, echo)
	c := newClient(t, nil)
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	grown := File(path)
	for _, b := range []Body{grown, Reader(strings.NewReader(""), 0), Reader(new(bytes.Buffer), 0).WithProgress(func(int64) {})} {
		resp, err := c.Post(t.Context(), base, b)
		require.NoError(t, err)
		require.NoError(t, resp.Close())
	}
	require.NoError(t, os.WriteFile(path, []byte("data"), 0o600))
	for _, b := range []Body{
		grown, grown.WithProgress(func(int64) {}), Reader(strings.NewReader("x"), 0), Reader(bytes.NewBufferString("x"), 0),
	} {
		_, err := c.Post(t.Context(), base, b)
		require.ErrorIs(t, err, http1.ErrBodyTooLong)
	}
}

// TestRequestTakesPrecedenceOverTheHeaderOfTheConfig sets fields by other means than Request.Header.
func TestRequestTakesPrecedenceOverTheHeaderOfTheConfig(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Header.Get("Accept")+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Authorization"))
	})
	c := newClient(t, &Config{Header: http.Header{"Accept": {"a/a"}, "Content-Type": {"a/b"}, "Authorization": {"Bearer a"}}})
	for want, r := range map[string]*Request{
		"a/a a/b Bearer a":   {URL: base},
		"b/a a/b Bearer a":   {URL: base, Accept: "b/a"},
		"a/a b/b Bearer a":   {URL: base, Body: Text("x").As("b/b")},
		"a/a a/b Bearer b":   {URL: base, Auth: Bearer("b")},
		"a/a a/b Basic Yjo=": {URL: strings.Replace(base, "//", "//b@", 1)},
		"b/a b/b Bearer b":   {URL: base, Header: http.Header{"accept": {"b/a"}, "content-type": {"b/b"}, "authorization": {"Bearer b"}}},
	} {
		resp, err := c.Do(t.Context(), r)
		require.NoError(t, err)
		got, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestErrorsOfCommonMistakesSuggestARemedy(t *testing.T) {
	_, err := Get(t.Context(), "localhost:8080/prices")
	require.EqualError(t, err, `GET "localhost:8080/prices": httpc: unsupported protocol scheme "localhost"; a URL begins with http:// or https://`)
}

func TestPasswordOfAnInvalidURLIsHidden(t *testing.T) {
	shown := new(Config).redacted(http.Header{"Location": {"http://me:secret%zz@h/", "/plain"}})
	require.Equal(t, []string{"xxxxx", "/plain"}, shown["Location"])
}
