package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/stream"
)

// sized returns a string of n bytes between two others.
func sized(before string, n int, after string) string {
	return before + strings.Repeat("x", n-len(before)-len(after)) + after
}

func TestRequestLimitsHoldAtTheirEdge(t *testing.T) {
	const host = "Host: a\r\n"
	chunked := post("Transfer-Encoding: chunked")
	headOf := func(n int) string { // in fields of 8 KiB
		head := "GET / HTTP/1.1\r\n" + host
		for n-len(head) > 10<<10 {
			head += sized("A: ", 8<<10, "\r\n")
		}
		return head + sized("A: ", n-len(head)-2, "\r\n") + "\r\n"
	}
	for _, c := range []struct {
		name   string
		input  func(n int) string
		limit  int
		status int
	}{
		{"request line", func(n int) string { return sized("GET /", n, " HTTP/1.1") + "\r\n" + host + "\r\n" }, 8 << 10, 414},
		{"method", func(n int) string { return strings.Repeat("M", n) + " / HTTP/1.1\r\n" + host + "\r\n" }, 32, 400},
		{"head", headOf, 64 << 10, 431},
		{"field", func(n int) string { return get(sized("A: ", n, "")) }, 16 << 10, 431},
		{"fields", func(n int) string { return get(strings.Split(strings.Repeat("A: b\n", n-2)+"A: b", "\n")...) }, 100, 431},
		{"empty lines", func(n int) string { return strings.Repeat("\r\n", n) + get() }, 4, 400},
		{"chunk line", func(n int) string { return chunked + sized("0;a=", n, "") + "\r\n\r\n" }, 256, 400},
		{"padding", func(n int) string {
			const chunks, net = 129, 128 - 2 // each has 128 bytes of padding, and one byte of data offsets two of them
			lines := strings.Repeat(sized("1;a=", 129, "")+"\r\nx\r\n", chunks)
			return chunked + lines + sized("0;a=", 1+n-chunks*net, "") + "\r\n\r\n"
		}, 16 << 10, 400},
		{"trailers", func(n int) string { return chunked + "0\r\n" + sized("A: ", n-2, "\r\n") + "\r\n" }, 8 << 10, 431},
		{"number of trailers", func(n int) string { return chunked + "0\r\n" + strings.Repeat("A: b\r\n", n) + "\r\n" }, 32, 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(src *pieces) (string, error) { return serve(src, ServerLimits()) }
			_, err := sameAtAnyCut(t, c.input(c.limit), read)
			require.Equal(t, 0, statusOf(t, err), "%v", err)
			_, err = sameAtAnyCut(t, c.input(c.limit+1), read)
			require.Equal(t, c.status, statusOf(t, err), "%v", err)
			require.ErrorIs(t, err, stream.ErrTooLarge)
		})
	}
}

func TestResponseLimitsHoldAtTheirEdge(t *testing.T) {
	headOf := func(n int) string {
		head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
		return head + sized("A: ", n-len(head)-2, "\r\n") + "\r\n"
	}
	for _, c := range []struct {
		name  string
		input func(n int) string
		limit int
	}{
		{"head", headOf, 256 << 10},
		{"status line", func(n int) string { return sized("HTTP/1.1 200 ", n, "") + "\r\nContent-Length: 0\r\n\r\n" }, 8 << 10},
		{"fields", func(n int) string { return "HTTP/1.1 204 No\r\n" + strings.Repeat("A: b\r\n", n) + "\r\n" }, 256},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(src *pieces) (string, error) { return receive(src, ClientLimits(), "GET") }
			_, err := sameAtAnyCut(t, c.input(c.limit), read)
			require.NoError(t, err)
			_, err = sameAtAnyCut(t, c.input(c.limit+1), read)
			require.ErrorIs(t, err, stream.ErrTooLarge)
		})
	}
}

func TestFoldedValueIsBoundedAsOneField(t *testing.T) {
	limits := ClientLimits()
	limits.Field = 100
	line := "\r\n " + strings.Repeat("y", 8)
	fits := "HTTP/1.1 204 No\r\nA: " + strings.Repeat("x", 10) + strings.Repeat(line, 10) + "\r\n\r\n"
	_, err := receive(inPieces(fits), limits, "GET")
	require.NoError(t, err)
	over := strings.Replace(fits, "A: x", "A: xx", 1)
	_, err = sameAtAnyCut(t, over, func(src *pieces) (string, error) { return receive(src, limits, "GET") })
	require.ErrorIs(t, err, stream.ErrTooLarge)
}

// TestEndlessLinesAreRefusedWithinTheirLimit requires the error when the limit is exceeded, not when the line ends.
func TestEndlessLinesAreRefusedWithinTheirLimit(t *testing.T) {
	limits := ServerLimits()
	for _, begin := range []string{"GET /", "GET / HTTP/1.1\r\nA: "} {
		var head RequestHead
		head.Reset(&limits)
		p := []byte(begin)
		for {
			done, err := head.Parse(p)
			require.False(t, done)
			if err != nil {
				require.ErrorIs(t, err, stream.ErrTooLarge)
				break
			}
			require.Less(t, len(p), 20<<10)
			p = append(p, 'x')
		}
	}
}
