package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cutBy cuts the input at places derived from seed.
func cutBy(input string, seed uint64) *pieces {
	var parts []string
	for len(input) > 0 {
		n := min(len(input), 1+int(seed%7))
		parts, input = append(parts, input[:n]), input[n:]
		seed = seed*6364136223846793005 + 1442695040888963407
		seed ^= seed >> 33
	}
	return inPieces(parts...)
}

// tightLimits returns limits that a short input can reach.
func tightLimits() Limits {
	return Limits{
		StartLine: 40, Method: 8, Head: 120, Field: 60, Fields: 4, EmptyLines: 2,
		ChunkLine: 24, ChunkExcess: 20, Trailer: 40, TrailerFields: 2,
	}
}

func FuzzRequestsInPiecesAndWhole(f *testing.F) {
	for i, c := range inputs {
		f.Add(c.input, uint64(i))
	}
	f.Fuzz(func(t *testing.T, input string, seed uint64) {
		for _, limits := range []Limits{ServerLimits(), tightLimits()} {
			seen, err := serve(inPieces(input), limits)
			again, failure := serve(cutBy(input, seed), limits)
			require.Equal(t, fmt.Sprint(seen, err), fmt.Sprint(again, failure))
		}
	})
}

// FuzzRequestsByTheGrammar compares the inputs that both support: targets in origin form, and hosts without brackets.
func FuzzRequestsByTheGrammar(f *testing.F) {
	for _, c := range inputs {
		f.Add(c.input)
	}
	for _, line := range obfuscations("Transfer-Encoding", "chunked") {
		f.Add("POST / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n" + obfuscatedBody + smuggled)
	}
	f.Fuzz(func(t *testing.T, input string) {
		want, verdict := byGrammar(input)
		got, status := readRequests(t, inPieces(input))
		if len(input) > 4<<10 || strings.Contains(input, "://") || strings.ContainsAny(input, "*[") || strings.Contains(input, "CONNECT") {
			return
		}
		require.Equal(t, verdict == 0, status == 0, "%q %d, %q %d", want, verdict, got, status)
		require.Equal(t, strings.Join(want, "|"), latin1(strings.Join(got, "|")))
	})
}

func FuzzResponsesInPiecesAndWhole(f *testing.F) {
	for i, c := range responses {
		f.Add(c.input, c.method, uint64(i))
	}
	f.Fuzz(func(t *testing.T, input, method string, seed uint64) {
		for _, limits := range []Limits{ClientLimits(), tightLimits()} {
			seen, err := receive(inPieces(input), limits, method)
			again, failure := receive(cutBy(input, seed), limits, method)
			require.Equal(t, fmt.Sprint(seen, err), fmt.Sprint(again, failure))
		}
	})
}

// FuzzRequestsBesideNetHTTP requires that net/http accepts everything that this package accepts, with the same result.
func FuzzRequestsBesideNetHTTP(f *testing.F) {
	for _, c := range inputs {
		f.Add(c.input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		limits := ServerLimits()
		src := inPieces(input)
		var head RequestHead
		if head.Read(t.Context(), src, &limits) != nil || strings.HasPrefix(input, "\r\n") {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(input)))
		if err != nil {
			mayDiffer(t, &head, err)
			return
		}
		require.Equal(t, r.Method, string(head.Method()))
		require.Equal(t, r.RequestURI, string(head.Target()))
		require.Equal(t, r.Host, string(head.Authority))
		require.Equal(t, withoutHost(&head.Fields), r.Header)
		head.Discard(src)
		var body Body
		body.Reset(src, head.Framing, &limits)
		ours, ourErr := io.ReadAll(bodyReader{&body})
		theirs, theirErr := io.ReadAll(r.Body)
		if ourErr == nil && !spaceBeforeSemicolon(input) {
			require.NoError(t, theirErr)
			require.Equal(t, theirs, ours)
			requireTrailers(t, body.Trailers(), r.Trailer)
		}
	})
}

// spaceBeforeSemicolon reports whether there may be white space before a chunk extension, which net/http rejects.
func spaceBeforeSemicolon(input string) bool {
	return strings.Contains(input, " ;") || strings.Contains(input, "\t;")
}

// mayDiffer permits the inputs that net/http rejects although the syntax of HTTP allows them: a target or host that is
// not a URL.
func mayDiffer(t *testing.T, head *RequestHead, err error) {
	text := err.Error()
	for _, known := range []string{"parse ", "malformed Host header", "bad trailer key"} {
		if strings.Contains(text, known) {
			return
		}
	}
	t.Fatalf("net/http refuses %q: %v", head.Target(), err)
}

// withoutHost returns the fields in the form of net/http: without Host, Transfer-Encoding and Trailer.
func withoutHost(f *Fields) http.Header {
	h := http.Header{}
	for i := range f.Len() {
		switch f.Known(i) {
		case Host, TransferEncoding, Trailer:
			continue
		}
		name := Canonical(f.Name(i), f.Known(i))
		h[name] = append(h[name], string(f.Value(i)))
	}
	if h.Get("Pragma") == "no-cache" && h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache"} // net/http adds it
	}
	return h
}

// requireTrailers compares the trailers that net/http kept: announced ones remain, even if empty.
func requireTrailers(t *testing.T, ours *Fields, theirs http.Header) {
	for i := range ours.Len() {
		name := Canonical(ours.Name(i), ours.Known(i))
		require.Contains(t, theirs[name], string(ours.Value(i)))
	}
}

// FuzzResponsesBesideNetHTTP requires that the responses that both accept have the same body.
func FuzzResponsesBesideNetHTTP(f *testing.F) {
	for _, c := range responses {
		f.Add(c.input, c.method == "HEAD")
	}
	f.Fuzz(func(t *testing.T, input string, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		limits := ClientLimits()
		src := inPieces(input)
		var head ResponseHead
		if head.Read(t.Context(), src, &limits) != nil {
			return
		}
		framing, _, err := head.Framing(method)
		r, theirErr := http.ReadResponse(bufio.NewReader(strings.NewReader(input)), &http.Request{Method: method})
		if err != nil || theirErr != nil {
			return
		}
		require.Equal(t, r.StatusCode, head.Status)
		if len(head.folded) > 0 || head.marks.codings > 0 && framing.Kind != Chunked {
			return // net/http joins or rejects these differently
		}
		head.Discard(src)
		var body Body
		body.Reset(src, framing, &limits)
		ours, ourErr := io.ReadAll(bodyReader{&body})
		theirs, theirErr := io.ReadAll(r.Body)
		if ourErr == nil && theirErr == nil {
			require.Equal(t, theirs, ours)
		}
	})
}

func FuzzChunkedBodyIsReadAsItWasWritten(f *testing.F) {
	f.Add([]byte("hello"), uint16(2), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, size uint16, seed uint64) {
		sink := &written{}
		w := newWriter(sink, Framing{Kind: Chunked})
		rest := data
		for len(rest) > 0 {
			n := min(len(rest), 1+int(size))
			require.NoError(t, w.Write(t.Context(), nil, rest[:n]))
			rest = rest[n:]
		}
		require.NoError(t, w.Finish(t.Context(), nil, nil, nil))
		got, err := io.ReadAll(bodyReader{newBody(cutBy(sink.String(), seed), Framing{Kind: Chunked})})
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
	})
}

// FuzzErrorsAreOfThisPackage requires every error to be a documented one.
func FuzzErrorsAreOfThisPackage(f *testing.F) {
	for _, c := range inputs {
		f.Add(c.input)
	}
	f.Fuzz(func(t *testing.T, input string) {
		var broken *Error
		_, err := serve(inPieces(input), ServerLimits())
		require.True(t, err == io.EOF || err == io.ErrUnexpectedEOF || errors.As(err, &broken), "%v", err)
	})
}
