package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
)

// headOf returns a head with line, a Host and fields.
func headOf(line string, fields ...string) string {
	return line + "\r\nHost: a\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func chunkedPut(body string) string {
	return headOf("PUT /url HTTP/1.1", "Transfer-Encoding: chunked") + body
}

// framings are requests on which HTTP/1 parsers are known to differ. The facts come from the tests of llhttp. A strict
// server has one reply to each. What follows a refused request must never be read.
var framings = []struct {
	name    string
	raw     string
	answers string // statuses
	seen    string // by the handler: method, target and body of each request
}{
	// Content-Length.
	{"length with zeros before it", headOf("PUT /url HTTP/1.1", "Content-Length: 003") + "abc", "200", "PUT /url abc"},
	{"length with zeros, not last", headOf("PUT /url HTTP/1.1", "Content-Length: 003", "Ohai: world") + "abc", "200", "PUT /url abc"},
	{"length beyond 64 bits", headOf("PUT /url HTTP/1.1", "Content-Length: 1000000000000000000000") + evil, "400", ""},
	{"two lengths", headOf("PUT /url HTTP/1.1", "Content-Length: 1", "Content-Length: 2") + evil, "400", ""},
	{"length and identity", headOf("PUT /url HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: identity") + "x" + evil, "400", ""},
	{"length and chunked", headOf("PUT /url HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked") + "0\r\n\r\n" + evil, "400", ""},
	{"length in mixed case, of a GET of 1.0", "GET /url HTTP/1.0\r\nconTENT-Length: 5\r\n\r\nHELLO", "200", "GET /url HELLO"},
	{"white space around a length", headOf("POST / HTTP/1.1", "Content-Length:  5 ") + "HELLO", "200", "POST / HELLO"},
	{"space in a length", headOf("POST / HTTP/1.1", "Content-Length: 4 2") + evil, "400", ""},
	{"spaces in a longer length", headOf("POST / HTTP/1.1", "Content-Length: 13 37") + evil, "400", ""},
	{"no length in its field", headOf("POST / HTTP/1.1", "Content-Length:") + evil, "400", ""},
	{"CR in the name of a length", headOf("PUT /url HTTP/1.1", "Content\rLength: 003") + "abc" + evil, "400", ""},

	// Transfer-Encoding.
	{"empty coding and a length", headOf("POST / HTTP/1.1", "Transfer-Encoding:", "Content-Length: 5") + "hello" + evil, "400", ""},
	{"three empty codings and a length", headOf("POST / HTTP/1.1", "Content-Length: 10", "Transfer-Encoding:", "Transfer-Encoding:", "Transfer-Encoding:") +
		"2\r\nAA\r\n0\r\n\r\n" + evil, "400", ""},
	{"size in lower case", chunkedPut("a\r\n0123456789\r\n0\r\n\r\n"), "200", "PUT /url 0123456789"},
	{"size in upper case", chunkedPut("A\r\n0123456789\r\n0\r\n\r\n"), "200", "PUT /url 0123456789"},
	{"size of two digits", chunkedPut("1e\r\nall your base are belong to us\r\n0\r\n\r\n"), "200", "PUT /url all your base are belong to us"},
	{"two chunks and three zeros", chunkedPut("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n"), "200", "PUT /url hello world"},
	{"trailers", chunkedPut("5\r\nhello\r\n6\r\n world\r\n0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n"), "200", "PUT /url hello world"},
	{"extensions", chunkedPut("5;ilovew3;somuchlove=aretheseparametersfor;another=withvalue\r\nhello\r\n6;blahblah;blah\r\n world\r\n0\r\n\r\n"),
		"200", "PUT /url hello world"},
	{"extension without a semicolon", chunkedPut("2 erfrferferf\r\naa\r\n0 rrrr\r\n\r\n" + evil), "400", ""},
	{"semicolon without an extension", chunkedPut("2;\r\naa\r\n0\r\n\r\n" + evil), "400", ""},
	{"quoted extensions", chunkedPut("5;ilovew3=\"I \\\"love\\\"; \\\\extensions\\\\\";somuchlove=\"a\";blah;foo=bar\r\nhello\r\n6;blahblah;blah\r\n world\r\n0\r\n\r\n"),
		"200", "PUT /url hello world"},
	{"quote that does not end", chunkedPut("5;ilovew3=\"abc\";somuchlove=\"def; ghi\r\nhello\r\n6;blah\r\n world\r\n0\r\n\r\n" + evil), "400", ""},
	{"coding that nobody knows", headOf("PUT /url HTTP/1.1", "Transfer-Encoding: pigeons") + evil, "400", ""},
	{"identity and a length", headOf("POST / HTTP/1.1", "Transfer-Encoding: identity", "Content-Length: 5") + "World" + evil, "400", ""},
	{"chunked before another", headOf("POST / HTTP/1.1", "Transfer-Encoding: chunked, deflate") + "World" + evil, "400", ""},
	{"chunked before another, in two lines", headOf("POST / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: deflate") + "World" + evil, "400", ""},
	{"chunked behind another, which is not spoken", headOf("POST / HTTP/1.1", "Transfer-Encoding: deflate, chunked") + "5\r\nWorld\r\n0\r\n\r\n" + evil, "501", ""},
	{"chunked behind another, in two lines", headOf("POST / HTTP/1.1", "Transfer-Encoding: deflate", "Transfer-Encoding: chunked") +
		"5\r\nWorld\r\n0\r\n\r\n" + evil, "400", ""},
	{"chunkedchunked", headOf("POST / HTTP/1.1", "Transfer-Encoding: chunkedchunked") + "5\r\nWorld\r\n0\r\n\r\n" + evil, "400", ""},
	{"no last chunk", chunkedPut("3\r\nfoo\r\n\r\n" + evil), "400", ""},
	{"LF in a chunk line", chunkedPut("3 \n  \r\nfoo\r\n\r\n" + evil), "400", ""},
	{"folded coding", headOf("PUT /url HTTP/1.1", "Transfer-Encoding: chunked", "  abc") + "5\r\nWorld\r\n0\r\n\r\n" + evil, "400", ""},
	{"two CR behind a size", headOf("GET / HTTP/1.1", "Connection: close ", "Transfer-Encoding: chunked ") + "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n" + evil, "400", ""},
	{"data without its end", headOf("GET / HTTP/1.1", "Connection: close ", "Transfer-Encoding: chunked ") + "5\r\nABCDE0\r\n\r\n" + evil, "400", ""},
	{"space behind a size", chunkedPut("a \r\n0123456789\r\n0\r\n\r\n" + evil), "400", ""},

	// What parsers have accepted in recent years.
	{"LF in an extension", chunkedPut("5;a\nb\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"CR in an extension", chunkedPut("5;a\rb\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"LF ends the extension of the last chunk", chunkedPut("5\r\nhello\r\n0;a\n\r\n" + evil), "400", ""},
	{"two other bytes behind data", chunkedPut("5\r\nhelloXX0\r\n\r\n" + evil), "400", ""},
	{"CR and another byte behind data", chunkedPut("5\r\nhello\rX0\r\n\r\n" + evil), "400", ""},
	{"LF ends a trailer", chunkedPut("5\r\nhello\r\n0\r\nX: y\n\r\n" + evil), "400", ""},
	{"LF ends the trailers", chunkedPut("5\r\nhello\r\n0\r\n\n" + evil), "400", ""},
	{"folded trailer", chunkedPut("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n" + evil), "400", ""},
	{"underscore in a size", chunkedPut("0_5\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"prefix of a size", chunkedPut("0x5\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"digits of another alphabet", chunkedPut("\uff15\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"size that wraps around", chunkedPut("10000000000000005\r\nhello\r\n0\r\n\r\n" + evil), "400", ""},
	{"something before an expectation", headOf("PUT /url HTTP/1.1", "Expect: y 100-continue", "Content-Length: 5") + "hello" + evil, "417", ""},
	{"LF before an expectation", headOf("PUT /url HTTP/1.1", "Expect:\n 100-continue", "Content-Length: 5") + "hello" + evil, "400", ""},
	{"space behind Expect", headOf("PUT /url HTTP/1.1", "Expect : 100-continue", "Content-Length: 5") + "hello" + evil, "400", ""},
	{"options that name the framing", headOf("PUT /url HTTP/1.1", "Connection: Content-Length", "Content-Length: 5") + "hello" + headOf("GET /b HTTP/1.1"),
		"200 200", "PUT /url helloGET /b "},
	{"invitation to HTTP/2 with a body", headOf("PUT /url HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk",
		"Content-Length: 5") + "hello" + headOf("GET /b HTTP/1.1"), "200 200", "PUT /url helloGET /b "},

	// Connection.
	{"keep-alive", headOf("PUT /url HTTP/1.1", "Connection: keep-alive"), "200", "PUT /url "},
	{"keep-alive, twice", strings.Repeat(headOf("PUT /url HTTP/1.1", "Connection: keep-alive"), 2), "200 200", "PUT /url PUT /url "},
	{"1.0 ends its connection", "PUT /url HTTP/1.0\r\n\r\n" + evil, "200", "PUT /url "},
	{"1.0 with a length ends it too", "PUT /url HTTP/1.0\r\nContent-Length: 0\r\n\r\n" + evil, "200", "PUT /url "},
	{"empty line between requests", headOf("POST / HTTP/1.1", "Content-Length: 4") + "q=42\r\n\r\n" + headOf("GET /b HTTP/1.1"), "200 200", "POST / q=42GET /b "},
	{"close", headOf("POST / HTTP/1.1", "Content-Length: 4", "Connection: close") + "q=42\r\n\r\n" + evil, "200", "POST / q=42"},
	{"close among others", headOf("PUT /url HTTP/1.1", "Connection: close, token, upgrade, token, keep-alive") + evil, "200", "PUT /url "},
	{"folded connection", headOf("GET /demo HTTP/1.1", "Connection: Something,", " Upgrade, ,Keep-Alive", "Upgrade: WebSocket") + evil, "400", ""},
	{"upgrade that nobody takes", headOf("PUT /url HTTP/1.1", "Connection: upgrade", "Upgrade: ws") + headOf("GET /b HTTP/1.1"), "200 200", "PUT /url GET /b "},
	{"upgrade with a body, and more", headOf("PUT /url HTTP/1.1", "Connection: upgrade", "Content-Length: 4", "Upgrade: ws") + "abcdefgh\r\n\r\n", "200 400", "PUT /url abcd"},
	{"upgrade to another version of HTTP", headOf("POST /demo HTTP/1.1", "Connection: Upgrade", "Upgrade: HTTP/2.0", "Content-Length: 15") + "sweet post body", "200", "POST /demo sweet post body"},

	// Methods.
	{"REPORT", headOf("REPORT /test HTTP/1.1"), "200", "REPORT /test "},
	{"CONNECT", "CONNECT 0-home0.netscape.com:443 HTTP/1.0\r\nUser-agent: Mozilla/1.1N\r\n\r\n", "501", "CONNECT 0-home0.netscape.com:443 "},
	{"CONNECT in capitals", "CONNECT HOME0.NETSCAPE.COM:443 HTTP/1.0\r\n\r\n", "501", "CONNECT HOME0.NETSCAPE.COM:443 "},
	{"CONNECT with an underscore", "CONNECT home_0.netscape.com:443 HTTP/1.0\r\n\r\n", "501", "CONNECT home_0.netscape.com:443 "},
	{"M-SEARCH for everything", headOf("M-SEARCH * HTTP/1.1", "MAN: \"ssdp:discover\""), "400", ""},
	{"PATCH", headOf("PATCH /file.txt HTTP/1.1", "If-Match: \"e0023aa4e\"", "Content-Length: 10") + "cccccccccc", "200", "PATCH /file.txt cccccccccc"},
	{"PURGE", headOf("PURGE /file.txt HTTP/1.1"), "200", "PURGE /file.txt "},
	{"SEARCH", headOf("SEARCH / HTTP/1.1"), "200", "SEARCH / "},
	{"LINK", headOf("LINK /images/my_dog.jpg HTTP/1.1", "Link: <http://example.com/joe>; rel=\"tag\"", "Link: <http://example.com/sally>; rel=\"tag\""), "200", "LINK /images/my_dog.jpg "},
	{"UNLINK", headOf("UNLINK /images/my_dog.jpg HTTP/1.1"), "200", "UNLINK /images/my_dog.jpg "},
	{"SOURCE", headOf("SOURCE /music HTTP/1.1"), "200", "SOURCE /music "},
	{"ANNOUNCE", headOf("ANNOUNCE /music HTTP/1.1"), "200", "ANNOUNCE /music "},
	{"longer than a method that is known", headOf("MKCOLA / HTTP/1.1"), "200", "MKCOLA / "},
	{"begins with an H", headOf("HEAD /url HTTP/1.1"), "200", "HEAD /url "},

	// Request lines.
	{"another protocol", "GET /music/sweet/music ICE/1.0\r\nHost: a\r\n\r\n" + evil, "400", ""},
	{"nearly HTTP", "GET /music/sweet/music IHTTP/1.0\r\nHost: a\r\n\r\n" + evil, "400", ""},
	{"RTSP", "PUT /music/sweet/music RTSP/1.0\r\nHost: a\r\n\r\n" + evil, "400", ""},
	{"unknown version", headOf("GET / HTTP/5.6") + evil, "505", ""},
	{"0.9", "GET /\r\n\r\n" + evil, "400", ""},
	{"empty line before", "\r\n" + headOf("GET /test HTTP/1.1"), "200", "GET /test "},
	{"quotes", headOf("GET /with_\"lovely\"_quotes?foo=\"bar\" HTTP/1.1"), "200", "GET /with_\"lovely\"_quotes?foo=\"bar\" "},
	{"two question marks", headOf("GET /test.cgi?foo=bar?baz HTTP/1.1"), "200", "GET /test.cgi?foo=bar?baz "},
	{"query behind a host", headOf("GET http://hypnotoad.org?hail=all HTTP/1.1"), "200", "GET http://hypnotoad.org?hail=all "},
	{"query behind a port", headOf("GET http://hypnotoad.org:1234?hail=all HTTP/1.1"), "200", "GET http://hypnotoad.org:1234?hail=all "},
	{"host and port alone", headOf("GET http://hypnotoad.org:1234 HTTP/1.1"), "200", "GET http://hypnotoad.org:1234 "},
	{"bar", headOf("GET /test.cgi?query=| HTTP/1.1"), "200", "GET /test.cgi?query=| "},
	{"UTF-8", headOf("GET /\u03b4\u00b6/\u03b4t/pope?q=1 HTTP/1.1") + evil, "400", ""},
	{"fragment", headOf("GET /forums/1/topics/2375?page=1#posts-17408 HTTP/1.1") + evil, "400", ""},
	{"user and password", headOf("GET http://a%12:b!&*$@hypnotoad.org:1234/toto HTTP/1.1") + evil, "400", ""},
	{"space", headOf("GET /foo bar/ HTTP/1.1") + evil, "400", ""},

	// Fields.
	{"tab before a value", headOf("OPTIONS /url HTTP/1.1", "Header1: Value1", "Header2:\t Value2"), "200", "OPTIONS /url "},
	{"no space before a value", headOf("GET /dumbpack HTTP/1.1", "aaaaaaaaaaaaa:++++++++++"), "200", "GET /dumbpack "},
	{"no Host", "GET /get_no_headers_no_body/world HTTP/1.1\r\n\r\n" + evil, "400", ""},
	{"no Host in 1.0", "GET /test HTTP/1.0\r\nUser-Agent: ApacheBench/2.3\r\n\r\n", "200", "GET /test "},
	{"obs-text", headOf("GET / HTTP/1.1", "Test: D\u00fcsseldorf"), "200", "GET / "},
	{"255", headOf("GET / HTTP/1.1", "Test: \xffValue2"), "200", "GET / "},
	{"CR for an end", headOf("GET / HTTP/1.1", "Foo: 1\rBar: 2") + evil, "400", ""},
	{"LF for an end", headOf("POST / HTTP/1.1", "x:x\nTransfer-Encoding: chunked") + "1\r\nA\r\n0\r\n\r\n" + evil, "400", ""},
	{"CR for the end of a head", headOf("GET / HTTP/1.1", "Connection: close", "\rZGET /evil: HTTP/1.1", "Host: a") + evil, "400", ""},
	{"CR for the end of an empty value", headOf("POST / HTTP/1.1", "x:\rTransfer-Encoding: chunked") + "1\r\nA\r\n0\r\n\r\n" + evil, "400", ""},
	{"LF for the end of an empty value", headOf("POST / HTTP/1.1", "x:\nTransfer-Encoding: chunked") + "1\r\nA\r\n0\r\n\r\n" + evil, "400", ""},
	{"at sign in a name", headOf("GET / HTTP/1.1", "Fo@: Failure") + evil, "400", ""},
	{"control character in a name", headOf("GET / HTTP/1.1", "Foo\x01test: Bar") + evil, "400", ""},
	{"no name", headOf("GET / HTTP/1.1", ": Bar") + evil, "400", ""},
	{"folded name", headOf("GET / HTTP/1.1", "name", " : value") + evil, "400", ""},
	{"corrupted name", headOf("GET / HTTP/1.1", "Connection\r\x1b5\xd5eep-Alive", "Accept-Encoding: gzip") + evil, "400", ""},
	{"LF hides a length", headOf("GET / HTTP/1.1", "Dummy: x\nContent-Length: 23") + "GET / HTTP/1.1\r\nDummy: GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", "400", ""},
	{"space before the first field", "GET / HTTP/1.1\r\n Host: foo\r\n\r\n" + evil, "400", ""},
	{"LF alone", "POST / HTTP/1.1\nTransfer-Encoding: chunked\nHost: a\n\n1\nA\n0\n\n" + evil, "400", ""},
	{"space before a length", headOf("POST /hello HTTP/1.1", "Foo: bar", " Content-Length: 38") + evil, "400", ""},
	{"folded value", headOf("GET / HTTP/1.1", "Line1:   abc", "\tdef", " ghi") + evil, "400", ""},
	{"folded empty value", headOf("GET / HTTP/1.1", "Line4: ", " ") + evil, "400", ""},
}

var statusLines = regexp.MustCompile(`HTTP/1\.1 (\d\d\d) `)

// TestFramingsGetOneAnswerAtAnyCut sends each of them whole, and in two pieces cut at each place, the second after the
// server has read the first.
func TestFramingsGetOneAnswerAtAnyCut(t *testing.T) {
	testFramings(t, func(seen io.Writer) *Server {
		return New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err == nil {
				_, _ = fmt.Fprintf(seen, "%s %s %s", r.Method, r.RequestURI, body)
			}
		}), nil)
	})
}

func TestFramingsGetTheSameAnswerFromANativeHandler(t *testing.T) {
	testFramings(t, func(seen io.Writer) *Server {
		return NewNative(func(ctx context.Context, x Exchange) error {
			method, target := x.Method(), x.Target()
			if body, err := x.ReadBody(ctx, 100); err == nil {
				_, _ = fmt.Fprintf(seen, "%s %s %s", method, target, body)
			}
			return nil
		}, nil)
	})
}

func testFramings(t *testing.T, newServer func(seen io.Writer) *Server) {
	for _, c := range framings {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network chaniotest.Network
				ln, err := network.Listen("server")
				require.NoError(t, err)
				var seen strings.Builder
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- newServer(&seen).Serve(ctx, ln) }()
				for at := range len(c.raw) {
					seen.Reset()
					nc, err := network.DialContext(ctx, "mem", "server")
					require.NoError(t, err)
					for _, piece := range []string{c.raw[:at], c.raw[at:]} {
						_, _ = io.WriteString(nc, piece) // fails after the server has refused
						synctest.Wait()
					}
					_ = nc.(interface{ CloseWrite() error }).CloseWrite()
					answer, _ := io.ReadAll(nc)
					_ = nc.Close()
					var statuses []string
					for _, m := range statusLines.FindAllStringSubmatch(string(answer), -1) {
						statuses = append(statuses, m[1])
					}
					synctest.Wait()
					require.Equal(t, c.answers, strings.Join(statuses, " "), "cut at %d", at)
					require.Equal(t, c.seen, seen.String(), "cut at %d", at)
				}
				cancel()
				require.NoError(t, <-served)
			})
		})
	}
}
