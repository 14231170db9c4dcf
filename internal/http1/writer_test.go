package http1

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func newWriter(sink *written, framing Framing) *Writer {
	w := &Writer{}
	w.Reset(sink, framing)
	return w
}

func TestHeadWithASmallBodyIsOneWrite(t *testing.T) {
	for framing, want := range map[Framing]string{
		{Kind: Sized, Length: 5}: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		{Kind: Chunked}:          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		{Kind: UntilClose}:       "HTTP/1.1 200 OK\r\n\r\nhello",
	} {
		sink := &written{}
		w := newWriter(sink, framing)
		head := AppendHeadEnd(AppendFraming(AppendStatusLine(sink.Begin(), 200), framing))
		require.NoError(t, w.Finish(t.Context(), head, []byte("hello"), nil))
		require.Equal(t, want, sink.String())
		require.Equal(t, 1, sink.ends)
	}
}

func TestWhatAWriterWritesABodyReads(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<10)
	for _, parts := range [][]string{{}, {""}, {"a"}, {"a", "", "bc"}, {big}, {"a", big, "b"}, {big, big}, {big[:inPlace-1], big[:inPlace]}} {
		whole := strings.Join(parts, "")
		for _, framing := range []Framing{{Kind: Sized, Length: int64(len(whole))}, {Kind: Chunked}, {Kind: UntilClose}} {
			sink := &written{}
			w := newWriter(sink, framing)
			last := ""
			if len(parts) > 0 {
				for _, p := range parts[:len(parts)-1] {
					require.NoError(t, w.Write(t.Context(), nil, []byte(p)))
				}
				last = parts[len(parts)-1]
			}
			require.NoError(t, w.Finish(t.Context(), nil, []byte(last), nil))
			body := newBody(inPieces(sink.String()), framing)
			got, err := io.ReadAll(bodyReader{body})
			require.NoError(t, err)
			require.Equal(t, whole, string(got))
			require.Empty(t, body.src.Buffered())
		}
	}
}

type bodyReader struct{ b *Body }

func (r bodyReader) Read(p []byte) (int, error) { return r.b.Read(testContext, p) }

func TestWriterWritesTrailers(t *testing.T) {
	trailers := AppendField(nil, "A", "b")
	for p, want := range map[string]string{"": "0\r\nA: b\r\n\r\n", "xy": "2\r\nxy\r\n0\r\nA: b\r\n\r\n"} {
		sink := &written{}
		require.NoError(t, newWriter(sink, Framing{Kind: Chunked}).Finish(t.Context(), nil, []byte(p), trailers))
		require.Equal(t, want, sink.String())
	}
}

func TestWriterRefusesWhatWasNotAnnounced(t *testing.T) {
	sink := &written{}
	w := newWriter(sink, Framing{Kind: Sized, Length: 3})
	require.Equal(t, ErrBodyTooLong, w.Write(t.Context(), nil, []byte("abcd")))
	require.Empty(t, sink.String(), "nothing of it is written")
	require.NoError(t, w.Write(t.Context(), nil, []byte("ab")))
	require.EqualValues(t, 1, w.Left())
	require.Equal(t, ErrBodyTooLong, w.Finish(t.Context(), nil, []byte("cd"), nil))
	require.Equal(t, ErrBodyTooShort, w.Finish(t.Context(), nil, nil, nil))
	require.Equal(t, "ab", sink.String())

	w = newWriter(sink, Framing{})
	require.Equal(t, ErrNoBody, w.Write(t.Context(), nil, []byte("a")))
	require.NoError(t, w.Finish(t.Context(), nil, nil, nil))
	require.Equal(t, "ab", sink.String())
}

func TestWhatSomebodyElseWroteCounts(t *testing.T) {
	sink := &written{}
	w := newWriter(sink, Framing{Kind: Sized, Length: 5})
	w.Passed(3)
	require.EqualValues(t, 2, w.Left())
	require.Equal(t, ErrBodyTooLong, w.Write(t.Context(), nil, []byte("abc")))
	require.NoError(t, w.Finish(t.Context(), nil, []byte("ab"), nil))
}

func TestErrorOfTheSinkIsReturned(t *testing.T) {
	broken := errors.New("broken")
	for _, framing := range []Framing{{Kind: Sized, Length: 1 << 20}, {Kind: Chunked}, {Kind: UntilClose}} {
		w := newWriter(&written{fail: broken}, framing)
		require.Equal(t, broken, w.Write(t.Context(), nil, []byte("a")))
		require.Equal(t, broken, w.Write(t.Context(), nil, make([]byte, inPlace)))
		require.Equal(t, broken, w.Finish(t.Context(), nil, []byte("b"), nil))
	}
}

func TestStatusLines(t *testing.T) {
	for status, want := range map[int]string{
		200: "HTTP/1.1 200 OK\r\n", 404: "HTTP/1.1 404 Not Found\r\n", 299: "HTTP/1.1 299 \r\n", 999: "HTTP/1.1 999 \r\n",
	} {
		require.Equal(t, want, string(AppendStatusLine(nil, status)))
		var head ResponseHead
		limits := ClientLimits()
		require.NoError(t, head.Read(t.Context(), inPieces(want+"\r\n"), &limits))
		require.Equal(t, status, head.Status)
	}
}

func TestRequestLineIsReadBack(t *testing.T) {
	line := AppendRequestLine(nil, "GET", "/a?b")
	p := AppendHeadEnd(AppendFraming(AppendField(line, "Host", "a:1"), Framing{}))
	require.Equal(t, "GET /a?b HTTP/1.1\r\nHost: a:1\r\n\r\n", string(p))
	limits := ServerLimits()
	var head RequestHead
	require.NoError(t, head.Read(t.Context(), inPieces(string(p)), &limits))
}
