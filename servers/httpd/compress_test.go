package httpd

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unpack"
)

var longText = strings.Repeat("compressible text, ", 500)

func gunzip(t *testing.T, packed string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(packed))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(plain)
}

func gzipped(plain string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, plain)
	_ = z.Close()
	return b.Bytes()
}

func TestRepliesThatAreCompressed(t *testing.T) {
	for _, c := range []struct {
		name       string
		handler    http.HandlerFunc
		compressed bool
		vary       bool
	}{
		{"long", say(longText), true, true},
		{"short", say("short"), false, true},
		{"in pieces", func(w http.ResponseWriter, _ *http.Request) {
			for piece := range strings.SplitAfterSeq(longText, ", ") {
				_, _ = io.WriteString(w, piece)
			}
		}, true, true},
		{"with a length", func(w http.ResponseWriter, r *http.Request) { answer(w, r, Text(longText), nil) }, true, true},
		{"short with a length", func(w http.ResponseWriter, r *http.Request) { answer(w, r, Text("short"), nil) }, false, false},
		{"flushed", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, longText[:19])
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, longText[19:])
		}, true, true},
		{"stream", func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, TextStream(chanio.FromSlice(strings.SplitAfter(longText, ", "))), nil)
		}, true, true},
		{"copied", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader(longText)) }, true, true},
		{"error", status(500, longText), true, true},
		{"off", func(w http.ResponseWriter, _ *http.Request) {
			NoCompression(unwrapping{w})
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"image", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"events", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"no-transform", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=1, No-Transform")
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"coded already", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"partial", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9499/9500")
			w.WriteHeader(206)
			_, _ = io.WriteString(w, longText)
		}, false, false},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, e environment) {
				s := e.start(t, Compress(c.handler, nil))
				want, plain, err := s.call(t, http.MethodGet, "/", nil)
				require.NoError(t, err)
				require.NotEqual(t, "gzip", want.Header.Get("Content-Encoding"))
				resp, body, err := s.call(t, http.MethodGet, "/", nil, "Accept-Encoding", "gzip")
				require.NoError(t, err)
				require.Equal(t, want.StatusCode, resp.StatusCode)
				require.Equal(t, want.Header.Get("Content-Type"), resp.Header.Get("Content-Type"))
				require.Equal(t, want.Header.Get("Vary"), resp.Header.Get("Vary"))
				require.Equal(t, c.vary, resp.Header.Get("Vary") == "Accept-Encoding")
				require.Equal(t, c.compressed, resp.Header.Get("Content-Encoding") == "gzip")
				if c.compressed {
					require.Less(t, len(body), len(plain)/4)
					body = gunzip(t, body)
				}
				require.Equal(t, plain, body)
			})
		})
	}
}

func TestCompressedReplyHasAWeakETagAndNoLength(t *testing.T) {
	h := Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, Text(longText).With("ETag", `"a"`), nil)
	}), nil)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		rec := ask(h, method, "/", "Accept-Encoding", "gzip")
		require.Equal(t, `W/"a"`, rec.Header().Get("Etag"))
		require.Empty(t, rec.Header().Get("Content-Length"))
		require.Equal(t, "gzip", rec.Header().Get("Content-Encoding"))
		require.Equal(t, `"a"`, ask(h, method, "/").Header().Get("Etag"))
	}
	rec := ask(h, http.MethodGet, "/", "Accept-Encoding", "gzip", "If-None-Match", `W/"a"`)
	require.Equal(t, http.StatusNotModified, rec.Code)
	require.Equal(t, `W/"a"`, rec.Header().Get("Etag"))
	require.Equal(t, "Accept-Encoding", rec.Header().Get("Vary"))
}

func TestCompressDetectsATypeOnlyWhereTheServerDoes(t *testing.T) {
	for name, set := range map[string]func(h http.Header){
		"encoded":    func(h http.Header) { h.Set("Content-Encoding", "gzip") },
		"suppressed": func(h http.Header) { h["Content-Type"] = nil },
	} {
		for _, length := range []int{10, 5000} {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				set(w.Header())
				_, _ = io.WriteString(w, "\x1f\x8b\x08"+strings.Repeat("x", length))
			})
			got := rawReply(t, start(t, Compress(h, nil), nil), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n")
			require.NotContains(t, got, "Content-Type", name)
		}
	}
}

func TestCompressAddsToVaryWhatIsMissing(t *testing.T) {
	for before, after := range map[string][]string{
		"Origin":                  {"Origin", "Accept-Encoding"},
		"Origin, accept-encoding": {"Origin, accept-encoding"},
		"*":                       {"*"},
	} {
		h := Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", before)
			_, _ = io.WriteString(w, longText)
		}), nil)
		require.Equal(t, after, ask(h, http.MethodGet, "/", "Accept-Encoding", "gzip").Header().Values("Vary"))
	}
}

func TestCodingIsTheOneThatTheClientLikesBest(t *testing.T) {
	h := Compress(say(longText), &CompressConfig{Codings: []Coding{Deflate(1), Gzip(9)}, MinSize: 1})
	for accept, want := range map[string]string{
		"gzip, deflate": "deflate", "gzip;q=0.9, deflate;q=0.8": "gzip", "*": "deflate", "deflate;q=0, *": "gzip",
		"identity": "", "br": "", "": "", "gzip;q=0.1, identity;q=0.5": "", "*;q=0": "",
	} {
		rec := ask(h, http.MethodGet, "/", "Accept-Encoding", accept)
		require.Equal(t, want, rec.Header().Get("Content-Encoding"), accept)
		switch want {
		case "gzip":
			require.Equal(t, longText, gunzip(t, rec.Body.String()))
		case "deflate":
			z, err := zlib.NewReader(rec.Body)
			require.NoError(t, err)
			plain, err := io.ReadAll(z)
			require.NoError(t, err)
			require.Equal(t, longText, string(plain))
		}
	}
	for _, level := range []int{0, 10, -3} {
		require.Panics(t, func() { Gzip(level) })
	}
}

func TestFlushSendsCompressedWhatWasWritten(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		goOn := make(chan struct{})
		s := e.start(t, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := Sink(w, r, nil)
			defer func() { _ = out.Close() }()
			w.Header().Set("Content-Type", "text/plain")
			_ = out.Send(r.Context(), []byte("first"))
			<-goOn
			_ = out.Send(r.Context(), []byte("second"))
		}), nil))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := s.client.Do(r)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		z, err := gzip.NewReader(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "first", readN(t, z, 5))
		close(goOn)
		rest, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, "second", string(rest))
	})
}

func TestPanicLeavesACompressedReplyIncomplete(t *testing.T) {
	forEach(t, func(t *testing.T, e environment) {
		s := e.start(t, Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, longText)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), nil))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := s.client.Do(r)
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.Error(t, err)
		require.NoError(t, resp.Body.Close())
	})
}

func TestRequestsThatAreDecompressed(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := io.ReadAll(r.Body)
		if err != nil {
			failed(w, r, err)
			return
		}
		if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" || r.Header.Get("Content-Length") != "" && r.ContentLength < 0 {
			http.Error(w, "header", 500)
			return
		}
		_, _ = w.Write(p)
	})
	var deflated bytes.Buffer
	z := zlib.NewWriter(&deflated)
	_, _ = io.WriteString(z, longText)
	require.NoError(t, z.Close())
	bomb := gzipped(strings.Repeat("\x00", 8<<20))
	for _, c := range []struct {
		name, coding string
		body         []byte
		status       int
		want         string
	}{
		{"plain", "", []byte("plain"), 200, "plain"},
		{"identity", "identity", []byte("plain"), 200, "plain"},
		{"gzip", "gzip", gzipped(longText), 200, longText},
		{"x-gzip", "X-GZIP", gzipped(longText), 200, longText},
		{"deflate", "deflate", deflated.Bytes(), 200, longText},
		{"unknown", "br", []byte("x"), 415, ""},
		{"two", "gzip, gzip", gzipped("x"), 415, ""},
		{"damaged", "gzip", []byte("no gzip at all"), 400, ""},
		{"cut short", "gzip", gzipped(longText)[:30], 400, ""},
		{"bomb", "gzip", bomb, 413, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(c.body))
			if c.coding != "" {
				r.Header.Set("Content-Encoding", c.coding)
			}
			rec := httptest.NewRecorder()
			Decompress(echo, nil).ServeHTTP(rec, r)
			require.Equal(t, c.status, rec.Code)
			if c.status == 200 {
				require.Equal(t, c.want, rec.Body.String())
			}
			if c.status == 415 {
				require.Equal(t, "gzip, deflate", rec.Header().Get("Accept-Encoding"))
			}
		})
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(gzipped(longText)))
	r.Header.Set("Content-Encoding", "gzip")
	rec := httptest.NewRecorder()
	Decompress(echo, &DecompressConfig{MaxBody: 100}).ServeHTTP(rec, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, rec.Code)
}

func TestWhatIsCompressedAndHowFarBodiesMayGrowAreChoices(t *testing.T) {
	images := &CompressConfig{Compressible: func(mediaType string) bool { return mediaType == "image/png" }}
	h := Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.RawQuery)
		_, _ = io.WriteString(w, longText)
	}), images)
	require.Equal(t, "gzip", ask(h, http.MethodGet, "/?image/PNG;a=b", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))
	require.Empty(t, ask(h, http.MethodGet, "/?text/plain", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))

	everything := &CompressConfig{Compressible: func(string) bool { return true }}
	ranges := Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "multipart/byteranges; boundary=a") // and no Content-Range
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, longText)
	}), everything)
	require.Empty(t, ask(ranges, http.MethodGet, "/", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))

	zeros := strings.Repeat("\x00", 2*unpack.RatioFrom)
	for ratio, status := range map[int]int{10_000: 200, 2: 413} {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(gzipped(zeros)))
		r.Header.Set("Content-Encoding", "gzip")
		rec := httptest.NewRecorder()
		Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				failed(w, r, err)
			}
		}), &DecompressConfig{MaxRatio: ratio}).ServeHTTP(rec, r)
		require.Equal(t, status, rec.Code)
	}
}
