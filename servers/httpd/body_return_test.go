package httpd

import (
	"context"
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
	for name, test := range map[string]struct {
		duplex bool
		text   string
	}{
		"reply": {text: "hello"}, "no reply": {},
		"full duplex": {duplex: true, text: "hello"}, "full duplex, no reply": {duplex: true},
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.duplex {
					_ = http.NewResponseController(w).EnableFullDuplex()
				}
				go func() { // the test waits for it
					_, err := r.Body.Read(make([]byte, 1))
					failed <- err
				}()
				for r.Body.(*requestBody).mu.TryLock() { // until it reads
					r.Body.(*requestBody).mu.Unlock()
					runtime.Gosched()
				}
				_, _ = io.WriteString(w, test.text)
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

// TestReadThatOutlivesItsHandlerDelaysNoReplyOverHTTP2 has a client that waits for the whole reply before it sends the
// body.
func TestReadThatOutlivesItsHandlerDelaysNoReplyOverHTTP2(t *testing.T) {
	for name, text := range map[string]string{"reply": "hello", "no reply": ""} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := r.Body.(*streamBody)
				go func() { // the test waits for it
					_, err := body.Read(make([]byte, 1))
					failed <- err
				}()
				for body.mu.TryLock() { // until it reads
					body.mu.Unlock()
					runtime.Gosched()
				}
				_, _ = io.WriteString(w, text)
			}), nil)
			s, err := h2conn(t, addr).Open(t.Context(), ask2("POST"), false)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for err == nil {
				_, err = s.In.Read(ctx, make([]byte, 100))
			}
			require.ErrorIs(t, err, io.EOF)
			require.ErrorIs(t, awaitIn(t, failed), http.ErrBodyReadAfterClose)
		})
	}
}
