package httpd

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

// TestFilesOfAFormAreRemoved has handlers that parse a form with a stored file, and return, panic or exit.
func TestFilesOfAFormAreRemoved(t *testing.T) {
	body, kind := form(t, func(m *multipart.Writer) error { return addFile(m, "f", "f.bin", noise(1<<20)) })
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = z.Write(body.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for _, form := range []string{"HTTP/1", "HTTP/1 native", "HTTP/1 packed", "HTTP/2", "HTTP/2 packed"} {
		for name, end := range map[string]func(){
			"returns": func() {}, "panics": func() { panic(http.ErrAbortHandler) }, "exits": runtime.Goexit,
		} {
			t.Run(form+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("TMPDIR", dir)
				stored := make(chan int, 1)
				var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_ = r.ParseMultipartForm(0) // checked by the files it has stored
					stored <- filesIn(t, dir)
					end()
				})
				sent, coding := body.Bytes(), "identity"
				if strings.Contains(form, "packed") {
					h, sent, coding = Decompress(h, nil), packed.Bytes(), "gzip"
				}
				t.Run("exchange", func(t *testing.T) {
					var addr string
					if strings.Contains(form, "native") {
						addr, _ = startNative(t, func(_ context.Context, x Exchange) error {
							h.ServeHTTP(x.HTTP())
							return nil
						}, nil)
					} else {
						addr = start(t, h, nil)
					}
					if strings.HasPrefix(form, "HTTP/1") {
						rawReply(t, addr, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s",
							kind, coding, len(sent), sent))
						return
					}
					s, err := h2conn(t, addr).Open(t.Context(), ask2("POST", http2.Field{Name: "content-type", Value: kind},
						http2.Field{Name: "content-encoding", Value: coding}), false)
					require.NoError(t, err)
					require.NoError(t, s.Out.Finish(t.Context(), sent, nil))
					hears(t, s)
				})
				require.Equal(t, 1, <-stored)
				require.Zero(t, filesIn(t, dir))
			})
		}
	}
}

// TestFilesOfAFormOfACopiedRequestAreRemoved has a handler parse the form of a copy, of which a server knows nothing.
func TestFilesOfAFormOfACopiedRequestAreRemoved(t *testing.T) {
	body, kind := form(t, func(m *multipart.Writer) error { return addFile(m, "f", "f.bin", noise(1<<20)) })
	stored := make(chan int, 1)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	parse := func(r *http.Request) int {
		_ = r.ParseMultipartForm(0) // checked by the files it has stored
		return filesIn(t, dir)
	}
	limited := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stored <- parse(r) })
	queue, reqs := Requests(nil)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for req := range reqs.All(context.Background()) {
			n := parse(req.Request)
			_ = req.Close() // answers
			stored <- n
		}
	}()
	for name, h := range map[string]http.Handler{"MaxBody": MaxBody(limited, 1<<30), "Requests": queue} {
		for _, begin := range []func(*testing.T) string{
			func(t *testing.T) string { return start(t, h, nil) },
			func(t *testing.T) string { return startStandard(t, h) },
		} {
			t.Run(name, func(t *testing.T) {
				rawReply(t, begin(t), fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
					kind, body.Len(), body.Bytes()))
			})
			require.Equal(t, 1, <-stored)
			require.Zero(t, filesIn(t, dir), name)
		}
	}
	require.NoError(t, reqs.Close())
	<-answered
}

// TestAFormIsParsedWhileAnotherGoroutineAborts has Abort run while the form of the request is set.
func TestAFormIsParsedWhileAnotherGoroutineAborts(t *testing.T) {
	body, kind := form(t, func(m *multipart.Writer) error { return addFile(m, "f", "f.bin", "content") })
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	h, reqs := Requests(nil)
	t.Cleanup(func() { _ = reqs.Close() })
	addr := start(t, h, nil)
	for range 20 {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			rawReply(t, addr, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, body.Len(), body.Bytes()))
		}()
		req, err := reqs.Recv(t.Context())
		require.NoError(t, err)
		aborted := make(chan struct{})
		req.Body = &countdown{ReadCloser: req.Body, left: body.Len(), f: func() { go func() { defer close(aborted); req.Abort() }() }}
		_ = req.ParseMultipartForm(0) // it may have been cut short
		<-aborted
		require.NoError(t, req.Close())
		require.Zero(t, filesIn(t, dir))
		<-answered
	}
}

// countdown calls f once, when the last of left bytes has been read.
type countdown struct {
	io.ReadCloser
	left int
	f    func()
}

func (b *countdown) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; n > 0 && b.left == 0 {
		b.f()
	}
	return n, err
}

// noise returns text that gzip compresses to half its length at best.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n)
	for i := range p {
		p[i] = 'a' + byte(r.IntN(26))
	}
	return string(p)
}

func filesIn(t *testing.T, dir string) int {
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	return len(all)
}
