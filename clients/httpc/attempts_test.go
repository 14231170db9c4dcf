package httpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/clients"
)

// TestErrorsTellTheNumberOfAttempts checks the text of errors after several attempts, and that they still match.
func TestErrorsTellTheNumberOfAttempts(t *testing.T) {
	policy := &RetryPolicy{Tries: 3, First: time.Second, Most: time.Second}
	for name, k := range map[string]struct {
		r      Request
		answer func(net.Conn, *bufio.Reader)
		want   error
		text   string
	}{
		"one attempt":             {Request{AttemptTimeout: time.Second}, silent, os.ErrDeadlineExceeded, ""},
		"attempts that take long": {Request{AttemptTimeout: time.Second, Retry: policy}, silent, os.ErrDeadlineExceeded, "(after 3 attempts)"},
		"a response":              {Request{Retry: policy}, says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), nil, ""},
		"the total in an attempt": {Request{Timeout: 5 * time.Second, AttemptTimeout: 2 * time.Second, Retry: &RetryPolicy{First: -1}}, silent, os.ErrDeadlineExceeded, "(after 3 attempts)"},
		"connections that end":    {Request{Retry: policy}, func(_ net.Conn, in *bufio.Reader) { readRequest(in) }, io.ErrUnexpectedEOF, "(after 3 attempts)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, k.answer, func(t *testing.T, c *Client, _ *atomic.Int64) {
				k.r.URL = "http://a"
				resp, err := c.Do(t.Context(), &k.r)
				if k.want == nil {
					require.NoError(t, err)
					require.NoError(t, resp.Close())
					return
				}
				require.ErrorIs(t, err, k.want)
				var ne net.Error
				require.ErrorAs(t, err, &ne)
				require.Equal(t, errors.Is(k.want, os.ErrDeadlineExceeded), ne.Timeout())
				if k.text == "" {
					require.NotContains(t, err.Error(), "attempts")
				} else {
					require.ErrorContains(t, err, k.text)
				}
			})
		})
	}
}

// TestErrorsTellTheAttemptsOfTheTransportToo uses a connection that dies when it is reused, and others that end at once.
func TestErrorsTellTheAttemptsOfTheTransportToo(t *testing.T) {
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		readRequest(in)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		readRequest(in)
	}, func(_ net.Conn, in *bufio.Reader) { readRequest(in) })
	c := newClient(t, &Config{Retry: &RetryPolicy{Tries: 2, First: -1}})
	status, _ := text(t, c, s.url)
	require.Equal(t, 200, status)
	_, err := c.Get(t.Context(), s.url)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 3, s.accepted())
	require.Equal(t, 1, strings.Count(err.Error(), "attempts"), "%v", err)
	require.ErrorContains(t, err, "(after 3 attempts)")
}

// TestRefusedStreamsAreSentAgainWithPauses uses a server that refuses every stream. The first repetition follows at
// once, since the refusal may have crossed with the request.
func TestRefusedStreamsAreSentAgainWithPauses(t *testing.T) {
	var when []time.Time
	refuses := func(f *frames.Framer, id uint32) {
		when = append(when, time.Now())
		_ = f.WriteRSTStream(id, frames.ErrCodeRefusedStream)
	}
	serves := func(nc net.Conn, in *bufio.Reader) { answerFrames(nc, in, []answer{refuses}) }
	inBubble(t, Config{Protocols: h2c()}, serves, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for name, k := range map[string]struct {
			r    Request
			most time.Duration // of the first pause
		}{
			"no policy": {Request{}, 100 * time.Millisecond},
			"a policy":  {Request{Retry: &RetryPolicy{Tries: 1, First: time.Hour, Most: 10 * time.Hour}}, time.Hour},
		} {
			when = nil
			k.r.URL, k.r.Body = "http://a", Text("x")
			_, err := c.Do(t.Context(), &k.r)
			require.ErrorContains(t, err, "REFUSED_STREAM", name)
			require.ErrorContains(t, err, "(after 6 attempts)", name)
			require.Len(t, when, 6)
			require.Zero(t, when[1].Sub(when[0]), name)
			pauses := time.Duration(0)
			for i := range 4 {
				pause := when[i+2].Sub(when[i+1])
				require.LessOrEqual(t, pause, k.most<<i, name)
				pauses += pause
			}
			require.Positive(t, pauses, name)
		}
		mine := errors.New("mine")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(mine) })
		start := time.Now()
		_, err := c.Do(ctx, &Request{URL: "http://a", Retry: &RetryPolicy{First: time.Hour << 20, Most: time.Hour << 20}})
		require.ErrorIs(t, err, mine, "the pause ends with ctx")
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestPolicyDoesNotRepeatWhatFailsAgain uses failures that another attempt cannot mend.
func TestPolicyDoesNotRepeatWhatFailsAgain(t *testing.T) {
	secure := serveTLS(t, echo)
	var asked atomic.Int64
	refusing := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusProxyAuthRequired)
	})
	policy := &RetryPolicy{First: -1}
	untrusting := newClient(t, &Config{Retry: policy, Proxy: Direct})
	_, err := untrusting.Get(t.Context(), secure)
	var certificate *tls.CertificateVerificationError
	require.ErrorAs(t, err, &certificate)
	require.EqualValues(t, 1, untrusting.Stats()[0].Dials)

	u, err := url.Parse(refusing)
	require.NoError(t, err)
	c := newClient(t, &Config{Retry: policy, Proxy: http.ProxyURL(u)})
	_, err = c.Get(t.Context(), "https://a.example/")
	var refused *clients.ProxyError
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, 1, asked.Load())

	_, err = c.Do(t.Context(), &Request{URL: "http://a.example/", Header: http.Header{"A": {"b\r\nc"}}})
	require.Error(t, err)
	require.EqualValues(t, 1, asked.Load())
	require.False(t, strings.Contains(err.Error(), "attempts"))
}
