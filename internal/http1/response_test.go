package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func ok(lines ...string) string {
	return strings.Join(append([]string{"HTTP/1.1 200 OK"}, lines...), "\r\n") + "\r\n\r\n"
}

// The results of a client that reads a response.
const (
	refused = "refused"
	short   = "ends too early"
	empty   = "no body"
)

// responses are what a client accepts and refuses. body is what it reads, or one of the constants above.
var responses = []struct {
	name, method, input string
	body                string
	reuse               bool
}{
	{"length", "GET", ok("Content-Length: 3") + "abcdef", "abc", true},
	{"no length", "GET", ok() + "abcdef", "abcdef", false},
	{"no length, nothing", "GET", ok(), "", false},
	{"length 0", "GET", ok("Content-Length: 0"), empty, true},
	{"close", "GET", ok("Content-Length: 3", "Connection: close") + "abc", "abc", false},
	{"1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false},
	{"1.0 with keep-alive", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\nabc", "abc", true},
	{"length too long", "GET", ok("Content-Length: 4") + "abc", short, false},
	{"chunked", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", "abc", true},
	{"chunked ends early", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n", short, false},
	{"chunked ends in a size", "GET", ok("Transfer-Encoding: chunked") + "3", short, false},
	{"chunked ends in trailers", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nA: b", short, false},

	{"folded", "GET", ok("Content-Length:", " 3") + "abc", "abc", true},
	{"folded by a tab, twice", "GET", ok("Content-Length:", "\t", "\t3 ") + "abc", "abc", true},
	{"folded status line", "GET", "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", refused, false},
	{"folded control", "GET", ok("A: b", " \x01"), refused, false},
	{"LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", "abc", true},
	{"LF and CRLF", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\n\r\nabc", "abc", true},
	{"CR", "GET", "HTTP/1.1 200 OK\rContent-Length: 3\r\r", short, false},
	{"CR in a value", "GET", ok("A: b\rc"), refused, false},
	{"NUL in a value", "GET", ok("A: b\x00c"), refused, false},
	{"LF in chunk framing", "GET", ok("Transfer-Encoding: chunked") + "3\nabc\r\n0\r\n\r\n", refused, false},
	{"LF behind data", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\n0\r\n\r\n", refused, false},
	{"LF in trailers", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\nA: b\n\r\n", refused, false},
	{"LF behind trailers", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\n", refused, false},

	{"length with coding", "GET", ok("Content-Length: 9", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", "abc", false},
	{"bad length with coding", "GET", ok("Content-Length: x", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n", "abc", false},
	{"equal lengths", "GET", ok("Content-Length: 3", "Content-Length: 3") + "abc", "abc", true},
	{"equal lengths in a list", "GET", ok("Content-Length: 3, 3") + "abc", "abc", true},
	{"different lengths", "GET", ok("Content-Length: 3", "Content-Length: 4") + "abcd", refused, false},
	{"different lengths in a list", "GET", ok("Content-Length: 3,4") + "abcd", refused, false},
	{"bad length", "GET", ok("Content-Length: +3") + "abc", refused, false},
	{"empty length", "GET", ok("Content-Length: ") + "abc", refused, false},
	{"2^63", "GET", ok("Content-Length: 9223372036854775808"), refused, false},
	{"coding not chunked", "GET", ok("Transfer-Encoding: gzip") + "abc", "abc", false},
	{"identity", "GET", ok("Transfer-Encoding: identity", "Content-Length: 1") + "abc", "abc", false},
	{"chunked not last", "GET", ok("Transfer-Encoding: chunked, gzip") + "abc", "abc", false},
	{"chunked not in the last line", "GET", ok("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "abc", "abc", false},
	{"chunkedchunked", "GET", ok("Transfer-Encoding: chunkedchunked") + "abc", "abc", false},
	{"chunked twice", "GET", ok("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n", refused, false},
	{"a coding below chunked", "GET", ok("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", refused, false},
	{"empty coding", "GET", ok("Transfer-Encoding:", "Content-Length: 3") + "abc", refused, false},
	{"folded into the coding", "GET", ok("Transfer-Encoding: chunked", "  abc") + "5\r\nhello\r\n0\r\n\r\n", refused, false},
	{"name that begins as a length", "GET", ok("Content-Length-X: 0", "Transfer-Encoding: chunked") + "2\r\nab\r\n0\r\n\r\n", "ab", true},
	{"white space around a length", "GET", ok("Content-Length:\t3 \t") + "abc", "abc", true},
	{"upgrade that was not taken", "GET", ok("Connection: upgrade", "Upgrade: x", "Content-Length: 3") + "abc", "abc", true},
	{"chunk size and white space", "GET", ok("Transfer-Encoding: chunked") + "3  \r\nabc\r\n0\r\n\r\n", refused, false},
	{"no semicolon before an extension", "GET", ok("Transfer-Encoding: chunked") + "3 ab\r\nabc\r\n0\r\n\r\n", refused, false},
	{"nothing behind a semicolon", "GET", ok("Transfer-Encoding: chunked") + "3;\r\nabc\r\n0\r\n\r\n", refused, false},
	{"quoted extensions", "GET", ok("Transfer-Encoding: chunked") + "3;a=\"b; c\";d\r\nabc\r\n0;e=f\r\n\r\n", "abc", true},
	{"open quote", "GET", ok("Transfer-Encoding: chunked") + "3;a=\"b\";c=\"d; e\r\nabc\r\n0\r\n\r\n", refused, false},
	{"sign of a chunk size", "GET", ok("Transfer-Encoding: chunked") + "+3\r\nabc\r\n0\r\n\r\n", refused, false},
	{"0x in a chunk size", "GET", ok("Transfer-Encoding: chunked") + "0x3\r\nabc\r\n0\r\n\r\n", refused, false},
	{"17 digits of a chunk size", "GET", ok("Transfer-Encoding: chunked") + "00000000000000003\r\nabc\r\n0\r\n\r\n", refused, false},
	{"chunk too long", "GET", ok("Transfer-Encoding: chunked") + "3\r\nabcd\r\n0\r\n\r\n", refused, false},
	{"coding in 1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\nabc", "abc", false},

	{"no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"no space either", "GET", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"obs-text in the reason", "GET", "HTTP/1.1 200 \xe4\t!\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"control in the reason", "GET", "HTTP/1.1 200 a\x01\r\nContent-Length: 3\r\n\r\nabc", refused, false},
	{"four digits", "GET", "HTTP/1.1 2000 OK\r\n\r\n", refused, false},
	{"two digits", "GET", "HTTP/1.1 20 OK\r\n\r\n", refused, false},
	{"one digit", "GET", "HTTP/1.1 2 OK\r\n\r\n", refused, false},
	{"no digit but above", "GET", "HTTP/1.1 :00 OK\r\n\r\n", refused, false},
	{"below 100", "GET", "HTTP/1.1 099 OK\r\n\r\n", refused, false},
	{"letters", "GET", "HTTP/1.1 2xx OK\r\n\r\n", refused, false},
	{"600", "GET", "HTTP/1.1 600 Odd\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"999", "GET", "HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"two spaces before the status", "GET", "HTTP/1.1  200 OK\r\n\r\n", refused, false},
	{"tab before the status", "GET", "HTTP/1.1\t200 OK\r\n\r\n", refused, false},
	{"two spaces before the reason", "GET", "HTTP/1.1 200  OK\r\nContent-Length: 0\r\n\r\n", empty, true},
	{"space before the line", "GET", " HTTP/1.1 200 OK\r\n\r\n", refused, false},
	{"empty line before", "GET", "\r\n" + ok(), refused, false},
	{"1.2", "GET", "HTTP/1.2 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"2.0", "GET", "HTTP/2.0 200 OK\r\n\r\n", refused, false},
	{"0.9", "GET", "HTTP/0.9 200 OK\r\n\r\n", refused, false},
	{"01.1", "GET", "HTTP/01.1 200 OK\r\n\r\n", refused, false},
	{"1.01", "GET", "HTTP/1.01 200 OK\r\n\r\n", refused, false},
	{"HTP", "GET", "HTP/1.1 200 OK\r\n\r\n", refused, false},
	{"RTSP", "GET", "RTSP/1.1 200 OK\r\n\r\n", refused, false},
	{"HTTPER", "GET", "HTTPER/1.1 200 OK\r\n\r\n", refused, false},
	{"11.1", "GET", "HTTP/11.1 200 OK\r\n\r\n", refused, false},
	{"CR before the line", "GET", "\r" + ok("Content-Length: 0"), refused, false},
	{"tab behind the status", "GET", "HTTP/1.1 200\tOK\r\n\r\n", refused, false},
	{"ICY", "GET", "ICY 200 OK\r\n\r\n", refused, false},
	{"lower case", "GET", "http/1.1 200 OK\r\n\r\n", refused, false},
	{"nothing", "GET", "", short, false},
	{"ends in the status line", "GET", "HTTP/1.1 20", short, false},
	{"ends in the head", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n", short, false},
	{"space before a colon", "GET", ok("A : b"), refused, false},
	{"empty name", "GET", ok(": b"), refused, false},
	{"no colon", "GET", ok("A"), refused, false},

	{"HEAD", "HEAD", ok("Content-Length: 3"), empty, true},
	{"HEAD, chunked", "HEAD", ok("Transfer-Encoding: chunked"), empty, true},
	{"HEAD, nothing", "HEAD", ok(), empty, true},
	{"204", "GET", "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", empty, true},
	{"204, chunked", "GET", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", empty, true},
	{"304", "GET", "HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n", empty, true},
	{"CONNECT", "CONNECT", ok("Content-Length: 3"), empty, false},
	{"CONNECT, chunked", "CONNECT", ok("Transfer-Encoding: chunked"), empty, false},
	{"CONNECT refused", "CONNECT", "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nabc", "abc", true},
	{"101, chunked", "GET", "HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n", empty, false},
	{"204 in 1.0, kept alive", "GET", "HTTP/1.0 204 No\r\nConnection: keep-alive\r\n\r\n", empty, true},
	{"no length in 1.0, kept alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc", "abc", false},
	{"101", "GET", "HTTP/1.1 101 Switching\r\nContent-Length: 3\r\n\r\n", empty, false},
	{"100, then final", "GET", "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n" + ok("Content-Length: 3") + "abc", "abc", true},
	{"103, 103, then final", "GET", strings.Repeat("HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n", 2) + ok("Content-Length: 3") + "abc", "abc", true},
	{"200 without a body, then more", "GET", ok("Content-Length: 0") + "HTTP/1.1 200 OK\r\n", empty, true},
}

func TestClientTakesAndRefusesAsDecidedAtAnyCut(t *testing.T) {
	for _, c := range responses {
		t.Run(c.name, func(t *testing.T) {
			seen, err := sameAtAnyCut(t, c.input, func(src *pieces) (string, error) {
				return receive(src, ClientLimits(), c.method)
			})
			switch c.body {
			case refused:
				require.Positive(t, statusOf(t, err), "%v\n%s", err, seen)
				return
			case short:
				require.Error(t, err)
				require.LessOrEqual(t, statusOf(t, err), 0)
				return
			case empty:
				require.Contains(t, seen, " \"\"\n|\n")
			default:
				require.Contains(t, seen, "\n"+c.body+"|\n")
			}
			require.NoError(t, err)
			require.Contains(t, seen, "reuse "+map[bool]string{true: "true", false: "false"}[c.reuse]+"\n"+lastFraming(seen))
		})
	}
}

func TestBytesThatStartNoResponseAreRefusedBeforeTheLineEnds(t *testing.T) {
	for _, input := range []string{"X", "HX", "HTTPS", "\r\n"} {
		src := inPieces(input)
		src.end = errCancelled // a peer that sends nothing more must not be waited for
		_, err := receive(src, ClientLimits(), "GET")
		require.Positive(t, statusOf(t, err), "%q", input)
		require.ErrorContains(t, err, "does not speak HTTP")
	}
}

// lastFraming returns the framing of the last body.
func lastFraming(seen string) string { return seen[strings.LastIndex(seen, "{Kind"):] }

func TestResponseHeadSaysWhatTheResponseSays(t *testing.T) {
	seen, err := sameAtAnyCut(t, "HTTP/1.0 404  Not Found\nA: b\n c\r\n\t\r\n d \r\nConnection: upgrade\nB:\r\n e\r\nContent-Length: 2, 2\r\n\r\nxy",
		func(src *pieces) (string, error) { return receive(src, ClientLimits(), "GET") })
	require.NoError(t, err)
	require.Equal(t, "0 404 \" Not Found\" true 2\nA (): \"b c d\"\nConnection (Connection): \"upgrade\"\nB (): \"e\"\n"+
		"Content-Length (Content-Length): \"2, 2\"\nreuse false\n{Kind:1 Length:2} \"\"\nxy|\n", seen)
}

func TestDeclaredLengthIsThatOfGet(t *testing.T) {
	for lines, want := range map[string]int64{
		"Content-Length: 7": 7, "A: b": -1, "Content-Length: x": -1, "Content-Length: 7\r\nTransfer-Encoding: chunked": -1,
	} {
		var head ResponseHead
		limits := ClientLimits()
		require.NoError(t, head.Read(t.Context(), inPieces(ok(lines)), &limits))
		require.Equal(t, want, head.DeclaredLength(), lines)
	}
}
