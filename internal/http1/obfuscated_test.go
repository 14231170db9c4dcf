package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	obfuscatedBody = "5\r\nhello\r\n0\r\n\r\n" // a chunked body, and more than five bytes
	pieceEach      = 17                        // one of so many inputs is also read byte by byte
	smuggled       = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
)

// obfuscations returns lines, without their end, that one reader may take for the field name and another may not.
func obfuscations(name, value string) (lines []string) {
	add := func(more ...string) { lines = append(lines, more...) }
	line := name + ": " + value
	half := len(name) / 2
	for c := range 256 {
		x := string([]byte{byte(c)})
		add(x+line, name+x+": "+value, name+":"+x+value, line+x, name[:half]+x+name[half:]+": "+value, name+": "+value[:1]+x+value[1:])
		if ' ' < c && c < 0x7f || 0x80 < c && c < 0xff && c != 0xa0 && c != 0x85 {
			continue // no reader takes it for white space or a line end
		}
		add("X: y"+x+line, line+x+"X: y", "X: y\r"+x+line, "X: y"+x+"\n"+line, line+"\r"+x+"X: y", line+x+"\nX: y")
		add(x+name+x+": "+value, x+name+":"+x+value, x+line+x, name+x+":"+x+value, name+x+": "+value+x, name+":"+x+value+x)
	}
	for _, gap := range []string{"\r\n ", "\r\n\t", "\n ", "\n\v", "\r ", "\r\n\r\n ", " \r\n ", "\r\n \r\n ", "\u00a0", "\u2028", "\u3000", "\ufeff"} {
		add(name+":"+gap+value, name+gap+": "+value, line+gap+"x", "X: y"+gap+line, "X: y"+gap+": "+line, gap+line, "X"+gap+": y\r\n"+line)
	}
	for _, joint := range []string{"_", " ", "\\", "", "--", "%2d", "\u2010"} {
		add(strings.Replace(name, "-", joint, 1) + ": " + value)
	}
	add(strings.ToUpper(line), strings.ToLower(line), strings.ToUpper(name[:1])+strings.ToLower(name[1:])+": "+strings.ToUpper(value))
	add(name+":"+value, name+":\t"+value+"\t ", name+": \t "+value, name+" x: "+value, name+"-X: "+value, "X-"+name+": "+value)
	add(`"`+name+`": `+value, name+`: "`+value+`"`, name+": '"+value+"'", name+"", name+":", name+": ", name+"; "+value, "%"+line)
	add(strings.Replace(name, "e", "%65", 1)+": "+value, strings.Replace(name, "n", "\u0578", 1)+": "+value)
	add("Connection: "+name+"\r\n"+line, "Connection: "+name+", close\r\n"+line, "X: y\n\n"+line, "X: y\r\n\n"+line, ": x\r\n"+line)
	for _, list := range []string{
		",$", "$,", ", $", "$ ,", "$,$", "$, $", "$;a=b", "$ x", "x $", "x, $", "$, x", "x, $, x", "identity, $", "$, identity", "$;", "x$",
		"$x", "x;q=1, $", "x=y, $", "\u017f$", "+$", "-$", "0x$", "0$", "$.0", "$e0", "1_$", "0o$", "18446744073709551616$", "$\r\n" + name + ": $",
		"x\r\n" + name + ": $", "$\r\n" + name + ": x", "$\r\n" + name + ": ", "\r\n" + name + ": $",
	} {
		add(name + ": " + strings.ReplaceAll(list, "$", value))
	}
	return lines
}

// readRequests returns the requests in an input, as a server reads them, and the status of the refusal after the last,
// or 0 if the input ends cleanly.
func readRequests(t *testing.T, src *pieces) (requests []string, status int) {
	limits := ServerLimits()
	var (
		head RequestHead
		body Body
	)
	for {
		if err := head.Read(context.Background(), src, &limits); err != nil {
			return requests, statusOf(t, err)
		}
		request := fmt.Sprintf("%s %s ", head.Method(), head.Target())
		head.Discard(src)
		body.Reset(src, head.Framing, &limits)
		content, err := readBody(&body)
		if err != nil {
			return requests, statusOf(t, err)
		}
		requests = append(requests, request+content)
		if !head.KeepAlive {
			return requests, 0
		}
	}
}

func readBody(body *Body) (string, error) {
	var all []byte
	p := make([]byte, 16)
	for {
		n, err := body.Read(context.Background(), p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// TestObfuscatedFramingIsReadByTheGrammarOrRefused sends the inputs of request-smuggling tools. Whatever the field line
// looks like, a request is read as the grammar of RFC 9112 defines it, or refused together with everything after it.
func TestObfuscatedFramingIsReadByTheGrammarOrRefused(t *testing.T) {
	const post, host = "POST / HTTP/1.1\r\n", "Host: a\r\n"
	accepted, count := 0, 0
	for _, field := range [][2]string{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}, {"Host", "a"}} {
		for _, line := range obfuscations(field[0], field[1]) {
			line += "\r\n"
			for _, head := range []string{
				post + host + line, post + line + host, post + line,
				post + host + line + "Content-Length: 15\r\n", post + host + "Content-Length: 15\r\n" + line,
				post + host + "Transfer-Encoding: chunked\r\n" + line, "GET / HTTP/1.0\r\n" + host + line,
			} {
				input := head + "\r\n" + obfuscatedBody + smuggled
				count++
				want, verdict := byGrammar(input)
				got, status := readRequests(t, inPieces(input))
				if status != verdict || strings.Join(got, "|") != strings.Join(want, "|") {
					require.Fail(t, "read otherwise", "%q\ngrammar: %q %d\nread:    %q %d", input, want, verdict, got, status)
				}
				if len(want) > 0 {
					accepted++
				}
				if count%pieceEach != 0 {
					continue
				}
				again, repeated := readRequests(t, byteByByte(input))
				if repeated != status || len(again) != len(got) {
					require.Fail(t, "read otherwise byte by byte", "%q: %q %d, %q %d", input, got, status, again, repeated)
				}
			}
		}
	}
	require.Greater(t, accepted, count/100, "the grammar refuses everything")
	require.Less(t, accepted, count/2, "the grammar refuses nothing")
}

// TestObfuscatedResponsesAreReadByTheGrammarOrRefused is the same for a client, which accepts more.
func TestObfuscatedResponsesAreReadByTheGrammarOrRefused(t *testing.T) {
	const start = "HTTP/1.1 200 OK\r\n"
	accepted, count := 0, 0
	for _, field := range [][2]string{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}} {
		for _, line := range obfuscations(field[0], field[1]) {
			line += "\r\n"
			for _, head := range []string{
				start + line, start + line + "Content-Length: 15\r\n", start + "Content-Length: 15\r\n" + line,
				start + "Transfer-Encoding: chunked\r\n" + line, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + line,
			} {
				input := head + "\r\n" + obfuscatedBody + "HTTP/1.1 200 OK\r\n\r\n"
				count++
				want := responseByGrammar(input)
				got := readResponse(t, inPieces(input))
				if got != want {
					require.Equal(t, want, got, "%q", input)
				}
				if count%pieceEach == 0 {
					require.Equal(t, got, readResponse(t, byteByByte(input)), "%q byte by byte", input)
				}
				if want != refused {
					accepted++
				}
			}
		}
	}
	require.Greater(t, accepted, count/100)
	require.Less(t, accepted, count*9/10)
}

// readResponse returns the result of a client that reads a response: its body, and whether the connection can be
// reused.
func readResponse(t *testing.T, src *pieces) string {
	limits := ClientLimits()
	var (
		head ResponseHead
		body Body
	)
	framing, reuse := Framing{}, false
	err := head.Read(context.Background(), src, &limits)
	if err == nil {
		framing, reuse, err = head.Framing("GET")
	}
	if err == nil {
		head.Discard(src)
		body.Reset(src, framing, &limits)
		var content string
		if content, err = readBody(&body); err == nil {
			return fmt.Sprintf("%q %v", content, reuse)
		}
	}
	var broken *Error
	if !errors.As(err, &broken) {
		require.Equal(t, io.ErrUnexpectedEOF, err)
	}
	return refused
}
