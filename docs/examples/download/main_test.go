package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/servers/httpd"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// fileServer serves one file, and refuses requests once left of them were answered.
type fileServer struct {
	content []byte
	left    atomic.Int64
	asked   atomic.Int64
	etag    atomic.Value
	size    atomic.Int64 // of content
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if s.left.Add(-1) < 0 {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("ETag", s.etag.Load().(string))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.content[:s.size.Load()]))
}

func start(t *testing.T) (*fileServer, download, *bytes.Buffer) {
	s := &fileServer{content: make([]byte, 100_001)}
	for i := range s.content {
		s.content[i] = byte(rand.Uint32())
	}
	s.left.Store(1000)
	s.size.Store(int64(len(s.content)))
	s.etag.Store(`"one"`)
	var shown bytes.Buffer
	d := download{path: filepath.Join(t.TempDir(), "file"), parallel: 3, partSize: 1000, show: &shown}
	d.serve(t, s)
	return s, d, &shown
}

// serve makes d download from h.
func (d *download) serve(t *testing.T, h http.Handler) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- httpd.New(h, nil).Serve(ctx, ln) }()
	c := httpc.New(&httpc.Config{StatusErrors: true, KeepBodies: true})
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		cancel()
		require.NoError(t, <-served)
	})
	d.client, d.url = c, "http://"+ln.Addr().String()
}

func TestDownloadInParts(t *testing.T) {
	s, d, shown := start(t)
	require.NoError(t, d.run(t.Context()))
	got, err := os.ReadFile(d.path)
	require.NoError(t, err)
	require.Equal(t, s.content, got)
	require.Contains(t, shown.String(), "100 %\n")
	require.EqualValues(t, 1+101, s.asked.Load())
}

func TestResumeWhereItStopped(t *testing.T) {
	s, d, _ := start(t)
	s.left.Store(50)
	again := d
	require.Error(t, d.run(t.Context()))
	require.Positive(t, d.done)
	s.left.Store(1000)
	s.asked.Store(0)
	require.NoError(t, again.run(t.Context()))
	got, err := os.ReadFile(d.path)
	require.NoError(t, err)
	require.Equal(t, s.content, got)
	require.InDelta(t, 1+101-d.done, s.asked.Load(), float64(d.parallel), "requests that were cancelled may arrive late")
	left, err := filepath.Glob(d.path + ".*")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAnotherVersionBeginsAnew(t *testing.T) {
	s, d, _ := start(t)
	s.left.Store(50)
	again := d
	require.Error(t, d.run(t.Context()))
	s.left.Store(1000)
	s.asked.Store(0)
	s.etag.Store(`"two"`)
	s.size.Store(10_001)
	require.NoError(t, again.run(t.Context()))
	got, err := os.ReadFile(d.path)
	require.NoError(t, err)
	require.Equal(t, s.content[:10_001], got, "nothing is left of the longer version")
	require.GreaterOrEqual(t, int(s.asked.Load()), 1+11)
	require.LessOrEqual(t, int(s.asked.Load()), 1+11+d.parallel, "requests that the first run gave up may arrive late")
}

// TestServersThatLieAboutParts has servers answer with what looks like the part asked for.
func TestServersThatLieAboutParts(t *testing.T) {
	for name, test := range map[string]struct {
		tag, given string // the ETag of the file, and of a part
		shift      int    // of the parts
		complains  string
	}{
		"other bytes":      {`"one"`, `"one"`, 1, "bytes 1-1000/100001"},
		"no Content-Range": {`"one"`, `"one"`, -1, `""`},
		"another version":  {`"one"`, `"two"`, 0, "has changed"},
		"weak ETag":        {`W/"one"`, `W/"one"`, 0, "weak"},
	} {
		t.Run(name, func(t *testing.T) {
			s, d, _ := start(t)
			d.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", test.tag)
				w.Header().Set("Accept-Ranges", "bytes")
				w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
				if r.Method == http.MethodHead {
					return
				}
				var from, to int
				_, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
				assert.NoError(t, err)
				w.Header().Set("ETag", test.given)
				w.Header().Set("Content-Length", fmt.Sprint(to+1-from))
				if test.shift >= 0 {
					from, to = from+test.shift, to+test.shift
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(s.content)))
				}
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(make([]byte, to+1-from))
			}))
			require.ErrorContains(t, d.run(t.Context()), test.complains)
			require.NoFileExists(t, d.path)
		})
	}
}

// TestResumeNeedsWhatWasDownloaded resumes after someone removed the unfinished file.
func TestResumeNeedsWhatWasDownloaded(t *testing.T) {
	s, d, _ := start(t)
	s.left.Store(50)
	again := d
	require.Error(t, d.run(t.Context()))
	require.Positive(t, d.done)
	require.NoError(t, os.Remove(d.path+".part"))
	s.left.Store(1000)
	require.NoError(t, again.run(t.Context()))
	got, err := os.ReadFile(d.path)
	require.NoError(t, err)
	require.Equal(t, s.content, got)
}
