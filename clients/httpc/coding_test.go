package httpc

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// flipped is a Coding that inverts all bits. It counts the decoders created and closed.
type flipped struct {
	made, closed atomic.Int64
	reading      atomic.Int64 // Reads in progress
	fail         error        // of a Read
}

func (c *flipped) Name() string { return "flip" }

func (c *flipped) NewReader(r io.Reader) (io.ReadCloser, error) {
	c.made.Add(1)
	return &flipping{r, c}, nil
}

type flipping struct {
	r io.Reader
	c *flipped
}

func (f *flipping) Read(p []byte) (int, error) {
	f.c.reading.Add(1)
	defer f.c.reading.Add(-1)
	n, err := f.r.Read(p)
	flip(p[:n])
	if f.c.fail != nil {
		return 0, f.c.fail
	}
	return n, err
}

func (f *flipping) Close() error {
	f.c.closed.Add(1)
	panic(closePanics)
}

func flip(p []byte) []byte {
	for i := range p {
		p[i] ^= 0xff
	}
	return p
}

// flippedAnswers serves an encoded body, which stops halfway if the path is /half.
func flippedAnswers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
	w.Header().Set("Content-Encoding", "flip")
	_, _ = w.Write(flip([]byte(long(20 << 10))))
	_ = http.NewResponseController(w).Flush()
	if r.URL.Path == "/half" {
		<-r.Context().Done()
	}
}

// TestDecodersOfTheConfigAreClosedOnce ends bodies in all possible ways.
func TestDecodersOfTheConfigAreClosedOnce(t *testing.T) {
	broken := errors.New("broken")
	for name, k := range map[string]struct {
		path string
		fail error
		end  func(t *testing.T, cancel context.CancelFunc, body io.ReadCloser)
	}{
		"read to its end": {end: func(t *testing.T, _ context.CancelFunc, body io.ReadCloser) {
			require.PanicsWithValue(t, closePanics, func() { _, _ = io.Copy(io.Discard, onlyReader{body}) })
		}},
		"fails": {fail: broken, end: func(t *testing.T, _ context.CancelFunc, body io.ReadCloser) {
			require.PanicsWithValue(t, closePanics, func() { _, _ = body.Read(make([]byte, 1)) })
			_, err := body.Read(make([]byte, 1))
			require.ErrorIs(t, err, broken)
		}},
		"closed within": {path: "/half", end: func(t *testing.T, _ context.CancelFunc, body io.ReadCloser) {
			_, err := io.ReadFull(body, make([]byte, 10))
			require.NoError(t, err)
			require.PanicsWithValue(t, closePanics, func() { _ = body.Close() })
		}},
		"closed beside a Read": {path: "/half", end: func(t *testing.T, _ context.CancelFunc, body io.ReadCloser) {
			_, err := io.ReadFull(body, make([]byte, 20<<10))
			require.NoError(t, err)
			read := make(chan any)
			go func() {
				defer func() { read <- recover() }()
				_, _ = body.Read(make([]byte, 1))
			}()
			coding := body.(*decoded).coding.(*flipped)
			require.Eventually(t, func() bool { return coding.reading.Load() == 1 }, testPatience, 1e6)
			require.NoError(t, body.Close())
			require.Equal(t, closePanics, <-read)
		}},
		"cancelled while nobody reads": {path: "/half", end: func(t *testing.T, cancel context.CancelFunc, body io.ReadCloser) {
			_, err := io.ReadFull(body, make([]byte, 10))
			require.NoError(t, err)
			cancel()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, flippedAnswers, func(t *testing.T, c *Client, base string) {
				coding := &flipped{fail: k.fail}
				c.t.cfg.Codings = []Coding{coding}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := c.RoundTrip(newRequest(t, "GET", base+k.path, nil).WithContext(ctx))
				require.NoError(t, err)
				k.end(t, cancel, resp.Body)
				require.Eventually(t, func() bool { return coding.closed.Load() == 1 }, testPatience, 1e6)
				_ = resp.Body.Close()
				_, err = resp.Body.Read(make([]byte, 1))
				require.Error(t, err)
				require.EqualValues(t, 1, coding.made.Load())
				require.EqualValues(t, 1, coding.closed.Load())
			})
		})
	}
}

const closePanics = "a Close whose panic reaches its own goroutine at most"

type onlyReader struct{ io.Reader }

func TestCodingsOfTheConfigAreAskedForAndUndone(t *testing.T) {
	coding := &flipped{}
	base := serve(t, flippedAnswers)
	c := newClient(t, &Config{Codings: []Coding{quiet{coding}}})
	resp, err := c.Get(t.Context(), base)
	require.NoError(t, err)
	require.Equal(t, "flip, gzip", resp.Header.Get("X-Asked"))
	require.Equal(t, []string{"flip"}, resp.ContentEncoding)
	got, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, long(20<<10), got)
	require.EqualValues(t, 1, coding.closed.Load())
}

// quiet is a Coding whose Close does not panic.
type quiet struct{ *flipped }

func (q quiet) NewReader(r io.Reader) (io.ReadCloser, error) {
	return quietReader{io.NopCloser(&flipping{r, q.flipped}), q.flipped}, nil
}

type quietReader struct {
	io.ReadCloser
	c *flipped
}

func (r quietReader) Close() error {
	r.c.closed.Add(1)
	return nil
}

// TestBodiesMayGrow100TimesBehindTheFirstMiB sends noise followed by zeros, which gzip compresses a thousand times.
func TestBodiesMayGrow100TimesBehindTheFirstMiB(t *testing.T) {
	noise := make([]byte, 16<<10)
	for i, state := 0, uint32(1); i < len(noise); i++ {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	for name, k := range map[string]struct {
		text  string
		fails bool
	}{
		"1 MiB":              {text: string(make([]byte, 1<<20))},
		"2 MiB":              {text: string(make([]byte, 2<<20)), fails: true},
		"more than 100 to 1": {text: string(noise) + string(make([]byte, 2<<20)), fails: true},
		"less than 100 to 1": {text: string(noise) + string(make([]byte, 3<<19))},
	} {
		packed := gzipped(k.text)
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		})
		resp, err := newClient(t, nil).Get(t.Context(), base)
		require.NoError(t, err)
		got, err := resp.Bytes(t.Context())
		if k.fails {
			require.ErrorIs(t, err, chanio.ErrTooLarge, "%s: %d bytes", name, len(packed))
		} else {
			require.NoError(t, err, "%s: %d bytes", name, len(packed))
			require.True(t, string(got) == k.text)
		}
		require.NoError(t, resp.Close())
	}
}

// TestEmptyBodyIsWholeInEveryCoding uses servers that announce a coding and send an empty body.
func TestEmptyBodyIsWholeInEveryCoding(t *testing.T) {
	for name, rest := range map[string]string{
		"no chunk":      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"until the end": "Connection: close\r\n\r\n",
		"no length":     "Content-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, saysOnce("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"+rest))
			_, body := text(t, newClient(t, nil), s.url)
			require.Empty(t, body)
		})
	}
}

// TestCodingsThatWereNotAskedForStay checks that a body is returned as received if it has several codings, or one that is
// not known, or if it is a part.
func TestCodingsThatWereNotAskedForStay(t *testing.T) {
	for name, k := range map[string]struct {
		codings []string
		status  int
		want    string // "" means as it was sent
	}{
		"gzip":            {[]string{"gzip"}, 200, "hello"},
		"x-gzip":          {[]string{"X-GZIP"}, 200, "hello"},
		"two in one line": {[]string{"gzip, gzip"}, 200, ""},
		"two lines":       {[]string{"gzip", "gzip"}, 200, ""},
		"unknown":         {[]string{"br"}, 200, ""},
		"identity":        {[]string{"identity"}, 200, ""},
		"a part":          {[]string{"gzip"}, 206, ""},
		"an error":        {[]string{"gzip"}, 404, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Encoding"] = k.codings
				w.WriteHeader(k.status)
				_, _ = w.Write(gzipped("hello"))
			}, func(t *testing.T, c *Client, base string) {
				resp, err := c.Get(t.Context(), base)
				require.NoError(t, err)
				got, err := resp.Text(t.Context())
				require.NoError(t, err)
				if k.want == "" {
					require.Equal(t, string(gzipped("hello")), got)
					require.Len(t, resp.Header["Content-Encoding"], len(k.codings))
					require.Equal(t, k.codings[0], resp.ContentEncoding[0])
					return
				}
				require.Equal(t, k.want, got)
				require.Equal(t, []string{"gzip"}, resp.ContentEncoding)
			})
		})
	}
}

// dotted is a Coding whose decoder ends at a dot, before the end of the body.
type dotted struct{}

func (dotted) Name() string { return "dotted" }

func (dotted) NewReader(r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(&toDot{r: r}), nil
}

type toDot struct {
	r   io.Reader
	end bool
}

func (d *toDot) Read(p []byte) (int, error) {
	if d.end || len(p) == 0 {
		return 0, io.EOF
	}
	_, err := io.ReadFull(d.r, p[:1])
	if err != nil || p[0] == '.' {
		d.end = err == nil
		return 0, cmp.Or(err, io.EOF)
	}
	return 1, nil
}

// TestBodyGoesOnWhereItsDecoderStops checks that the end of the decoder is not taken for that of the body, where the
// trailers are.
func TestBodyGoesOnWhereItsDecoderStops(t *testing.T) {
	for name, k := range map[string]struct {
		rest string
		err  error
	}{
		"whole":    {"2\r\na.\r\n0\r\nX-T: 1\r\n\r\n", nil},
		"cut":      {"2\r\na.\r\n", io.ErrUnexpectedEOF},
		"followed": {"3\r\na.b\r\n0\r\nX-T: 1\r\n\r\n", errBehind},
	} {
		t.Run(name, func(t *testing.T) {
			s := raw(t, saysOnce("HTTP/1.1 200 OK\r\nContent-Encoding: dotted\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"+k.rest))
			c := newClient(t, &Config{Codings: []Coding{dotted{}}})
			resp, err := c.Get(t.Context(), s.url)
			require.NoError(t, err)
			text, err := resp.Text(t.Context())
			require.ErrorIs(t, err, k.err)
			if k.err == nil {
				require.Equal(t, "a", text)
				require.Equal(t, "1", resp.Trailer().Get("X-T"))
			}
		})
	}
}
