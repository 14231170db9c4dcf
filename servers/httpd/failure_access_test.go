package httpd

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

// brokenFS has files that cannot be read, and brokenCoding a coding whose writers fail.
type (
	brokenFS     struct{ fs.FS }
	brokenFile   struct{ fs.File }
	brokenCoding struct{ Coding }
	brokenWriter struct{ CodingWriter }
)

func (b brokenFS) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	return brokenFile{f}, err
}

func (brokenFile) Read([]byte) (int, error) { return 0, errBoom }

func (c brokenCoding) NewWriter(w io.Writer) CodingWriter {
	return brokenWriter{c.Coding.NewWriter(w)}
}

func (brokenWriter) Close() error { return errBoom }

// TestReasonWhyAReplyIsCutIsInItsAccess compares what the hooks are told, over both versions of HTTP.
func TestReasonWhyAReplyIsCutIsInItsAccess(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"stream": Reply(func(context.Context, *http.Request) (Response, error) {
			return TextStream(failingSource("begun", errBoom)), nil
		}),
		"file":   Files(brokenFS{fstest.MapFS{"index.html": {Data: make([]byte, 100)}}}, nil),
		"coding": Compress(say(largeFile), &CompressConfig{Codings: []Coding{brokenCoding{Gzip(1)}}}),
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan Access, 1)
			addr := start(t, handler, &Config{Hooks: &Hooks{Ended: func(a Access) { seen <- a }}})
			nc, _ := dial(t, addr)
			_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
			require.NoError(t, err)
			require.ErrorIs(t, awaitIn(t, seen).Err, errBoom)
			s, err := h2conn(t, addr).Open(t.Context(), ask2("GET", http2.Field{Name: "accept-encoding", Value: "gzip"}), true)
			require.NoError(t, err)
			hears(t, s)
			require.ErrorIs(t, awaitIn(t, seen).Err, errBoom)
		})
	}
}
