package httpd

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeptResponseWriterHarmsNoOtherRequest uses all of a ResponseWriter whose handler has returned, while the next
// request on its connection is in progress.
func TestKeptResponseWriterHarmsNoOtherRequest(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			var kept http.ResponseWriter
			var body io.ReadCloser
			send := make(chan struct{}, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if kept == nil {
					kept, body = w, r.Body
					send <- struct{}{}
					_, _ = io.WriteString(w, "first")
					return
				}
				rc, past := http.NewResponseController(kept), time.Now().Add(-time.Hour)
				_ = rc.SetReadDeadline(past)
				_ = rc.SetWriteDeadline(past)
				_ = rc.EnableFullDuplex()
				_, err := io.WriteString(kept, "more")
				require.Error(t, err)
				require.Error(t, rc.Flush())
				kept.Header().Set("X-Kept", "1")
				kept.WriteHeader(500)
				_, _, err = rc.Hijack()
				require.Error(t, err)
				for err = nil; err == nil; { // over HTTP/2 the first handler may still be about to return
					_, err = body.Read(make([]byte, 10))
				}
				require.NoError(t, body.Close())
				_ = Reset(kept, CodeCancel)
				require.Equal(t, proto, r.Proto)
				send <- struct{}{}
				p, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				_, _ = w.Write(p)
			}), nil)
			tr := &http.Transport{Protocols: new(http.Protocols)}
			tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
			tr.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			for _, want := range []string{"first", "second"} {
				in, out := io.Pipe()
				go func() { <-send; _, _ = io.WriteString(out, "second"); _ = out.Close() }()
				resp, err := c.Post("http://"+addr, "text/plain", in)
				require.NoError(t, err)
				p, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, want, string(p))
				require.Empty(t, resp.Header.Get("X-Kept"))
			}
		})
	}
}

// TestKeptCompressingWriterWritesNothing uses the writer of a compressed reply, which later replies would share.
func TestKeptCompressingWriterWritesNothing(t *testing.T) {
	var kept http.ResponseWriter
	addr := start(t, Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, longText)
		require.NoError(t, err)
		if kept == nil {
			kept = w
			return
		}
		_, err = io.WriteString(kept, "secret")
		require.Error(t, err)
		require.Error(t, http.NewResponseController(kept).Flush())
	}), nil), nil)
	for range 2 {
		resp, err := http.Get("http://" + addr) // which asks for gzip
		require.NoError(t, err)
		p, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.True(t, resp.Uncompressed)
		require.Equal(t, longText, string(p))
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestSinkThatIsLeftOpenIsCompressedToItsEnd has values in the channel of a Sink when the handler returns.
func TestSinkThatIsLeftOpenIsCompressedToItsEnd(t *testing.T) {
	const lines = 50
	addr := start(t, Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		c := Sink(w, r, nil).C(r.Context())
		for range lines {
			c <- []byte(strings.Repeat(r.URL.Path, 50))
		}
	}), nil), nil)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		wg.Go(func() {
			for range 5 {
				resp, err := (&http.Client{Transport: tr}).Get("http://" + addr + path)
				if !assert.NoError(t, err) {
					return
				}
				p, err := io.ReadAll(resp.Body)
				assert.NoError(t, err)
				assert.NoError(t, resp.Body.Close())
				assert.True(t, resp.Uncompressed)
				assert.Equal(t, strings.Repeat(path, 50*lines), string(p))
			}
		})
	}
	wg.Wait()
}
