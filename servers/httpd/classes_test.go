package httpd

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func classGet(fields string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }

func classPost(fields, body string) string {
	return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body
}

func classChunked(body string) string { return classPost("Transfer-Encoding: chunked\r\n", body) }

func classSized(length, body string) string {
	return classPost("Content-Length: "+length+"\r\n", body)
}

// framingClasses are requests with ambiguous framing, and the statuses of the replies to them and to the request that
// follows. A refusal is the last reply.
var framingClasses = []struct{ name, raw, want string }{
	{"a length", classSized("5", "hello"), "200 200"},
	{"a length of 0", classSized("0", ""), "200 200"},
	{"no length and no coding", classPost("", ""), "200 200"},
	{"zeros before a length", classSized("005", "hello"), "200 200"},
	{"zeros that are no octal number", classSized("0010", "helloworld"), "200 200"},
	{"white space around a length", classSized(" \t5 \t", "hello"), "200 200"},
	{"a length with GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 200"},
	{"a request as the body of GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"a length with OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "204 200"},
	{"a length of words", classSized("five", "hello"), "400"},
	{"no digits", classSized("", "hello"), "400"},
	{"plus", classSized("+5", "hello"), "400"},
	{"minus", classSized("-5", "hello"), "400"},
	{"minus 0", classSized("-0", ""), "400"},
	{"hexadecimal", classSized("0x5", "hello"), "400"},
	{"octal", classSized("0o5", "hello"), "400"},
	{"underscore in a length", classSized("1_0", "helloworld"), "400"},
	{"space in a length", classSized("1 0", "helloworld"), "400"},
	{"a letter behind a length", classSized("5x", "hello"), "400"},
	{"more than 64 bits", classSized("99999999999999999999", ""), "400"},
	{"two lengths in a list", classSized("5, 10", "helloworld"), "400"},
	{"one length three times in a list", classSized("5, 5, 5", "hello"), "400"},
	{"two lengths", classPost("Content-Length: 5\r\nContent-Length: 10\r\n", "helloworld"), "400"},
	{"one length twice", classPost("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "400"},
	{"space before the colon of a length", classPost("Content-Length : 5\r\n", "hello"), "400"},
	{"a length after the name of another field", classPost("Content_Length: 99\r\nContent-Length: 5\r\n", "hello"), "200 200"},

	{"chunks", classChunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "200 200"},
	{"no chunks", classChunked("0\r\n\r\n"), "200 200"},
	{"coding in capitals", classPost("TRANSFER-ENCODING: CHUNKED\r\n", "A\r\nhelloworld\r\n0\r\n\r\n"), "200 200"},
	{"extensions", classChunked("5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n"), "200 200"},
	{"trailers", classChunked("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), "200 200"},
	{"trailers that must not be there", classChunked("5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n"), "200 200"},
	{"coding with a length", classPost("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nX"), "400"},
	{"length with a coding", classPost("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "1f\r\n"+evil+"\r\n0\r\n\r\n"), "400"},
	{"coding with a bad length", classPost("Content-Length: +5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400"},
	{"coding and space, with a length", classPost("Content-Length: 5\r\nTransfer-Encoding: chunked \r\n", "0\r\n\r\n"), "400"},
	{"another name, with a length", classPost("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "hello"), "200 200"},
	{"another coding", classPost("Transfer-Encoding: gzip\r\n", ""), "400"},
	{"another coding below chunked", classPost("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501"},
	{"another coding above chunked", classPost("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), "400"},
	{"chunked twice", classPost("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), "400"},
	{"chunked and identity in two fields", classPost("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), "400"},
	{"identity", classPost("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello"), "400"},
	{"nearly chunked", classPost("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "400"},
	{"a parameter", classPost("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n"), "400"},
	{"no coding in the field", classPost("Transfer-Encoding: \r\nContent-Length: 5\r\n", "hello"), "400"},
	{"comma before", classPost("Transfer-Encoding: , chunked\r\n", "0\r\n\r\n"), "400"},
	{"comma behind", classPost("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n"), "400"},
	{"vertical tab", classPost("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), "400"},
	{"form feed", classPost("Transfer-Encoding: \fchunked\r\n", "0\r\n\r\n"), "400"},
	{"NUL behind the coding", classPost("Transfer-Encoding: chunked\x00\r\n", "0\r\n\r\n"), "400"},
	{"folded coding", classPost("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), "400"},
	{"space before the colon of the coding", classPost("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "400"},
	{"coding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},

	{"semicolon and nothing", classChunked("5;\r\nhello\r\n0\r\n\r\n"), "400"},
	{"extension that is no token", classChunked("5;a[=b\r\nhello\r\n0\r\n\r\n"), "400"},
	{"NUL in an extension", classChunked("5;\x00a\r\nhello\r\n0\r\n\r\n"), "400"},
	{"CR in an extension", classChunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400"},
	{"LF in an extension", classChunked("5;\nhello\r\n0\r\n\r\n"), "400"},
	{"underscore in a size", classChunked("1_0\r\nhello world!!!!!\r\n0\r\n\r\n"), "400"},
	{"0x before a size", classChunked("0x5\r\nhello\r\n0\r\n\r\n"), "400"},
	{"plus before a size", classChunked("+5\r\nhello\r\n0\r\n\r\n"), "400"},
	{"minus before a size", classChunked("-1\r\nhello\r\n0\r\n\r\n"), "400"},
	{"plus before the last size", classChunked("+0\r\n\r\n"), "400"},
	{"space before a size", classChunked(" 5\r\nhello\r\n0\r\n\r\n"), "400"},
	{"space behind a size", classChunked("5 \r\nhello\r\n0\r\n\r\n"), "400"},
	{"no hexadecimal number", classChunked("Z\r\nhello\r\n0\r\n\r\n"), "400"},
	{"size beyond 64 bits", classChunked("FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"), "400"},
	{"nothing behind the data", classChunked("5\r\nhello0\r\n\r\n"), "400"},
	{"more data than the size", classChunked("5\r\nhello!!\r\n0\r\n\r\n"), "400"},
	{"LF behind the data", classChunked("5\r\nhello\n0\r\n\r\n"), "400"},
	{"LF behind the size", classChunked("5\nhello\r\n0\r\n\r\n"), "400"},
	{"CR behind the size", classChunked("5\rhello\r\n0\r\n\r\n"), "400"},
	{"LF at the end", classChunked("5\r\nhello\r\n0\r\n\n"), "400"},
	{"trailer without a colon", classChunked("5\r\nhello\r\n0\r\nX\r\n\r\n"), "400"},

	{"CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 31\r\n\r\n", "400"},
	{"CR in a value", classPost("Content-Length: 5\r\nX: a\rb\r\n", "hello"), "400"},
	{"LF that hides a length", "POST / HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 31\r\n\r\n", "400"},
	{"CR that hides a coding", "POST / HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n", "400"},
	{"CR in the place of the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", "400"},
	{"folded line that looks like a length", "POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 31\r\n\r\n", "400"},
}

// headClasses are requests without a body.
var headClasses = []struct{ name, raw, want string }{
	{"plain", classGet(""), "200 200"},
	{"every kind of white space", "GET / HTTP/1.1\r\nhoSt:\ta\r\nX:\r\nY:z \t\r\n\r\n", "200 200"},
	{"empty lines before", "\r\n\r\n" + classGet(""), "200 200"},
	{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"absolute form for another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "200 200"},
	{"1.0", "GET / HTTP/1.0\r\n\r\n", "200"},
	{"close", classGet("Connection: close\r\n"), "200"},
	{"8,000 bytes of line", "GET /" + strings.Repeat("a", 7986) + " HTTP/1.1\r\nHost: a\r\n\r\n", "200 200"},
	{"unknown upgrade", classGet("Connection: Upgrade\r\nUpgrade: other/1.0\r\n"), "200 200"},
	{"invited GET", classGet("Expect: 100-continue\r\n"), "200 200"},
	{"empty expectation", classGet("Expect:\r\n"), "200 200"},
	{"invited in a list", classGet("Expect: , 100-Continue,100-continue ,\r\n"), "200 200"},
	{"malformed range", classGet("Range: bytes=a-b\r\n"), "200 200"},
	{"1,000 ranges", classGet("Range: bytes=" + strings.Repeat("0-,", 1000) + "\r\n"), "200 200"},
	{"odd cookies", classGet("Cookie: \r\nCookie: ===;;;\r\n"), "200 200"},

	{"LF behind the line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400"},
	{"LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400"},
	{"CR behind the line", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400"},
	{"folded", classGet("X: a\r\n b\r\n"), "400"},
	{"white space before the fields", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", "400"},
	{"space before a colon", classGet("X : a\r\n"), "400"},
	{"no name", classGet(": a\r\n"), "400"},
	{"bracket in a name", classGet("X[: a\r\n"), "400"},
	{"tab in a name", classGet("X\tY: a\r\n"), "400"},
	{"UTF-8 in a name", classGet("X\u00eb: a\r\n"), "400"},
	{"no colon", classGet("X\r\n"), "400"},
	{"NUL in a value", classGet("Cookie: a=\x00\r\n"), "400"},
	{"control characters in a value", classGet("X: \x07\x08\v\r\n"), "400"},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
	{"Host twice", classGet("Host: a\r\n"), "400"},
	{"empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", "400"},
	{"user in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
	{"path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
	{"space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
	{"list in Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"tab in the line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"UTF-8 in the target", "GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"* with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
	{"0.9", "GET /\r\n\r\n", "400"},
	{"9.9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", "505"},
	{"lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
	{"no minor version", "GET / HTTP/1\r\nHost: a\r\n\r\n", "400"},
	{"zeros in the version", "GET / HTTP/01.01\r\nHost: a\r\n\r\n", "400"},
	{"space in the version", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", "400"},
	{"another protocol", "GET / ABCD/1.1\r\nHost: a\r\n\r\n", "400"},
	{"nothing but spaces", "   \r\n\r\n", "400"},
	{"another expectation", classGet("Expect: 200-ok\r\n"), "417"},
	{"another expectation besides", classGet("Expect: 100-continue\r\nExpect: x\r\n"), "417"},
	{"another expectation in a list", classGet("Expect: 100-continue, x\r\n"), "417"},
	{"long method", strings.Repeat("A", 100000) + " / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"long target", "GET /" + strings.Repeat("a", 100000) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
	{"long name", classGet(strings.Repeat("A", 100000) + ": b\r\n"), "431"},
	{"long value", classGet("X: " + strings.Repeat("a", 100000) + "\r\n"), "431"},
	{"10,000 fields", classGet(strings.Repeat("X: y\r\n", 10000)), "431"},
	{"long extension", classChunked("5;a=" + strings.Repeat("b", 100000) + "\r\nhello\r\n0\r\n\r\n"), "400"},
}

// careless answers like the servers that test suites expect: every method, POST with its body, and without checking
// errors. It counts the requests for /evil.
func careless(evils *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch body, _ := io.ReadAll(r.Body); {
		case r.URL.Path == "/evil":
			evils.Add(1)
		case r.Method == http.MethodPost:
			_, _ = w.Write(body)
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, "OK")
		}
	}
}

// heedless answers without reading the body.
func heedless(evils *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/evil":
			evils.Add(1)
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// replyingCalls answers with Reply, which receives the error of reading.
func replyingCalls(evils *atomic.Int64) http.Handler {
	return Reply(func(_ context.Context, r *http.Request) (Response, error) {
		if r.URL.Path == "/evil" {
			evils.Add(1)
		}
		if r.Method == http.MethodOptions {
			return Response{}, nil
		}
		body, err := io.ReadAll(r.Body)
		return Bytes(body), err
	})
}

// natively does the same in a native handler.
func natively(evils *atomic.Int64) func(context.Context, Exchange) error {
	return func(ctx context.Context, x Exchange) error {
		if x.Target() == "/evil" {
			evils.Add(1)
		}
		if x.Method() == http.MethodOptions {
			return x.Reply(http.StatusNoContent, "", nil)
		}
		body, err := x.ReadBody(ctx, 1<<20)
		if err != nil {
			return err
		}
		return x.Reply(http.StatusOK, typeText, body)
	}
}

var statusPattern = regexp.MustCompile(`HTTP/1\.1 ([0-9]{3}) `)

// statuses returns the statuses of all replies in raw.
func statuses(raw string) string {
	var all []string
	for _, m := range statusPattern.FindAllStringSubmatch(raw, -1) {
		all = append(all, m[1])
	}
	return strings.Join(all, " ")
}

// TestEveryClassOfInputHasItsAnswer sends each class followed by another request, to every kind of handler.
func TestEveryClassOfInputHasItsAnswer(t *testing.T) {
	var evils atomic.Int64
	native, over := startNative(t, natively(&evils), nil)
	servers := map[string]string{
		"careless": start(t, careless(&evils), nil), "heedless": start(t, heedless(&evils), nil),
		"replying": start(t, replyingCalls(&evils), nil), "native": native, "over": over,
		"compressed": start(t, Compress(careless(&evils), nil), nil),
	}
	for _, c := range append(framingClasses, headClasses...) {
		for name, addr := range servers {
			evils.Store(0)
			got := rawReply(t, addr, c.raw+evil)
			require.Equal(t, c.want, statuses(got), "%s, %s: %q", c.name, name, got)
			require.EqualValues(t, strings.Count(c.want, " "), evils.Load(), "%s, %s", c.name, name)
			if c.want[0] > '3' {
				require.Contains(t, got, "\r\nConnection: close\r\n", "%s, %s", c.name, name)
				require.NotContains(t, got, "hello", "%s, %s", c.name, name)
			}
		}
	}
}

// TestABrokenPrefaceIsRefusedInTheVersionThatItBegins sends the start of an HTTP/2 preface followed by other bytes.
func TestABrokenPrefaceIsRefusedInTheVersionThatItBegins(t *testing.T) {
	const broken = "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"
	var evils atomic.Int64
	one := new(http.Protocols)
	one.SetHTTP1(true)
	require.Equal(t, "505", statuses(rawReply(t, start(t, careless(&evils), &Config{Protocols: one}), broken+evil)))
	got := rawReply(t, start(t, careless(&evils), nil), broken+evil)
	require.NotContains(t, got, "HTTP/1.1")
	require.Contains(t, got, "\x07\x00\x00\x00\x00\x00", "a GOAWAY frame on stream 0")
	require.Zero(t, evils.Load())
}

// TestClassesOfFramingHaveOneAnswerAtAnyCut sends them in two pieces, the second after the server has read the first.
func TestClassesOfFramingHaveOneAnswerAtAnyCut(t *testing.T) {
	var evils atomic.Int64
	inBubble(t, careless(&evils), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		for _, c := range framingClasses {
			raw := c.raw + evil
			for at := 1; at < len(raw); at++ {
				evils.Store(0)
				nc, in := dial()
				_, _ = io.WriteString(nc, raw[:at]) // fails if the server has refused already
				synctest.Wait()
				_, _ = io.WriteString(nc, raw[at:])
				require.NoError(t, nc.SetReadDeadline(time.Now().Add(5*time.Second))) // in the bubble's time
				got, _ := io.ReadAll(in)
				require.NoError(t, nc.Close())
				require.Equal(t, c.want, statuses(string(got)), "%s, cut at %d", c.name, at)
				require.EqualValues(t, strings.Count(c.want, " "), evils.Load(), "%s, cut at %d", c.name, at)
			}
		}
	})
}

// TestUnfinishedRequestsAreWaitedFor requires the server not to answer an incomplete request.
func TestUnfinishedRequestsAreWaitedFor(t *testing.T) {
	var evils atomic.Int64
	inBubble(t, careless(&evils), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		whole := classPost("Content-Length: 10\r\nX: y\r\n", "helloworld")
		chunked := classChunked("5\r\nhello\r\n0\r\n\r\n")
		huge := classSized("999999999", "hello")
		for raw, from := range map[string]int{whole: 0, chunked: 0, huge: len(huge) - 5} {
			for at := from; at < len(raw); at++ {
				nc, in := dial()
				_, err := io.WriteString(nc, raw[:at])
				require.NoError(t, err)
				require.NoError(t, nc.SetReadDeadline(time.Now().Add(5*time.Second)))
				got, err := io.ReadAll(in)
				require.ErrorContains(t, err, "timeout", "%q", raw[:at])
				require.Empty(t, got, "%q", raw[:at])
				require.NoError(t, nc.Close())
			}
		}
	})
}
