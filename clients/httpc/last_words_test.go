package httpc

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/memconn"
)

// refusing is a net.Conn to a server that answers and takes no more when a Write of the client fails.
type refusing struct {
	net.Conn
	server net.Conn
	writes int // that succeed
	answer string
	ends   bool // the server ends the other direction too
}

func (r *refusing) Write(p []byte) (int, error) {
	if r.writes > 0 {
		r.writes--
		return len(p), nil
	}
	_, _ = io.WriteString(r.server, r.answer)
	r.answer = ""
	if r.ends {
		_ = r.server.Close()
	}
	return 0, syscall.EPIPE
}

// TestAnswerBeforeAFailedWriteIsHeard has writes of the head or the body fail when the server has answered, or not.
func TestAnswerBeforeAFailedWriteIsHeard(t *testing.T) {
	const refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
	requests := map[string]struct {
		r      func() Request
		writes int
	}{
		"none":             {func() Request { return Request{} }, 0},
		"a few bytes":      {func() Request { return Request{Method: "POST", Body: Text("text")} }, 0},
		"a body":           {func() Request { return Request{Method: "POST", Body: Bytes(make([]byte, 20000))} }, 0},
		"a large body":     {func() Request { return Request{Method: "POST", Body: Bytes(make([]byte, 1<<20))} }, 0},
		"large, its head":  {func() Request { return Request{Method: "POST", Body: Bytes(make([]byte, 1<<20))} }, 1},
		"stream":           {func() Request { return Request{Method: "POST", Body: Reader(strings.NewReader("text"), -1)} }, 0},
		"stream, its head": {func() Request { return Request{Method: "POST", Body: Reader(strings.NewReader("text"), -1)} }, 1},
		"expects":          {func() Request { return Request{Method: "POST", Body: Text("text"), Expect: true} }, 0},
	}
	for name, test := range requests {
		for _, answer := range []string{refusal, "HTTP/1.1 100 Continue\r\n\r\n" + refusal, ""} {
			t.Run(name+"/"+answer[:min(len(answer), 12)], func(t *testing.T) {
				waits := strings.HasSuffix(name, "body")
				synctest.Test(t, func(t *testing.T) {
					c := New(&Config{Dial: func(_ context.Context, _ string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
						here, there := memconn.Pipe(1 << 16)
						return chanio.NewConn(&refusing{here, there, test.writes, answer, !waits}, cfg), nil
					}})
					defer func() { require.NoError(t, c.Close()) }()
					r := test.r()
					r.URL = "http://server/"
					resp, err := c.Do(t.Context(), &r)
					if answer == "" { // after a while, if the server waits
						require.Error(t, err)
						require.Zero(t, c.Stats()[0].Open)
						return
					}
					require.NoError(t, err)
					require.Equal(t, http.StatusRequestEntityTooLarge, resp.Status)
					text, err := resp.Text(t.Context())
					require.NoError(t, err)
					require.Equal(t, "no", text)
				})
			})
		}
	}
}
