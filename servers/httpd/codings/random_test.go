package codings_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers/httpd"
	"github.com/weir-go/weir/servers/httpd/codings"
)

func pack(coding string, p []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "br":
		w = brotli.NewWriter(&out)
	case "zstd":
		w, _ = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	}
	_, _ = w.Write(p)
	_ = w.Close()
	return out.Bytes()
}

// TestRandomBodiesAreDecompressed compares requests that are whole, in several members, cut, changed or followed by
// more with what was compressed.
func TestRandomBodiesAreDecompressed(t *testing.T) {
	first := rand.Uint64()
	for seed := first; seed < first+400; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		coding := []string{"gzip", "deflate", "br", "zstd"}[rnd.IntN(4)]
		members := 1
		if coding == "gzip" || coding == "zstd" {
			members += rnd.IntN(3)
		}
		var plain, packed []byte
		ends := map[int]bool{0: coding == "zstd"} // no frame at all is the empty body
		for range members {
			p := make([]byte, rnd.IntN(2)*rnd.IntN(70000)+rnd.IntN(100))
			if rnd.IntN(2) == 0 {
				for i := range p {
					p[i] = byte(rnd.Uint32())
				}
			} else if rnd.IntN(10) == 0 {
				p = make([]byte, rnd.IntN(6<<20))
			}
			plain = append(plain, p...)
			packed = append(packed, pack(coding, p)...)
			ends[len(packed)] = true
		}
		whole := len(packed)
		kind := rnd.IntN(4)
		if whole == 0 && kind != 2 {
			kind = 0 // there is nothing to cut or change
		}
		bad := false
		switch kind {
		case 1: // cut
			packed = packed[:rnd.IntN(len(packed))]
			bad = !ends[len(packed)]
		case 2: // more
			n := 2 + rnd.IntN(20)
			if rnd.IntN(2) == 0 {
				n = 2 + rnd.IntN(20000)
			}
			more := bytes.Repeat([]byte("x"), n)
			packed = append(packed, more...)
			bad = true
		case 3: // changed
			packed[rnd.IntN(len(packed))] ^= 1 << rnd.IntN(8)
		}
		cfg := &httpd.DecompressConfig{Codings: codings.Readers(), MaxBody: int64(rnd.IntN(3) * rnd.IntN(100000))}
		var got []byte
		var err error
		size := 1 + rnd.IntN(40000)
		h := httpd.Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var out bytes.Buffer
			_, err = io.CopyBuffer(struct{ io.Writer }{&out}, struct{ io.Reader }{r.Body}, make([]byte, size))
			got = out.Bytes()
			if n, err2 := r.Body.Read(make([]byte, 9)); n != 0 || err2 == nil || (err == nil) != (err2 == io.EOF) {
				t.Errorf("seed %d: after %v: %d %v", seed, err, n, err2)
			}
		}), cfg)
		var body io.Reader = bytes.NewReader(packed)
		switch rnd.IntN(4) {
		case 0:
			body = iotest.OneByteReader(body)
		case 1:
			body = iotest.HalfReader(body)
		case 2:
			body = iotest.DataErrReader(body)
		}
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.ContentLength = -1
		r.Header.Set("Content-Encoding", coding)
		h.ServeHTTP(httptest.NewRecorder(), r)
		var refused *httpd.RequestError
		large := errors.Is(err, chanio.ErrTooLarge)
		mayRatio := len(plain) > 1<<20
		mustLarge := cfg.MaxBody > 0 && int64(len(plain)) > cfg.MaxBody
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Errorf("seed %d: %s kind %d: %v", seed, coding, kind, err)
		case large && !(mustLarge || mayRatio || kind == 3):
			t.Errorf("seed %d: %s kind %d: %v for %d", seed, coding, kind, err, len(plain))
		case err == nil && (mustLarge && kind != 1 && kind != 3):
			t.Errorf("seed %d: %s kind %d: %d bytes but at most %d", seed, coding, kind, len(got), cfg.MaxBody)
		case err == nil && bad:
			t.Errorf("seed %d: %s kind %d: accepted %d of %d, len %d", seed, coding, kind, len(packed), whole, len(got))
		case err != nil && kind == 0 && !large:
			t.Errorf("seed %d: %s kind %d: %v", seed, coding, kind, err)
		case err == nil && kind != 3 && !bytes.HasPrefix(plain, got), err == nil && kind == 0 && len(got) != len(plain):
			t.Errorf("seed %d: %s kind %d: wrong", seed, coding, kind)
		case err == nil && kind == 3 && coding != "br" && !bytes.Equal(got, plain):
			t.Errorf("seed %d: %s kind %d: changed data accepted %d %d", seed, coding, kind, len(got), len(plain))
		case cfg.MaxBody > 0 && int64(len(got)) > cfg.MaxBody:
			t.Errorf("seed %d: %s kind %d: %d > %d", seed, coding, kind, len(got), cfg.MaxBody)
		case int64(len(got)) > 1<<20+100*int64(len(packed))+40000:
			t.Errorf("seed %d: %s ratio %d %d", seed, coding, len(got), len(packed))
		}
		if kind == 1 && !bytes.HasPrefix(plain, got) {
			t.Errorf("seed %d: %s kind %d: not a prefix", seed, coding, kind)
		}
	}
}

// TestBodiesThatAreNotWhatTheirCodingSaysAreRefused has bodies that arrive byte by byte.
func TestBodiesThatAreNotWhatTheirCodingSaysAreRefused(t *testing.T) {
	for coding, packed := range map[string]string{
		"br":      "\x1b\xef\x27\x00\x24\x00\xe2\xb1\x40\x52\x3f\x00\x00",
		"deflate": string(pack("deflate", []byte("hello"))),
		"gzip":    string(pack("gzip", []byte("hello"))),
		"zstd":    string(pack("zstd", []byte("hello"))),
	} {
		for body, valid := range map[string]bool{packed: true, packed[:len(packed)-1]: false, packed + strings.Repeat("x", 9): false} {
			for _, body := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
				var err error
				h := httpd.Decompress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 1<<16))
				}), &httpd.DecompressConfig{Codings: codings.Readers()})
				r := httptest.NewRequest(http.MethodPost, "/", body)
				r.ContentLength = -1
				r.Header.Set("Content-Encoding", coding)
				h.ServeHTTP(httptest.NewRecorder(), r)
				if valid {
					require.NoError(t, err, coding)
					continue
				}
				var refused *httpd.RequestError
				require.ErrorAs(t, err, &refused, coding)
				require.Equal(t, http.StatusBadRequest, refused.Status, coding)
			}
		}
	}
}
