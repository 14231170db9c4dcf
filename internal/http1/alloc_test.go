package http1

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

var testContext = context.Background()

// repeating is a ByteSource that yields the same bytes repeatedly, without allocating.
type repeating struct {
	message []byte
	buf     []byte
}

func (s *repeating) Buffered() []byte { return s.buf }
func (s *repeating) Fill(context.Context, int) error {
	s.buf = s.message
	return nil
}
func (s *repeating) Discard(n int) { s.buf = s.buf[n:] }
func (s *repeating) Read(_ context.Context, p []byte) (int, error) {
	n := copy(p, s.buf)
	s.Discard(n)
	return n, nil
}
func (s *repeating) Clone(p []byte) []byte { return p }

// discarding is a ByteSink that discards everything.
type discarding struct{ scratch []byte }

func (s *discarding) Begin() []byte                             { return s.scratch[:0] }
func (s *discarding) End(context.Context, []byte, []byte) error { return nil }
func (s *discarding) TryEnd(scratch, body []byte) (bool, error) { return true, nil }

const small = "POST /hello?a=b HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: x/1\r\nX-Own: y\r\nAccept: */*\r\n" +
	"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\n"

func TestRequestIsReadWithoutAllocations(t *testing.T) {
	src := &repeating{message: []byte(small)}
	limits := ServerLimits()
	var (
		head RequestHead
		body Body
	)
	read := func() {
		if head.Read(testContext, src, &limits) != nil {
			panic("head")
		}
		head.Discard(src)
		body.Reset(src, head.Framing, &limits)
		if body.Drain(testContext, 5) != nil || body.Trailers().Len() != 1 {
			panic("body")
		}
	}
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))
}

func TestResponseIsReadWithoutAllocations(t *testing.T) {
	src := &repeating{message: []byte("HTTP/1.1 200 OK\r\nDate: x\r\nFolded: a\r\n b\r\nContent-Length: 5\r\n\r\nhello")}
	limits := ClientLimits()
	var (
		head ResponseHead
		body Body
	)
	read := func() {
		if head.Read(testContext, src, &limits) != nil {
			panic("head")
		}
		framing, reuse, err := head.Framing("GET")
		head.Discard(src)
		body.Reset(src, framing, &limits)
		if err != nil || !reuse || body.Drain(testContext, 5) != nil {
			panic("body")
		}
	}
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))
}

func TestResponseIsWrittenWithoutAllocations(t *testing.T) {
	sink := &discarding{scratch: make([]byte, 0, 4<<10)}
	hello := []byte("hello")
	var w Writer
	for _, framing := range []Framing{{Kind: Sized, Length: 5}, {Kind: Chunked}} {
		write := func() {
			head := AppendStatusLine(sink.Begin(), 200)
			head = AppendField(head, "Content-Type", "text/plain")
			head = AppendHeadEnd(AppendFraming(head, framing))
			w.Reset(sink, framing)
			if w.Finish(testContext, head, hello, nil) != nil {
				panic("write")
			}
		}
		require.Zero(t, testing.AllocsPerRun(100, write))
	}
}

func TestWellKnownNamesAreNotAllocated(t *testing.T) {
	name := []byte("content-type")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if Canonical(name, Lookup(name)) != "Content-Type" {
			panic("name")
		}
	}))
}

func TestHeadThatIsAllEndsIsNotKept(t *testing.T) {
	var head RequestHead
	limits := ServerLimits()
	require.Equal(t, io.EOF, head.Read(t.Context(), inPieces(), &limits))
}

func BenchmarkRequestHead(b *testing.B) {
	p := []byte(get("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)", "Accept: */*",
		"Accept-Encoding: gzip, deflate, br", "Accept-Language: en-US,en;q=0.9", "Cookie: a=0123456789abcdef0123456789abcdef"))
	limits := ServerLimits()
	var head RequestHead
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		head.Reset(&limits)
		if done, _ := head.Parse(p); !done {
			b.Fatal("not done")
		}
	}
}
