package http1

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/stream"
)

var errCancelled = errors.New("cancelled")

func newBody(src *pieces, framing Framing) *Body {
	limits := ServerLimits()
	b := &Body{}
	b.Reset(src, framing, &limits)
	return b
}

func TestBodyLeavesWhatFollowsIt(t *testing.T) {
	for input, framing := range map[string]Framing{
		"next":                                  {Kind: NoBody},
		"abcnext":                               {Kind: Sized, Length: 3},
		"3\r\nabc\r\n0\r\nA: b\r\n\r\nnext":     {Kind: Chunked},
		"1\r\na\r\n2\r\nbc\r\n0000\r\n\r\nnext": {Kind: Chunked},
	} {
		for at := range len(input) {
			src := cutAt(input, at)
			b := newBody(src, framing)
			require.NoError(t, b.Drain(t.Context(), 1<<20))
			require.True(t, b.Done())
			rest, err := io.ReadAll(sourceReader{src})
			require.NoError(t, err)
			require.Equal(t, "next", string(rest), "%q cut at %d", input, at)
		}
	}
}

type sourceReader struct{ src *pieces }

func (r sourceReader) Read(p []byte) (int, error) { return r.src.Read(context.Background(), p) }

func TestBodyUntilCloseEndsWithTheStream(t *testing.T) {
	b := newBody(inPieces("abc", "def"), Framing{Kind: UntilClose})
	p := make([]byte, 4)
	n, err := b.Read(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "abc", string(p[:n]))
	require.NoError(t, b.Drain(t.Context(), 3))
	_, err = b.Read(t.Context(), p)
	require.Equal(t, io.EOF, err)
	require.True(t, b.Done())
}

func TestBodyIsDoneAsSoonAsItsEndHasArrived(t *testing.T) {
	b := newBody(inPieces("3\r\nabc\r\n0\r\n\r\n"), Framing{Kind: Chunked})
	p := make([]byte, 3)
	_, err := b.Read(t.Context(), p)
	require.NoError(t, err)
	require.True(t, b.Done(), "the last chunk is at hand")

	b = newBody(inPieces("3\r\nabc\r\n", "0\r\n\r\n"), Framing{Kind: Chunked})
	_, err = b.Read(t.Context(), p)
	require.NoError(t, err)
	require.False(t, b.Done())
}

func TestErrorOfTheSourceLetsTheBodyGoOn(t *testing.T) {
	src := inPieces("3\r\na")
	src.end = errCancelled
	b := newBody(src, Framing{Kind: Chunked})
	p := make([]byte, 8)
	n, err := b.Read(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "a", string(p[:n]))
	_, err = b.Read(t.Context(), p)
	require.Equal(t, errCancelled, err)
	require.NoError(t, b.Err())
	src.rest, src.end = [][]byte{[]byte("bc\r\n0\r\n\r\n")}, nil
	n, err = b.Read(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "bc", string(p[:n]))
	_, err = b.Read(t.Context(), p)
	require.Equal(t, io.EOF, err)
}

func TestErrorOfTheSourceBeforeAChunkLetsTheBodyGoOn(t *testing.T) {
	src := inPieces("3\r\nabc\r\n")
	src.end = errCancelled
	b := newBody(src, Framing{Kind: Chunked})
	p, err := b.Next(t.Context())
	require.NoError(t, err)
	b.Discard(len(p))
	_, err = b.Next(t.Context())
	require.Equal(t, errCancelled, err, "the line of the next chunk is waited for")
	src.rest, src.end = [][]byte{[]byte("0\r\n\r\n")}, nil
	_, err = b.Next(t.Context())
	require.Equal(t, io.EOF, err)
}

func TestErrorOfTheBodyIsSticky(t *testing.T) {
	for input, want := range map[string]error{"1\r\nab": errChunkEnd, "1\r\na": io.ErrUnexpectedEOF, "x\r\n": errChunkLine} {
		b := newBody(inPieces(input, "more"), Framing{Kind: Chunked})
		if want == io.ErrUnexpectedEOF {
			b = newBody(inPieces(input), Framing{Kind: Chunked})
		}
		var err error
		for err == nil {
			var p []byte
			if p, err = b.Next(t.Context()); err == nil {
				b.Discard(len(p))
			}
		}
		require.Equal(t, want, err)
		require.Equal(t, want, b.Err())
		_, err = b.Read(t.Context(), make([]byte, 1))
		require.Equal(t, want, err)
		require.False(t, b.Done())
	}
}

func TestDrainDropsUpToItsLimit(t *testing.T) {
	ten := strings.Repeat("1\r\nx\r\n", 10) + "0\r\n\r\n"
	require.NoError(t, newBody(byteByByte(ten), Framing{Kind: Chunked}).Drain(t.Context(), 10))
	require.ErrorIs(t, newBody(byteByByte(ten), Framing{Kind: Chunked}).Drain(t.Context(), 9), stream.ErrTooLarge)
	require.NoError(t, newBody(inPieces("0123456789"), Framing{Kind: Sized, Length: 10}).Drain(t.Context(), 10))

	src := inPieces("0123456789")
	require.ErrorIs(t, newBody(src, Framing{Kind: Sized, Length: 10}).Drain(t.Context(), 9), stream.ErrTooLarge)
	require.Empty(t, src.Buffered(), "a length that is too large is known without reading")
}

func TestTrailersThatMustNotBeThereAreTold(t *testing.T) {
	forbidden := []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Authorization", "cookie", "Set-Cookie", "Trailer", "TE",
		"Expect", "Upgrade", "Content-Type", "Content-Encoding", "Content-Range", "Cache-Control", "Range", "Keep-Alive",
		"Proxy-Authorization", "Proxy-Authenticate", "WWW-Authenticate", "Max-Forwards", "Proxy-Connection",
		"Authentication-Info",
	}
	for _, name := range forbidden {
		require.False(t, Lookup(name).InTrailer(), name)
	}
	for _, name := range []string{"X-Checksum", "Etag", "Grpc-Status", "Server-Timing"} {
		require.True(t, Lookup(name).InTrailer(), name)
	}
}
