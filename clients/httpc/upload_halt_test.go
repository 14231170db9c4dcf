package httpc

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestRefusedUploadClosesItsSource answers before a body of a Source, within others, has begun or ended.
func TestRefusedUploadClosesItsSource(t *testing.T) {
	count := func(int64) {}
	for name, wrap := range map[string]func(Body) Body{
		"plain":         func(b Body) Body { return b },
		"in a dump":     func(b Body) Body { return b },
		"with progress": func(b Body) Body { return b.WithProgress(count) },
		"a part":        func(b Body) Body { return Multipart(Part{Name: "x", Body: b}) },
		"both": func(b Body) Body {
			return Multipart(Field("a", "b"), Part{Name: "x", Body: b.WithProgress(count)}).WithProgress(count)
		},
	} {
		for _, secure := range []bool{false, true} {
			for _, begun := range []bool{false, true} {
				t.Run(name, func(t *testing.T) {
					handler := func(w http.ResponseWriter, r *http.Request) {
						if begun {
							_, _ = r.Body.Read(make([]byte, 1))
						}
						if !secure {
							w.Header().Set("Connection", "close") // or net/http waits for the body
						}
						w.WriteHeader(http.StatusRequestEntityTooLarge)
					}
					srv := httptest.NewUnstartedServer(http.HandlerFunc(handler))
					srv.EnableHTTP2 = secure
					if secure {
						srv.StartTLS()
					} else {
						srv.Start()
					}
					t.Cleanup(srv.Close)
					ch := make(chan []byte, 1)
					if begun {
						ch <- []byte("some")
					}
					src := chanio.From(ch)
					c := newClient(t, &Config{Connect: trusting()})
					if name == "in a dump" {
						c.Dump(io.Discard, 10)
					}
					resp, err := c.Post(t.Context(), srv.URL, wrap(Stream(src)))
					require.NoError(t, err)
					require.Equal(t, http.StatusRequestEntityTooLarge, resp.Status)
					require.Equal(t, secure, resp.Proto == "HTTP/2.0")
					require.NoError(t, resp.Close())
					<-src.Done()
				})
			}
		}
	}
}

// TestHaltedPartsAreClosed interrupts a multipart body before each of its reads.
func TestHaltedPartsAreClosed(t *testing.T) {
	for at := range 6 {
		ch := make(chan []byte)
		src, second := chanio.From(ch), chanio.From(ch)
		body, err := Multipart(Field("a", "b"), Part{Name: "x", Body: Stream(src)}, Part{Name: "y", Body: Stream(second)}).reader(t.Context())
		require.NoError(t, err)
		p := make([]byte, 1<<10)
		for range min(at, 3) { // the head and the text, and the head of the next part
			_, err := body.Read(p)
			require.NoError(t, err)
		}
		if at > 3 {
			go interrupt(body) // ends with the test
		} else {
			interrupt(body)
		}
		_, err = io.Copy(io.Discard, body)
		require.Error(t, err)
		require.NoError(t, body.Close())
		<-src.Done()
		<-second.Done()
	}
}

// TestCompleteResponseOverHTTP2EndsTheUpload answers 200 in full while the next piece of the body is awaited.
func TestCompleteResponseOverHTTP2EndsTheUpload(t *testing.T) {
	s := framed(t, []answer{answersHead})
	in, out := io.Pipe()
	resp, err := newClient(t, &Config{Protocols: h2c()}).Post(t.Context(), s.url, Reader(in, -1))
	require.NoError(t, err)
	require.Equal(t, 200, resp.Status)
	_, err = out.Write([]byte("more"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NoError(t, resp.Close())
}

// TestResponseThatIsCutEndsTheUpload ends the connection within a response while the next piece of the request is awaited.
func TestResponseThatIsCutEndsTheUpload(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
	})
	in, out := io.Pipe()
	resp, err := newClient(t, nil).Post(t.Context(), s.url, Reader(in, -1))
	require.NoError(t, err)
	_, err = resp.Bytes(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = out.Write([]byte("more"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
