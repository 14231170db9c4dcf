package httpd

import (
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReadThatOutlivesItsHandlerEndsSoon has a handler return while another goroutine of it waits for the body, which
// never comes. BodyTimeout is longer than the test waits.
func TestReadThatOutlivesItsHandlerEndsSoon(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"reply":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"no reply": func(http.ResponseWriter, *http.Request) {},
		"full duplex": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.WriteString(w, "hello")
		},
		"full duplex, no reply": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				go func() { // the test waits for it
					_, err := r.Body.Read(make([]byte, 1))
					failed <- err
				}()
				for r.Body.(*requestBody).mu.TryLock() { // until it reads
					r.Body.(*requestBody).mu.Unlock()
					runtime.Gosched()
				}
				handle(w, r)
			}), &Config{DrainTimeout: 10 * time.Millisecond})
			nc, in := dial(t, addr)
			_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
			require.NoError(t, err)
			r, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, 200, r.StatusCode)
			_, err = io.Copy(io.Discard, r.Body)
			require.NoError(t, err)
			require.Error(t, <-failed)
			_, err = in.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}
