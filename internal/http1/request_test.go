package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// get returns a head with a Host and the given lines.
func get(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func post(lines ...string) string { return "POST" + strings.TrimPrefix(get(lines...), "GET") }

// inputs are what a server must accept and refuse. The numbers are those of the project's checklist of inputs. A status
// of 0 means that the request is accepted and the stream then ends.
var inputs = []struct {
	name   string
	input  string
	status int
}{
	{"1 length, then coding", post("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n", 400},
	{"1 coding, then length", post("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n", 400},
	{"1 coding and bad length", post("Transfer-Encoding: chunked", "Content-Length: x") + "0\r\n\r\n", 400},
	{"1 unknown coding and length", post("Transfer-Encoding: gzip, chunked", "Content-Length: 5") + "0\r\n\r\n", 400},
	{"2 coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},

	{"3 chunked not last", post("Transfer-Encoding: chunked, gzip") + "0\r\n\r\n", 400},
	{"3 empty", post("Transfer-Encoding:") + "0\r\n\r\n", 400},
	{"3 only a comma", post("Transfer-Encoding: ,") + "0\r\n\r\n", 400},
	{"3 comma behind", post("Transfer-Encoding: chunked,") + "0\r\n\r\n", 400},
	{"3 comma before", post("Transfer-Encoding: ,chunked") + "0\r\n\r\n", 400},
	{"3 two lines", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n", 400},
	{"3 two lines, the first another", post("Transfer-Encoding: gzip", "Transfer-Encoding: chunked") + "0\r\n\r\n", 400},
	{"3 twice", post("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n", 400},
	{"3 identity", post("Transfer-Encoding: identity") + "0\r\n\r\n", 400},
	{"3 parameter", post("Transfer-Encoding: chunked;x") + "0\r\n\r\n", 400},
	{"3 quoted", post("Transfer-Encoding: \"chunked\"") + "0\r\n\r\n", 400},
	{"3 two words", post("Transfer-Encoding: chunked chunked") + "0\r\n\r\n", 400},
	{"3 two unknown codings", post("Transfer-Encoding: gzip, br, chunked") + "0\r\n\r\n", 501},
	{"3 unknown coding", post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501},
	{"3 unknown coding without chunked", post("Transfer-Encoding: gzip") + "0\r\n\r\n", 400},
	{"3 nearly chunked", post("Transfer-Encoding: xchunked") + "0\r\n\r\n", 400},
	{"4 any letter case", post("tRANSFER-eNCODING: ChUnKeD") + "0\r\n\r\n", 0},
	{"4 white space around", post("Transfer-Encoding: \t chunked \t") + "0\r\n\r\n", 0},
	{"4 VT", post("Transfer-Encoding: \vchunked") + "0\r\n\r\n", 400},
	{"4 FF", post("Transfer-Encoding: chunked\f") + "0\r\n\r\n", 400},
	{"4 NUL", post("Transfer-Encoding: chunked\x00") + "0\r\n\r\n", 400},
	{"4 CR", post("Transfer-Encoding: chunked\r ") + "0\r\n\r\n", 400},
	{"4 NBSP", post("Transfer-Encoding: \xa0chunked") + "0\r\n\r\n", 400},

	{"5 folded", get("A: b", " c"), 400},
	{"5 folded by a tab", get("A: b", "\tc"), 400},
	{"5 folded coding", post("Transfer-Encoding:", " chunked") + "0\r\n\r\n", 400},
	{"5 folded into nothing", get("A: b", " "), 400},

	{"6 space before the colon", get("A : b"), 400},
	{"6 tab before the colon", get("A\t: b"), 400},
	{"6 space in a name", get("A b: c"), 400},
	{"6 empty name", get(": b"), 400},
	{"6 no colon", get("Ab"), 400},
	{"6 first line begins with a space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	{"6 first line is a space", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400},
	{"6 name in brackets", get("[A]: b"), 400},
	{"6 obs-text in a name", get("\xc3\xa4: b"), 400},
	{"6 every character of a token", get("!#$%&'*+-.^_`|~09azAZ: b"), 0},
	{"6 no white space behind the colon", get("A:b"), 0},
	{"6 empty value", get("A:"), 0},
	{"6 colons in a value", get("A: b: c:"), 0},

	{"7 sign", post("Content-Length: +1") + "x", 400},
	{"7 negative", post("Content-Length: -1") + "x", 400},
	{"7 hexadecimal", post("Content-Length: 0x1") + "x", 400},
	{"7 underscore", post("Content-Length: 1_0") + "x", 400},
	{"7 empty", post("Content-Length:") + "x", 400},
	{"7 two numbers", post("Content-Length: 1 1") + "x", 400},
	{"7 2^64", post("Content-Length: 18446744073709551616"), 400},
	{"7 2^63", post("Content-Length: 9223372036854775808"), 400},
	{"7 2^64+1", post("Content-Length: 18446744073709551617") + "x", 400},
	{"7 fraction", post("Content-Length: 1.0") + "x", 400},
	{"7 two that differ", post("Content-Length: 1", "Content-Length: 2") + "x", 400},
	{"7 two that are equal", post("Content-Length: 1", "Content-Length: 1") + "x", 400},
	{"7 a list", post("Content-Length: 1, 1") + "x", 400},
	{"7 a list of one", post("Content-Length: 1,") + "x", 400},
	{"7 Arabic digits", post("Content-Length: \xd9\xa1") + "x", 400},
	{"7 white space around", post("Content-Length: \t1 ") + "x", 0},
	{"7 leading zeros", post("Content-Length: 0001") + "x", 0},
	{"7 zero", post("Content-Length: 0"), 0},
	{"7 with GET", get("Content-Length: 1") + "x", 0},
	{"7 too little", post("Content-Length: 2") + "x", -1},

	{"8 0x", post("Transfer-Encoding: chunked") + "0x1\r\nx\r\n0\r\n\r\n", 400},
	{"8 underscore", post("Transfer-Encoding: chunked") + "1_0\r\nx\r\n0\r\n\r\n", 400},
	{"8 sign", post("Transfer-Encoding: chunked") + "+1\r\nx\r\n0\r\n\r\n", 400},
	{"8 negative", post("Transfer-Encoding: chunked") + "-1\r\nx\r\n0\r\n\r\n", 400},
	{"8 space before", post("Transfer-Encoding: chunked") + " 1\r\nx\r\n0\r\n\r\n", 400},
	{"8 space behind", post("Transfer-Encoding: chunked") + "1 \r\nx\r\n0\r\n\r\n", 400},
	{"8 empty", post("Transfer-Encoding: chunked") + "\r\nx\r\n0\r\n\r\n", 400},
	{"8 17 digits", post("Transfer-Encoding: chunked") + "00000000000000001\r\nx\r\n0\r\n\r\n", 400},
	{"8 16 digits", post("Transfer-Encoding: chunked") + "0000000000000001\r\nx\r\n0\r\n\r\n", 0},
	{"8 2^63", post("Transfer-Encoding: chunked") + "8000000000000000\r\n", 400},
	{"8 2^64-1", post("Transfer-Encoding: chunked") + "ffffffffffffffff\r\n", 400},
	{"8 either case", post("Transfer-Encoding: chunked") + "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 0},
	{"8 g", post("Transfer-Encoding: chunked") + "g\r\n", 400},
	{"8 zeros", post("Transfer-Encoding: chunked") + "000\r\n\r\n", 0},

	{"9 chunk line ends in LF", post("Transfer-Encoding: chunked") + "1\nx\r\n0\r\n\r\n", 400},
	{"9 last chunk ends in LF", post("Transfer-Encoding: chunked") + "1\r\nx\r\n0\n\r\n", 400},
	{"9 body ends in LF", post("Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\n", 400},
	{"9 chunk line ends in CR", post("Transfer-Encoding: chunked") + "1\rx\r\n0\r\n\r\n", 400},
	{"9 data without CRLF", post("Transfer-Encoding: chunked") + "1\r\nx0\r\n\r\n", 400},
	{"9 data and LF", post("Transfer-Encoding: chunked") + "1\r\nx\n0\r\n\r\n", 400},
	{"9 data, CR and something", post("Transfer-Encoding: chunked") + "1\r\nx\rx0\r\n\r\n", 400},
	{"9 data too long", post("Transfer-Encoding: chunked") + "1\r\nxy\r\n0\r\n\r\n", 400},
	{"9 data too short", post("Transfer-Encoding: chunked") + "3\r\nx\r\n0\r\n\r\n", 400},
	{"9 CR before the CRLF of a chunk line", post("Transfer-Encoding: chunked") + "5\r\r;abcd\r\n34\r\n", 400},
	{"9 no last chunk", post("Transfer-Encoding: chunked") + "3\r\nabc\r\n\r\n", 400},
	{"9 LF in an extension", post("Transfer-Encoding: chunked") + "1;\nx\r\n0\r\n\r\n", 400},
	{"9 size of 16 digits and one more", post("Transfer-Encoding: chunked") + "ffffffffffffffff0\r\n", 400},
	{"9 ends within", post("Transfer-Encoding: chunked") + "3\r\nxyz\r\n0\r\n", -1},

	{"10 extension", post("Transfer-Encoding: chunked") + "1;a\r\nx\r\n0;b=c\r\n\r\n", 0},
	{"10 several", post("Transfer-Encoding: chunked") + "1;a;b=c;d=\"e;\\\"\xff\t\"\r\nx\r\n0\r\n\r\n", 0},
	{"10 white space", post("Transfer-Encoding: chunked") + "1 \t; a \t= b ;c\r\nx\r\n0\r\n\r\n", 0},
	{"10 no semicolon", post("Transfer-Encoding: chunked") + "2 ab\r\nxy\r\n0 cd\r\n\r\n", 400},
	{"10 escaped quotes", post("Transfer-Encoding: chunked") + "1;a=\"b \\\"c\\\"; \\\\d\\\\\";e=\"f\";g\r\nx\r\n0\r\n\r\n", 0},
	{"10 character that no token has", post("Transfer-Encoding: chunked") + "1;a[=b\r\nx\r\n0\r\n\r\n", 400},
	{"10 bare semicolon", post("Transfer-Encoding: chunked") + "1;\r\nx\r\n0\r\n\r\n", 400},
	{"10 two semicolons", post("Transfer-Encoding: chunked") + "1;;a\r\nx\r\n0\r\n\r\n", 400},
	{"10 no value", post("Transfer-Encoding: chunked") + "1;a=\r\nx\r\n0\r\n\r\n", 400},
	{"10 no name", post("Transfer-Encoding: chunked") + "1;=a\r\nx\r\n0\r\n\r\n", 400},
	{"10 open quote", post("Transfer-Encoding: chunked") + "1;a=\"b\r\nx\r\n0\r\n\r\n", 400},
	{"10 quoted control", post("Transfer-Encoding: chunked") + "1;a=\"b\x01\"\r\nx\r\n0\r\n\r\n", 400},
	{"10 escaped control", post("Transfer-Encoding: chunked") + "1;a=\"b\\\x01\"\r\nx\r\n0\r\n\r\n", 400},
	{"10 bare CR", post("Transfer-Encoding: chunked") + "1;a\rb\r\nx\r\n0\r\n\r\n", 400},
	{"10 NUL", post("Transfer-Encoding: chunked") + "1;a\x00\r\nx\r\n0\r\n\r\n", 400},
	{"10 white space behind", post("Transfer-Encoding: chunked") + "1;a \r\nx\r\n0\r\n\r\n", 400},
	{"10 other than a semicolon", post("Transfer-Encoding: chunked") + "1,a\r\nx\r\n0\r\n\r\n", 400},

	{"11 trailers", post("Transfer-Encoding: chunked") + "0\r\nA: b\r\nC: d\r\n\r\n", 0},
	{"11 no colon", post("Transfer-Encoding: chunked") + "0\r\nA\r\n\r\n", 400},
	{"11 bad name", post("Transfer-Encoding: chunked") + "0\r\nA : b\r\n\r\n", 400},
	{"11 LF", post("Transfer-Encoding: chunked") + "0\r\nA: b\n\r\n", 400},
	{"11 folded", post("Transfer-Encoding: chunked") + "0\r\nA: b\r\n c\r\n\r\n", 400},
	{"11 control character", post("Transfer-Encoding: chunked") + "0\r\nA: \x01\r\n\r\n", 400},
	{"11 end within", post("Transfer-Encoding: chunked") + "0\r\nA: b\r\n", -1},

	{"13 LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
	{"13 LF ends a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
	{"13 LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
	{"13 CR ends a field", "GET / HTTP/1.1\r\nHost: a\rA: b\r\n\r\n", 400},
	{"13 CR and something behind the fields", "GET / HTTP/1.1\r\nHost: a\r\n\rGET /b: HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"13 folded name", "GET / HTTP/1.1\r\nHost\r\n : a\r\n\r\n", 400},
	{"13 CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},

	{"14 CR in a value", get("A: b\rc"), 400},
	{"14 NUL in a value", get("A: b\x00c"), 400},
	{"14 control in a value", get("A: b\x1fc"), 400},
	{"14 DEL in a value", get("A: b\x7fc"), 400},
	{"14 control at the end of a long value", get("A: 0123456789abcdef0123456789\x01"), 400},
	{"14 HTAB and obs-text", get("A: b\tc\x80\xff"), 0},

	{"15 no Host", "GET / HTTP/1.1\r\n\r\n", 400},
	{"15 no Host in 1.2", "GET / HTTP/1.2\r\n\r\n", 400},
	{"15 no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
	{"15 two", get("Host: a"), 400},
	{"15 two in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
	{"15 userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
	{"15 path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"15 comma", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
	{"15 space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"15 scheme", "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400},
	{"15 empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
	{"15 only a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
	{"15 port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
	{"15 port 65535", "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 0},
	{"15 long port", "GET / HTTP/1.1\r\nHost: a:00000000000000000000080\r\n\r\n", 0},
	{"15 port that overflows", "GET / HTTP/1.1\r\nHost: a:18446744073709551617\r\n\r\n", 400},
	{"15 port no number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
	{"15 two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400},
	{"15 empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0},
	{"15 IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
	{"15 IPv6 with a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 0},
	{"15 IPv6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400},
	{"15 IPv6 open", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
	{"15 no address in brackets", "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", 400},
	{"15 IPv4 within IPv6", "GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]:80\r\n\r\n", 0},
	{"15 zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 0},
	{"15 percent within a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25e%t]\r\n\r\n", 400},
	{"15 colon within a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25a:b]\r\n\r\n", 400},
	{"15 something behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400},
	{"15 obs-text", "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", 400},
	{"15 percent", "GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n", 0},
	{"15 bad percent", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400},

	{"16 absolute form", "GET http://b:8080/c?d HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"16 without a path", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"16 a scheme of every kind of character", "GET azAZ09+-.://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"16 scheme begins with a sign", "GET +a://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 no scheme", "GET ://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 brace in a scheme", "GET a{b://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 underscore in a scheme", "GET a_b://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 only a query", "GET http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"16 without Host", "GET http://b/c HTTP/1.1\r\n\r\n", 400},
	{"16 with a bad Host", "GET http://b/c HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"16 with userinfo", "GET http://u:p@b/c HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 without authority", "GET http:///c HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 without slashes", "GET http:b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 scheme no word", "GET 1a://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"16 a path without slash", "GET b HTTP/1.1\r\nHost: a\r\n\r\n", 400},

	{"17 asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"17 asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 two asterisks", "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 CONNECT", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", 0},
	{"17 CONNECT to an address", "CONNECT [::1]:443 HTTP/1.1\r\nHost: b\r\n\r\n", 0},
	{"17 CONNECT without a port", "CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT with an empty port", "CONNECT b: HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT to port 0", "CONNECT b:0 HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT to a path", "CONNECT /b HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT to a URL", "CONNECT http://b:443/ HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT without a host", "CONNECT :443 HTTP/1.1\r\nHost: b\r\n\r\n", 400},
	{"17 CONNECT with a length of 0", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 0},
	{"17 CONNECT with a body", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\nx", 400},
	{"17 CONNECT with a chunked body", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"17 CONNECT in 1.0 to a name with an underscore", "CONNECT b_c:443 HTTP/1.0\r\n\r\n", 0},
	{"17 asterisk with a method of an extension", "M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 quotes, bars and brackets", "GET /\"a\"|{b}\\[c]?d=^`<e>?f HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"17 two slashes", "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"17 overlong UTF-8", "GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 UTF-8", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 control", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 DEL", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"17 NUL", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},

	{"18 two spaces behind the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 tab behind the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 tail", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400},
	{"18 space behind", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
	{"18 space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
	{"18 leading zero", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400},
	{"18 one number", "GET / HTTP/1\r\nHost: a\r\n\r\n", 400},
	{"18 comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400},
	{"18 sign", "GET / HTTP/1.+\r\nHost: a\r\n\r\n", 400},
	{"18 another protocol", "GET / HTTQ/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 space in the version", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n", 400},
	{"18 protocol of five letters", "GET / IHTTP/1.0\r\nHost: a\r\n\r\n", 400},
	{"18 protocol of three letters", "GET / ICE/1.0\r\nHost: a\r\n\r\n", 400},
	{"18 CR for CRLF", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
	{"18 text before the line", "Extra lineGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"18 spaces alone", "   \r\n\r\n", 400},
	{"18 nothing but a method", "GET\r\n\r\n", 400},

	{"19 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0},
	{"19 1.9", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", 0},
	{"19 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	{"19 3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
	{"19 9.9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
	{"19 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400},
	{"19 none", "GET /\r\n\r\n", 400},

	{"20 an empty line before", "\r\n" + get(), 0},
	{"20 four", "\r\n\r\n\r\n\r\n" + get(), 0},
	{"20 five", "\r\n\r\n\r\n\r\n\r\n" + get(), 400},
	{"20 between requests", get() + "\r\n" + get(), 0},
	{"20 LF alone", "\n" + get(), 400},
	{"20 CR alone", "\r" + get(), 400},
	{"20 nothing else", "\r\n\r\n", 0},
	{"20 half a line", "\r\n\r", -1},

	{"21 lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"21 unknown", "FOO-1!bar / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	{"21 no token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"21 obs-text", "G\xffT / HTTP/1.1\r\nHost: a\r\n\r\n", 400},

	{"23 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	{"24 TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
	{"25 pipelined", get() + post("Content-Length: 3") + "abc" + post("Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n" + get(), 0},

	{"nothing", "", 0},
	{"ends within the request line", "GET / HT", -1},
	{"ends behind the request line", "GET / HTTP/1.1\r\n", -1},
	{"ends within a field", "GET / HTTP/1.1\r\nHost", -1},
	{"ends before the empty line", "GET / HTTP/1.1\r\nHost: a\r\n", -1},
}

func TestServerTakesAndRefusesEachInputOfTheChecklistAtAnyCut(t *testing.T) {
	for _, c := range inputs {
		t.Run(c.name, func(t *testing.T) {
			_, err := sameAtAnyCut(t, c.input, func(src *pieces) (string, error) { return serve(src, ServerLimits()) })
			require.Equal(t, c.status, statusOf(t, err), "%v", err)
		})
	}
}

// TestServerRefusesBeforeTheLineIsComplete requires an error as soon as the input cannot become a request, so that the
// server does not wait for the rest.
func TestServerRefusesBeforeTheLineIsComplete(t *testing.T) {
	limits := ServerLimits()
	for _, input := range []string{"\x16", "G\x01", " ", "(", "GET\t", "\n", "\rG", strings.Repeat("A", 33)} {
		var head RequestHead
		head.Reset(&limits)
		_, err := head.Parse([]byte(input))
		require.Error(t, err, "%q", input)
	}
}

func TestRequestHeadSaysWhatTheRequestSays(t *testing.T) {
	for _, c := range []struct{ input, seen string }{
		{
			"GET /a?b HTTP/1.1\r\nHost:  a:80 \r\ncontent-TYPE:\tx/y\r\nX-a: \r\n\r\n",
			"GET /a?b 1 0 \"a:80\" true false false\nHost (Host): \"a:80\"\ncontent-TYPE (Content-Type): \"x/y\"\nX-a (): \"\"\n" +
				"{Kind:0 Length:0} \"\"\n|\n",
		},
		{
			"POST http://b/c HTTP/1.0\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n0123456",
			"POST http://b/c 0 1 \"b\" false false false\nHost (Host): \"a\"\nContent-Length (Content-Length): \"7\"\n" +
				"Expect (Expect): \"100-continue\"\n{Kind:1 Length:7} \"\"\n0123456|\n",
		},
		{
			"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: x, Upgrade ,close\r\n\r\n" +
				"3\r\nabc\r\nb;x=y\r\ndefghijklmn\r\n0\r\nT: u\r\nHost: v\r\n\r\n",
			"PUT / 1 0 \"a\" false true true\nHost (Host): \"a\"\nTransfer-Encoding (Transfer-Encoding): \"chunked\"\n" +
				"Expect (Expect): \"100-continue\"\nConnection (Connection): \"x, Upgrade ,close\"\n" +
				"{Kind:2 Length:0} \"\"\nabcdefghijklmn|\nT (): \"u\"\nHost (Host): \"v\"\n",
		},
		{
			"CONNECT b:1 HTTP/1.1\r\nHost: a\r\nConnection: KEEP-ALIVE\r\nConnection: closed\r\n\r\n",
			"CONNECT b:1 1 2 \"b:1\" true false false\nHost (Host): \"a\"\nConnection (Connection): \"KEEP-ALIVE\"\n" +
				"Connection (Connection): \"closed\"\n{Kind:0 Length:0} \"\"\n|\n",
		},
		{
			"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			"OPTIONS * 0 3 \"\" true false false\nConnection (Connection): \"keep-alive\"\n{Kind:0 Length:0} \"\"\n|\n",
		},
		{
			"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
			"GET / 0 0 \"\" false false false\nConnection (Connection): \"keep-alive, close\"\n{Kind:0 Length:0} \"\"\n|\n",
		},
	} {
		seen, err := sameAtAnyCut(t, c.input, func(src *pieces) (string, error) { return serve(src, ServerLimits()) })
		require.Equal(t, 0, statusOf(t, err))
		require.Equal(t, c.seen, seen)
	}
}

func TestPartsOfACopyAreThoseOfTheHead(t *testing.T) {
	limits := ServerLimits()
	var head RequestHead
	require.NoError(t, head.Read(t.Context(), inPieces("\r\nPUT /a HTTP/1.1\r\nhost: a\r\nx-own: b \r\nX-Other: c\r\n\r\n"), &limits))
	text := string(head.Bytes())
	require.Equal(t, "PUT", head.MethodIn(text))
	require.Equal(t, "/a", head.TargetIn(text))
	require.Equal(t, "a", head.AuthorityIn(text))
	for i, name := range []string{"Host", "X-Own", "X-Other"} {
		require.Equal(t, name, head.NameIn(text, i))
		require.Equal(t, string(head.Value(i)), head.ValueIn(text, i))
	}
}

func TestAuthorityOfACopyIsThatOfTheHead(t *testing.T) {
	limits := ServerLimits()
	for input, want := range map[string]string{
		"GET http://b.c:1/d HTTP/1.1\r\nHost: a\r\n\r\n": "b.c:1",
		"CONNECT b:2 HTTP/1.1\r\nHost: a\r\n\r\n":        "b:2",
		"GET / HTTP/1.1\r\nA: b\r\nHost:  a:3 \r\n\r\n":  "a:3",
		"GET / HTTP/1.0\r\n\r\n":                         "",
	} {
		var head RequestHead
		require.NoError(t, head.Read(t.Context(), cutAt("\r\n"+input+"more", len(input)/2), &limits))
		require.Equal(t, want, string(head.Authority))
		require.Equal(t, want, head.AuthorityIn(string(head.Bytes())))
	}
}

func TestErrorOfTheSourceLetsReadBeCalledAgain(t *testing.T) {
	limits := ServerLimits()
	src := inPieces("\r\nGET / HTTP/1.1\r\nHo")
	src.end = errCancelled
	var head RequestHead
	require.Equal(t, errCancelled, head.Read(t.Context(), src, &limits))
	require.Equal(t, "\r\nGET / HTTP/1.1\r\nHo", string(src.Buffered()))
	src.rest = append(src.rest, []byte("st: a\r\n\r\nrest"))
	require.NoError(t, head.Read(t.Context(), src, &limits))
	require.Equal(t, "a", string(head.Authority))
	head.Discard(src)
	require.Equal(t, "rest", string(src.Buffered()))
}
