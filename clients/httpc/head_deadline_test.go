package httpc

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// TestTimeoutsOfTheHeadDoNotBoundTheBody receives bodies that take longer than HeadTimeout and ExpectTimeout. The head
// arrives before any 100 response.
func TestTimeoutsOfTheHeadDoNotBoundTheBody(t *testing.T) {
	requests := map[string]Request{
		"no body":          {},
		"short body":       {Method: http.MethodPost, Body: Text("text")},
		"expects":          {Method: http.MethodPost, Body: Text("text"), Expect: true},
		"expects, skipped": {Method: http.MethodPost, Body: Text("text"), Expect: true, Header: http.Header{"Skip": {"1"}}},
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for name, r := range requests {
			t.Run(proto+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(time.Second) // net/http lingers when it closes a connection
					var network chaniotest.Network
					ln, err := network.Listen("server")
					require.NoError(t, err)
					protocols := new(http.Protocols)
					protocols.SetHTTP1(proto == "HTTP/1.1")
					protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
					srv := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(answerSlowly)}
					go func() { _ = srv.Serve(ln) }() // returns after Close
					defer func() { _ = srv.Close() }()
					c := New(&Config{
						HeadTimeout: 5 * time.Second, Protocols: protocols,
						Dial: func(ctx context.Context, _ string, cfg *chanio.ConnConfig) (*chanio.Conn, error) {
							nc, err := network.DialContext(ctx, "mem", "server")
							if err != nil {
								return nil, err
							}
							return chanio.NewConn(nc, cfg), nil
						},
					})
					defer func() { require.NoError(t, c.Close()) }()
					r.URL = "http://server/"
					resp, err := c.Do(t.Context(), &r)
					require.NoError(t, err)
					require.Equal(t, proto, resp.Proto)
					text, err := resp.Text(t.Context())
					require.NoError(t, err)
					require.Equal(t, "slowly", text)
				})
			})
		}
	}
}

// answerSlowly answers with a body that takes 20 s.
func answerSlowly(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Skip") == "" {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	_, _ = io.WriteString(w, "slow")
	_ = http.NewResponseController(w).Flush()
	time.Sleep(20 * time.Second)
	_, _ = io.WriteString(w, "ly")
}
